"""Running the cells of a study on worker processes, each result stored as it arrives."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core import checks
from ..progress import progress_bar
from ..training.interrupts import deferred_interrupt
from .result import CellResult, encode
from .running import failure, run_cell
from .store import Outcome
from .workers import LocalWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from .cell import Cell
    from .store import Store

TRIES = 3
_CHUNK_SECONDS = 0.25  # of work per message to a worker; each message's results are one commit
_LARGEST_CHUNK = 256
_LOOK_EVERY = 0.2  # seconds between looks whether Ctrl-C was pressed

log = logging.getLogger(__name__)

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
    """Ctrl-C during a study; finished cells are stored, and the same call again goes on."""


def execute(
    cells: Iterable[Cell],
    store: Store,
    jobs: int | None = None,
    progress: bool = False,
    *,
    plan: Any = None,
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
        Show a bar on stderr if that is a terminal.
    plan : JSON-able, optional
        Kept in the store beside the cells.
    run : callable
        What a worker does with a cell.

    Returns
    -------
    Counts
        Of all ``cells``, those found in the store included.

    Raises
    ------
    TypeError, ValueError, OSError, ImportError
        Before any work, if a cell cannot be run: its data are missing, or do not fit it, or no engine can do it.
    StudyInterrupted
        On Ctrl-C.
    StudyFileError
        If results cannot be stored.
    """
    jobs = checks.whole_number("execute", "jobs", (os.cpu_count() or 1) if jobs is None else jobs, least=1)
    tasks = {cell.key(): cell.resolved() for cell in cells}
    store.set_plan([(key, cell.settings()) for key, cell in tasks.items()], plan)
    finished = store.finished()
    todo = [(key, cell) for key, cell in tasks.items() if key not in finished]
    reused = len(tasks) - len(todo)
    log.info("%d cells, %d with a result; %d jobs", len(tasks), reused, jobs)
    if todo:
        workers = [LocalWorker() for _ in range(min(jobs, len(todo)))]
        with progress_bar(len(tasks), "cell", done=reused, quiet=not progress) as advance:
            _Execution(todo, store, workers, run, advance).complete()
    finished = store.finished()
    statuses = [finished[key] for key in tasks]
    counts = Counts(*(statuses.count(status) for status in ("ok", "diverged", "failed")), reused=reused)
    log.info("done: %s", counts)
    return counts


class _Execution:
    """The cells still to run, and the workers that run them."""

    def __init__(
        self,
        todo: Sequence[Task],
        store: Store,
        workers: Sequence[LocalWorker],
        run: Callable[[Cell], CellResult],
        advance: Callable[[str], None],
    ) -> None:
        self._todo = deque(todo)
        self._alone: deque[Task] = deque()  # were in a chunk that took its worker down
        self._store = store
        self._workers = workers
        self._run = run
        self._advance = advance
        self._seconds_per_cell = _CHUNK_SECONDS
        self._flying: dict[Future[Any], tuple[LocalWorker, list[Task]]] = {}

    def complete(self) -> None:
        """Run everything; on the way out, whatever the reason, no worker is left."""
        try:
            with deferred_interrupt() as interrupted:
                for worker in self._workers:
                    self._hand_out(worker)
                while self._flying:
                    done, _ = wait(self._flying, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
                    self._take_in(done, more=not interrupted())
                    if interrupted():
                        raise StudyInterrupted("interrupted; finished cells are stored, the same command goes on")
        finally:
            for worker in self._workers:
                worker.stop()

    def _hand_out(self, worker: LocalWorker) -> None:
        chunk = self._next_chunk()
        if chunk:
            self._flying[worker.submit(run_chunk, self._run, chunk)] = (worker, chunk)

    def _next_chunk(self) -> list[Task]:
        if self._alone:
            return [self._alone.popleft()]
        size = int(_CHUNK_SECONDS / self._seconds_per_cell)
        size = max(1, min(size, _LARGEST_CHUNK, -(-len(self._todo) // len(self._workers))))
        return [self._todo.popleft() for _ in range(min(size, len(self._todo)))]

    def _take_in(self, done: Iterable[Future[Any]], *, more: bool) -> None:
        """Store what the futures brought; give their workers more first, so that none waits for the disk."""
        outcomes: list[Outcome] = []
        for future in done:
            worker, chunk = self._flying.pop(future)
            try:
                arrived = future.result()
            except BrokenProcessPool as error:
                worker.stop()
                outcomes += self._after_crash(chunk, error)
            else:
                outcomes += self._accepted(chunk, arrived)
            if more:
                self._hand_out(worker)
        if outcomes:
            self._store.write(outcomes)
            for outcome in outcomes:
                if outcome.status != "ok":
                    log.warning("cell %s %s", outcome.key[:12], outcome.status)
                self._advance("")

    def _accepted(self, chunk: list[Task], arrived: list[Outcome | str]) -> list[Outcome]:
        """Return the results; a cell that met a passing trouble (its message arrived) is tried again."""
        outcomes: list[Outcome] = []
        for task, outcome in zip(chunk, arrived, strict=True):
            if isinstance(outcome, str):
                outcomes += self._try_again(task, outcome)
            else:
                outcomes.append(outcome)
        if outcomes:
            recent = sum(outcome.seconds for outcome in outcomes) / len(outcomes)
            self._seconds_per_cell = max(1e-6, (self._seconds_per_cell + recent) / 2)
        return outcomes

    def _after_crash(self, chunk: list[Task], error: BaseException) -> list[Outcome]:
        """Blame the cell that was alone with a worker that died; try several again one by one."""
        message = f"its worker process died ({str(error).splitlines()[0]})"
        if len(chunk) > 1:
            log.warning("a worker died with %d cells; each is tried alone", len(chunk))
            self._alone.extend(chunk)
            return []
        return self._try_again(chunk[0], message)

    def _try_again(self, task: Task, message: str) -> list[Outcome]:
        key, cell = task
        attempt = self._store.add_attempt(key, message)
        log.warning("cell %s: %s (attempt %d of %d)", key[:12], message, attempt, TRIES)
        if attempt < TRIES:
            self._alone.append((key, cell))
            return []
        failure = CellResult("failed", f"tried {attempt} times: {message}")
        return [Outcome(key, failure.status, 0.0, encode(failure))]


def run_chunk(run: Callable[[Cell], CellResult], chunk: list[Task]) -> list[Outcome | str]:
    """Run cells one after another in a worker; a passing trouble gives its message in place of a result."""
    outcomes: list[Outcome | str] = []
    for key, cell in chunk:
        started = time.perf_counter()
        try:
            if cell.key() != key:
                result = CellResult("failed", "the data are not those that the study was planned with")
            else:
                result = run(cell)
        except (MemoryError, OSError) as error:
            outcomes.append(f"{type(error).__name__}: {error}")
            continue
        except Exception as error:
            result = failure(error)
        outcomes.append(Outcome(key, result.status, time.perf_counter() - started, encode(result)))
    return outcomes
