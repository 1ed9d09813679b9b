"""How a training run can end early. Nothing computed is lost: the errors carry the completed rounds."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .module_run import ModuleRun
    from .run import TrainingRun


class DivergenceError(ArithmeticError):
    """The error grew beyond all bounds: the step size is too large.

    Attributes
    ----------
    run : TrainingRun or ModuleRun
        The completed rounds and the network after the last of them.
    round : int
        The round that diverged; ``run.history`` ends before it.
    """

    def __init__(self, message: str, run: TrainingRun | ModuleRun, round: int) -> None:
        super().__init__(message)
        self.run: Any = run
        self.round = round


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training; the round at work was completed first, of a module the local step.

    Attributes
    ----------
    run : TrainingRun or ModuleRun
        The completed rounds; `subnetlab.resume` goes on from there with the same bits.
    """

    def __init__(self, run: TrainingRun | ModuleRun) -> None:
        super().__init__(f"interrupted after {run.history.rounds} of {run.scheme.rounds} rounds")
        self.run: Any = run


@contextmanager
def rounds_kept(run_so_far: Callable[[], TrainingRun | ModuleRun]) -> Iterator[None]:
    """Let any other error carry the completed rounds, too: as ``error.run``, which a note of the traceback names."""
    try:
        yield
    except DivergenceError:
        raise
    except Exception as error:
        run = run_so_far()
        if run.history.rounds:
            error.__dict__["run"] = run
            error.add_note(
                f"The {run.history.rounds} completed rounds are kept: sl.resume(error.run) goes on from there."
            )
        raise


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C inside the block; the function it yields says whether one came.

    A second Ctrl-C acts at once. Outside the main thread, where Python allows no signal handlers, nothing
    changes.
    """
    asked = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def remembered_interrupt() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C act at once; the function it yields raises KeyboardInterrupt if one came and was lost.

    What Python raises inside an import of C code or a callback from it can be dropped there, or come out as an
    ImportError. Outside the main thread, where Python allows no signal handlers, nothing changes.
    """
    asked = False

    def again() -> None:
        if asked:
            raise KeyboardInterrupt

    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield again
        return

    def note(signum: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        previous(signum, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield again
    finally:
        signal.signal(signal.SIGINT, previous)
