"""Running the cells of a study, each result stored as it arrives."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import __version__
from ..core import checks
from ..core.masks.naming import own_laws
from ..progress import progress_bar
from ..training.errors import deferred_interrupt
from ..versions import versions
from .networks import own_networks
from .reading import ASKED
from .result import CellResult, encode
from .running import Trouble, run_cell, run_chunk
from .store import Outcome, log, logging_to
from .workers import LocalPool, ThisProcess, why_no_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from .cell import Cell
    from .data import DatasetSpec, StudyData
    from .store import Store
    from .workers import Pool

_CHUNK_SECONDS = 0.25  # of work per message to a worker; each message's results are one commit
_LARGEST_CHUNK = 256
_GIVEN_BYTES = 20e6  # of data that a worker is handed at its start
_LOOK_EVERY = 0.2  # seconds between looks whether Ctrl-C was pressed
_LOG_EVERY = 10.0  # seconds between lines about progress

_MADE_BY = "made_by"  # the note of the version that made those results that do not say so

Task: TypeAlias = "tuple[str, Cell]"


@dataclass(frozen=True)
class Counts:
    """How many cells of the plan ended how; ``reused`` of them were there before."""

    ok: int = 0
    diverged: int = 0
    failed: int = 0
    reused: int = 0

    @property
    def total(self) -> int:
        """All finished cells."""
        return self.ok + self.diverged + self.failed


class StudyInterrupted(KeyboardInterrupt):
    """Ctrl-C during a study; finished cells are stored, and the same call resumes."""


def execute(
    cells: Iterable[Cell],
    store: Store,
    jobs: int | None = None,
    progress: bool = False,
    *,
    cluster: Any = None,
    run: Callable[[Cell], CellResult] = run_cell,
) -> Counts:
    """Run the cells that have no result yet.

    Parameters
    ----------
    cells : iterable of Cell
        Two that mean the same run (an engine named, and chosen by "auto") are run once.
    store : Store
    jobs : int, optional
        Worker processes, each on one thread; None means one per processor.
    progress : bool, default False
        Show a bar on stderr if that is a terminal, otherwise print a line a minute.
    cluster : str or distributed.Client, optional
        A dask scheduler whose workers run the cells, in place of ``jobs``.
    run : callable
        What a worker does with a cell.

    Returns
    -------
    Counts
        Of all ``cells``, those found in the store included.

    Raises
    ------
    TypeError, ValueError, OSError, ImportError
        Before any work, if a cell cannot be run: its data are missing or do not fit it, or no engine can do it.
    StudyInterrupted
        On Ctrl-C.
    StudyFileError
        If results cannot be stored.
    """
    jobs = checks.whole_number("execute", "jobs", processors() if jobs is None else jobs, least=1)
    cells = list(cells)
    identified = [cell.identified() for cell in cells]
    tasks = dict(identified)
    with logging_to(store.folder):
        for notice in store.notices:  # from before there was a log
            log.warning("%s", notice)
        earlier = store.noted(_MADE_BY) or (store.noted("versions") or {}).get("subnetlab", "an earlier version")
        store.set_plan(_in_the_plans_words(cells, identified, tasks))
        store.note("versions", versions())
        finished = store.finished()
        todo = [(key, cell) for key, cell in tasks.items() if key not in finished]
        reused = len(tasks) - len(todo)
        if reused:
            store.note(_MADE_BY, earlier)
            _tell_of_other_versions(store, tasks, earlier)
        log.info("%d cells, %d with a result", len(tasks), reused)
        if todo:
            with progress_bar(len(tasks), "cell", done=reused, quiet=not progress) as advance:
                pool = _pool(jobs, todo, cluster)
                if isinstance(pool, ThisProcess):
                    store.notice(f"all cells run in this process, one after another: {why_no_workers()}")
                _Execution(deque(todo), store, pool, run, advance).complete()
        finished = store.finished()
        statuses = [finished[key] for key in tasks]
        counts = Counts(*(statuses.count(status) for status in ("ok", "diverged", "failed")), reused=reused)
        log.info("finished: %d ok, %d diverged, %d failed", counts.ok, counts.diverged, counts.failed)
    return counts


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell_of_other_versions(store: Store, keys: Iterable[str], earlier: str) -> None:
    """Say so if results that are used again were made by other versions."""
    others = store.other_versions(keys, earlier)
    if others:
        made = ", ".join(f"{count} by {version}" for version, count in sorted(others.items()))
        store.notice(
            f"results of other versions are used, for their engines have not changed: {made} (this is {__version__}); "
            "another folder computes all of them anew"
        )


def _in_the_plans_words(
    cells: Sequence[Cell], identified: Sequence[Task], tasks: Mapping[str, Cell]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key and the settings of each task, and how the plan asked for it where its words are others."""
    asked: dict[str, list[dict[str, Any]]] = {}
    for cell, (key, _) in zip(cells, identified, strict=True):
        used = tasks[key].settings()
        asked.setdefault(key, []).append({n: value for n, value in cell.settings().items() if value != used[n]})
    for key, cell in tasks.items():
        yield key, cell.stored_settings() | ({} if asked[key] == [{}] else {ASKED: asked[key]})


