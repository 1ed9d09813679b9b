"""How a training run can end early. Both errors carry the run up to there: nothing computed is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    """Ctrl-C during training; the round at work was completed first.

    Attributes
    ----------
    run : TrainingRun
        The completed rounds; `subnetlab.resume` goes on from there with the same bits.
    """

    def __init__(self, run: TrainingRun) -> None:
        super().__init__(f"interrupted after {run.history.rounds} of {run.scheme.rounds} rounds")
        self.run: Any = run
