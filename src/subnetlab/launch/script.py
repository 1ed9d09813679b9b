"""A script of the user's as the work of a job: every worker runs it, and what trains in it trains with the others.

The script is the one that trains in one process. `subnetlab.ModuleTraining` finds the workers by itself, keeps a
checkpoint in the job's folder, and goes on from it when the script begins again after a failure.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import runpy
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.distributed.group import PeerLostError, StopRequested, among
from .ending import begin_like_a_program, end_like_a_program, write_what_is_open
from .outcome import STOP_FILE, append_event
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..engines.distributed.group import Wish
    from ..engines.distributed.worker import Exchange, Messages

_POLL = 0.05  # seconds


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
    over : StopRequested or PeerLostError, optional
        What the script was told by: it may catch that and go on, or end in its own way.
    """

    folder: Path
    completed: Callable[[], None]
    watched: Callable[[bool], None]
    trainings: int = 0
    over: StopRequested | PeerLostError | None = None

    def exchange(self, exchange: Exchange) -> Messages:
        """Send every message and return what arrived; nothing does any more once a worker is lost."""
        if isinstance(self.over, PeerLostError):
            raise self.over
        try:
            return super().exchange(exchange)
        except PeerLostError as error:
            self.over = error
            raise

    def checkpoint_file(self) -> Path:
        """Return a file for each training of the script, in the order in which they begin."""
        self.trainings += 1
        return self.folder / f"training-{self.trainings}.safetensors"

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
            append_event(self.folder, event, rounds, training=self.trainings, **facts)
        if event == "checkpoint":
            self.completed()


def _wait_for_all(group: ScriptGroup) -> None:
    """Wait until every worker has come to the end of its script, however long one takes for its last lines.

    Raises
    ------
    PeerLostError
        If one is lost on the way: it is back, and waits for the others.
    """
    group.count("done", 1)
    while group.count("done") < group.size:
        if group.latecomers():
            raise PeerLostError("a worker was lost at the end of the script")
        time.sleep(_POLL)
    group.tell_all(np.zeros(1))  # the store's owner must not leave while others still ask


def run_script(
    words: Sequence[str],
    transport: Transport,
    folder: Path,
    *,
    attempt: int,
    completed: Callable[[], None],
    watched: Callable[[bool], None],
    rates: tuple[float, ...] | None = None,
) -> str:
    """Run a script as one of the workers; return "finished" or "stopped".

    Parameters
    ----------
    words : sequence of str
        The script and its arguments.
    transport : Transport
    folder : Path
        Of the job.
    attempt : int
        Told in the log.
    completed : callable
        Is called after each checkpoint.
    watched : callable
        Is told of every local step, and when one will follow.
    rates : tuple of float, optional
        How fast the workers are that the job is planned for.

    Raises
    ------
    JobError
        On all workers, if their scripts differ.
    PeerLostError
        If a worker is lost.
    Exception
        Whatever the script raises.
    """
    script = Path(words[0])
    group = ScriptGroup(
        transport.process_group,
        transport.rank,
        transport.size,
        store=transport.store,
        folder=folder,
        completed=completed,
        watched=watched,
        rates=rates,
    )
    group.agree_on_settings({"script": list(words), "sha256": hashlib.sha256(script.read_bytes()).hexdigest()})
    pids = [int(pid[0]) for pid in group.tell_all(np.array([os.getpid()]))]
    if group.rank == 0:
        append_event(folder, "begin", 0, attempt=attempt, pids=pids)
    sys.argv = list(words)
    sys.path.insert(0, str(script.parent.absolute()))
    with among(group, in_all_threads=True):
        status = _run_to_its_end(script, group)
    write_what_is_open()
    _wait_for_all(group)
    if group.rank == 0:
        append_event(folder, "end", 0, status=status)
        (folder / STOP_FILE).unlink(missing_ok=True)
    return status


def _run_to_its_end(script: Path, group: ScriptGroup) -> str:
    """Run a script and what it has left for its end; return "finished" or "stopped".

    Once training has been stopped, or a worker is lost, no way in which the script ends is a failure of its own: it may
    catch what it was told by, and go on to its last line, or exit with a code.
    """
    begin_like_a_program()
    status, module = "finished", {}
    try:
        module = runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0) and group.over is None:
            raise RuntimeError(f"the script ended with {end.code!r}") from end
    except BaseException as error:
        if group.over is None:
            raise
        if error is not group.over:
            traceback.print_exc()
        status = "stopped"
    _raise_what_is_lost(group)
    end_like_a_program(status)
    _raise_what_is_lost(group)  # in a thread of the script
    del module  # not before: its threads and exit functions see its variables
    return "finished" if group.over is None else "stopped"


def _raise_what_is_lost(group: ScriptGroup) -> None:
    if isinstance(group.over, PeerLostError):
        raise group.over


def hear_from(file: str | None) -> None:
    """Read standard input from a file; None: from the terminal or pipe of the launcher, which forks lose."""
    with contextlib.suppress(OSError):  # it may be closed
        if file is not None:
            descriptor = os.open(file, os.O_RDONLY)
            os.dup2(descriptor, 0)
            os.close(descriptor)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115


def speak_into(file: Path) -> None:
    """Append what this process writes to stdout and stderr to a file, line by line."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