def _pool(jobs: int, todo: Sequence[Task], cluster: Any) -> Pool:
    if cluster is None:
        if why_no_workers() is not None:
            return ThisProcess()
        return LocalPool(min(jobs, len(todo)), _to_give(todo))
    from .workers import ClusterPool

    return ClusterPool(cluster)


def _to_give(todo: Sequence[Task]) -> dict[DatasetSpec, StudyData]:
    """Return the data of the cells as far as they are small; workers load what is large by themselves."""
    data = {spec: spec.load() for spec in dict.fromkeys(cell.dataset for _, cell in todo)}
    small = sum(found.nbytes for found in data.values()) <= _GIVEN_BYTES
    return data if small else {}


@dataclass(eq=False)
class _Execution:
    """The cells still to run, and the pool that runs them."""

    todo: deque[Task]
    store: Store
    pool: Pool
    run: Callable[[Cell], CellResult]
    advance: Callable[..., None]
    alone: deque[Task] = field(default_factory=deque)  # to be tried again, each by itself
    flying: dict[Future[Any], list[Task]] = field(default_factory=dict)
    done: int = 0
    failed: int = 0
    seconds_per_cell: float = _CHUNK_SECONDS
    next_line: float = field(default_factory=lambda: time.monotonic() + _LOG_EVERY)

    def complete(self) -> None:
        """Run everything; on the way out, whatever the reason, no worker is left."""
        at_once = True
        try:
            with deferred_interrupt() as interrupted:
                self._hand_out()
                while self.flying:
                    ended, _ = wait(self.flying, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
                    outcomes = self._take_in(ended)
                    if not outcomes:
                        self.advance(self._trouble(), 0)
                    if not interrupted():
                        self._hand_out()  # before waiting for the disk
                    self._keep(outcomes)
                    if interrupted():
                        log.warning("interrupted")
                        raise StudyInterrupted("interrupted; finished cells are stored, the same command goes on")
            at_once = False
        finally:
            self.pool.stop(at_once=at_once)

    def _hand_out(self) -> None:
        """Keep every worker busy."""
        capacity = self.pool.capacity()
        while len(self.flying) < capacity and (self.alone or self.todo):
            chunk = [self.alone.popleft()] if self.alone else self._next_chunk(capacity)
            laws = own_laws(cell.masks for _, cell in chunk)
            networks = own_networks(cell.network for _, cell in chunk)
            self.flying[self.pool.submit(run_chunk, self.run, chunk, laws, networks)] = chunk

    def _next_chunk(self, capacity: int) -> list[Task]:
        size = min(int(_CHUNK_SECONDS / self.seconds_per_cell), _LARGEST_CHUNK, -(-len(self.todo) // capacity))
        return [self.todo.popleft() for _ in range(max(1, size))]

    def _take_in(self, ended: Iterable[Future[Any]]) -> list[Outcome]:
        """Return the results that the futures brought; cells without one go back to be tried again."""
        outcomes: list[Outcome] = []
        for future in ended:
            chunk = self.flying.pop(future)
            self.pool.done(future)
            error = future.exception()
            if isinstance(error, self.pool.crashes):
                outcomes += self._after_crash(chunk, error)
                continue
            arrived = future.result()
            for task, outcome in zip(chunk, arrived, strict=True):
                outcomes += self._try_again(task, outcome.message) if isinstance(outcome, Trouble) else [outcome]
        seconds = [outcome.seconds for outcome in outcomes]
        if seconds:
            self.seconds_per_cell = max(1e-6, (self.seconds_per_cell + sum(seconds) / len(seconds)) / 2)
        return outcomes

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        self.store.write(outcomes)
        self.done += len(outcomes)
        for outcome in outcomes:
            if outcome.status != "ok":
                log.warning("cell %s %s", outcome.key[:12], outcome.status)
            self.failed += outcome.status == "failed"
            self.advance(self._trouble())
        if time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + _LOG_EVERY
            log.info("%d cells done, %d to do", self.done, len(self.todo) + len(self.alone))

    def _trouble(self) -> str:
        return f"{self.failed} failed" if self.failed else ""

    def _after_crash(self, chunk: list[Task], error: BaseException) -> list[Outcome]:
        """Blame the cell that was alone with a worker that died; try several again one by one."""
        if len(chunk) > 1:
            log.warning("a worker died with %d cells; each is tried alone", len(chunk))
            self.alone.extend(chunk)
            return []
        cause = (str(error) or type(error).__name__).splitlines()[0]
        return self._try_again(chunk[0], f"its worker process died ({cause})")

    def _try_again(self, task: Task, message: str) -> list[Outcome]:
        key = task[0]
        attempt = self.store.add_attempt(key, message)
        log.warning("cell %s: %s (attempt %d of %d)", key[:12], message, attempt, self.pool.tries)
        if attempt < self.pool.tries:
            self.alone.append(task)
            return []
        failure = CellResult("failed", f"tried {attempt} times: {message}")
        return [Outcome(key, failure.status, 0.0, encode(failure))]
