"""Training: the loop over rounds, its step size, its results."""

from .certificate import certify
from .errors import DivergenceError, TrainingInterrupted
from .loop import resume, train
from .reading import load_run
from .request import RunRequest, RunSettings
from .run import TrainingRun
from .session import TrainingSession

__all__ = [
    "DivergenceError",
    "RunRequest",
    "RunSettings",
    "TrainingInterrupted",
    "TrainingRun",
    "TrainingSession",
    "certify",
    "load_run",
    "resume",
    "train",
]
