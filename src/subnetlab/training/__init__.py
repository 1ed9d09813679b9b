"""Training: the loop over rounds, its step size, its results."""

from .errors import DivergenceError, TrainingInterrupted
from .loop import resume, train
from .run import RunSettings, TrainingRun, load_run
from .session import TrainingSession

__all__ = [
    "DivergenceError",
    "RunSettings",
    "TrainingInterrupted",
    "TrainingRun",
    "TrainingSession",
    "load_run",
    "resume",
    "train",
]
