"""Notices workers that wait for each other in different places of their script, which no further attempt would mend.

What is asked of a training is work of all workers: one that asks for ``training.model`` while another has come to its
last line would wait until its time is up, begin again, and wait there again. So worker 0 writes into the store where it
waits, and each of the others compares that with where itself does.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from .transport import StoreLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transport import Store

THE_END = "the end of the script"
_BEAT = 0.5  # seconds; a wait that is over sooner is not looked at
_PARTING = 5.0  # seconds for which a worker that ends waits for the others to read why
_FIRST, _FIRST_WAITS = "place of worker 0", "worker 0 waits"
_WHY, _PARTED, _HEARD = "why the workers part", "parted", "parting heard"


class Place(NamedTuple):
    """Where in its script a worker waits for the others.

    Parameters
    ----------
    number : int
        Of the exchange; all workers count alike as long as they do the same.
    since : int
        The first exchange of what the worker does.
    doing : str
        In words.
    """

    number: int
    since: int
    doing: str

    def contradicts(self, other: Place) -> bool:
        """Return whether two workers did different things in the same exchange.

        Examples
        --------
        >>> Place(7, 5, "a round").contradicts(Place(6, 6, "the end of the script"))
        True
        >>> Place(7, 5, "a round").contradicts(Place(8, 8, "the end of the script"))
        False
        """
        return self.doing != other.doing and self.since <= other.number and other.since <= self.number


class Watch:
    """Compares where the workers wait, in a thread of its own.

    Parameters
    ----------
    store : Store
    rank, size : int
    place : callable
        Returns where this worker waits now, or None.
    end : callable
        Is called with the reason when the workers have parted: it ends this process.
    """

    def __init__(
        self, store: Store, rank: int, size: int, place: Callable[[], Place | None], end: Callable[[str], object]
    ) -> None:
        self._store, self._rank, self._size, self._place, self._end = store, rank, size, place, end
        self._told: Place | None = None
        self._heard = threading.Event()

    def start(self) -> threading.Thread:
        """Begin; all workers do. Return the thread, which ends after the workers have parted."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        seen = None
        with suppress(StoreLostError):  # worker 0 has ended
            while not self._store.add(_PARTED):
                time.sleep(_BEAT)
                before, seen = seen, self._place()
                if seen is not None and seen == before:
                    self._compare(seen)
            why = self._store.get(_WHY)
            self._heard.set()
            with suppress(OSError, ValueError):  # the log may be on a full disk
                print("waiting, or at work, here:", file=sys.stderr, flush=True)
                faulthandler.dump_traceback()
            self._let_all_hear()
            self._end(why)

    def hold(self) -> None:
        """Leave the end to the thread if it has a reason: to this one the others, which end, are lost."""
        if self._heard.is_set():
            threading.Event().wait()

    def _compare(self, mine: Place) -> None:
        """Let all end if worker 0 waits, or has waited, for something else."""
        if self._rank == 0:
            if mine != self._told:
                self._store.set(_FIRST, json.dumps(mine))
                self._store.add(_FIRST_WAITS, 1)
                self._told = mine
        elif self._store.add(_FIRST_WAITS) and mine.contradicts(first := Place(*json.loads(self._store.get(_FIRST)))):
            self._store.set(
                _WHY,
                "launch: rounds, training.model, training.entries, save and export must be asked for by all workers "
                f"alike, got worker 0 waiting at {first.doing} and worker {self._rank} at {mine.doing}; their logs "
                "tell the lines",
            )
            self._store.add(_PARTED, 1)

    def _let_all_hear(self) -> None:
        deadline = time.monotonic() + _PARTING
        with suppress(StoreLostError):  # worker 0 has ended: all have heard
            heard = self._store.add(_HEARD, 1)
            while heard < self._size and time.monotonic() < deadline:
                time.sleep(_BEAT / 10)
                heard = self._store.add(_HEARD)
