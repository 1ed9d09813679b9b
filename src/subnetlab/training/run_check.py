"""What the file of a run must hold: one check that every reader goes through.

The arrays are described once, by name, in terms of the run's own sizes. A file whose checksums are right can still have
been written by anybody: nothing of it is used before it fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from .request import MOST_THREADS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .run import TrainingRun

# name -> shape; a letter stands for one size everywhere, "o" for outputs that may be missing, "?" for an optional array
_SHAPES: dict[str, str] = {
    "network.weights": "m d",
    "network.signs": "m o",
    "initial.weights": "m d",
    "initial.signs": "m o",
    "data.X": "n d",
    "data.y": "n o",
    "data.sample_weight": "? n",
    "data.X_validation": "? v d",
    "data.y_validation": "? v o",
    "history.sampled_error": "K",
    "history.local_error": "K tau",
    "history.full_error": "K+1",
    "history.subnetwork_errors": "? K tau+1 p",
    "history.validation_error": "? K+1",
    "history.pattern_change": "? K+1",
    "history.weight_movement": "? K+1",
    "comparison.weight_distance": "? ",
    "comparison.error_distance": "? k+1",
    "comparison.history.sampled_error": "? k",
    "comparison.history.local_error": "? k tau",
    "comparison.history.full_error": "? k+1",
    "comparison.history.subnetwork_errors": "? k tau+1 p",
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_FREE = ("state.", "masks.")  # the engine's own; checked by the law


def check_arrays(arrays: Mapping[str, np.ndarray], sizes: dict[str, int]) -> None:
    """Raise ValueError unless every array of a run is there, of numbers, and of a shape that fits the others.

    Parameters
    ----------
    arrays : mapping from name to ndarray
    sizes : dict from letter to int
        What is known beforehand: tau and p. The others are taken from the first array that has them.
    """
    outputs = "network.signs" in arrays and arrays["network.signs"].ndim == 2
    for name in arrays:
        if name not in _SHAPES and not name.startswith(_FREE):
            raise ValueError(f"{name} is no array of a run")
    for name, letters in _SHAPES.items():
        expected = letters.removeprefix("?").split()
        if name not in arrays:
            if not letters.startswith("?"):
                raise ValueError(f"{name} is missing")
            continue
        array = arrays[name]
        if array.dtype not in _FLOATS:
            raise ValueError(f"{name} must hold floating-point numbers, got {array.dtype}")
        if "o" in expected and not outputs:
            expected.remove("o")
        if array.ndim != len(expected) or any(
            size != _size(letter, size, sizes) for letter, size in zip(expected, array.shape, strict=True)
        ):
            raise ValueError(f"{name} must have shape ({', '.join(expected)}), got {array.shape} with {sizes}")
    for name, array in arrays.items():
        if name.startswith(_FREE) and array.dtype.kind not in "fiub":
            raise ValueError(f"{name} must hold numbers, got {array.dtype}")


def _size(letter: str, found: int, sizes: dict[str, int]) -> int:
    """Return the size that a letter stands for; ``found`` if it is the first of it."""
    base, _, more = letter.partition("+")
    return sizes.setdefault(base, found - int(more or 0)) + int(more or 0)


def check_run(run: TrainingRun) -> None:
    """Raise TypeError or ValueError unless settings, status and history of a run agree with each other."""
    settings, scheme, history = run.settings, run.scheme, run.history
    settings.check("settings")
    checks.whole_number("settings", "threads", settings.threads, least=1, most=MOST_THREADS)
    checks.whole_number("settings", "engine_version", settings.engine_version, least=0)
    checks.positive_number("settings", "step_size", settings.step_size)
    checks.instance("settings", "engine", settings.engine, str)
    checks.one_of("run", "status", run.status, ("finished", "unfinished", "diverged"))
    checks.instance("run", "provenance", run.provenance, dict)
    scheme.check(run.network.width, len(run.data.X))
    if history.rounds > scheme.rounds or (run.status == "finished") != (history.rounds == scheme.rounds):
        raise ValueError(f"a {run.status} run of {scheme.rounds} rounds must not have a history of {history.rounds}")
    for name, values in vars(run.data).items():
        if values is not None and not np.isfinite(values).all():
            raise ValueError(f"data.{name} must be finite")
    if run.data.sample_weight is not None and run.data.sample_weight.min() < 0:
        raise ValueError("data.sample_weight must be at least 0")
    measured: dict[str, Any] = {} if settings.record == "none" else {"full_error": history.full_error}
    if settings.record in ("mean", "subnetworks"):
        measured |= {"sampled_error": history.sampled_error, "local_error": history.local_error}
    for name, errors in measured.items():
        if not (np.isfinite(errors).all() and (errors >= 0).all()):
            raise ValueError(f"history.{name} must be finite and at least 0")
