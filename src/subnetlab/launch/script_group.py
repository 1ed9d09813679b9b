"""The workers of a job, as the trainings of a script see them."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..engines.distributed.group import PeerLostError, StopRequested
from .outcome import STOP_FILE, append_event
from .parting import Place
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..engines.distributed.group import Wish
    from ..engines.distributed.worker import Exchange, Messages

_TAGS = 1 << 16  # more than the arrays of a message


@dataclass(eq=False, kw_only=True)
class ScriptGroup(Transport):
    """The workers of a job, as the trainings of a script see them.

    Parameters
    ----------
    folder : Path
        Of the job.
    completed : callable
        Is called after each checkpoint.
    watched : callable
        See `Progress.at_work`.
    trainings : int
        That were begun in the script so far.
    files : int
        That they were given for their checkpoints.
    over : StopRequested or PeerLostError, optional
        What the script was told by: it may catch that and go on, or end in its own way.

    Attributes
    ----------
    place : Place or None
        Where this worker waits for the others.
    """

    folder: Path
    completed: Callable[[], None]
    watched: Callable[[bool], None]
    trainings: int = 0
    files: int = 0
    over: StopRequested | PeerLostError | None = None
    place: Place | None = field(default=None, init=False)
    _next: Place = field(default=Place(1, 1, "the beginning of the script"), init=False)

    def doing(self, what: str) -> None:
        """Note what the exchanges from here on are for, and keep messages of something else from taking their place."""
        if what != self._next.doing:
            self._next = Place(self._next.number, self._next.number, what)
            self.first_tag = zlib.crc32(what.encode()) % (_TAGS // 2) * _TAGS

    def exchange(self, exchange: Exchange) -> Messages:
        """Send every message and return what arrived; nothing does any more once a worker is lost."""
        if isinstance(self.over, PeerLostError):
            raise self.over
        with self.waiting():
            try:
                arrived = super().exchange(exchange)
            except PeerLostError as error:
                self.over = error
                raise
        self._next = self._next._replace(number=self._next.number + 1)
        return arrived

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let `place` say, in the block, where this worker waits for the others."""
        self.place = self._next
        try:
            yield
        finally:
            self.place = None

    def begin_training(self) -> int:
        """Return 1 for the first training that begins in the script, and so on."""
        self.trainings += 1
        return self.trainings

    def checkpoint_file(self) -> Path:
        """Return a file for the next training of the script that was given none."""
        self.files += 1
        return self.folder / f"training-{self.files}.safetensors"

    def wish(self) -> Wish:
        """Return whether the user wants an orderly end, or a worker waits that came after the group had begun."""
        if (self.folder / STOP_FILE).exists():
            return "stop"
        return "meet again" if self.latecomers() else ""

    def ending(self, wish: Wish) -> StopRequested | PeerLostError:
        """Return what training ends with, and note it: how the script ends after that says nothing new."""
        self.over = super().ending(wish)
        return self.over

    def at_work(self, works: bool) -> None:
        """Tell the agent, for which a worker lives as long as it takes steps."""
        self.watched(works)

    def heard(self, event: str, rounds: int, **facts: Any) -> None:
        """Write a line to the job's log, and count what is completed."""
        if self.rank == 0:
            append_event(self.folder, event, rounds, **facts)
        if event == "checkpoint":
            self.completed()
