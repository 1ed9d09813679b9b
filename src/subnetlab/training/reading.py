"""load_run(), and what the file of a run must hold: one check that every reader goes through.

The arrays are described once, by name, in terms of the run's own sizes. A file whose checksums are right can still have
been written by anybody: nothing of it is used before it fits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..archive import ArchiveError, read_archive
from ..atomic import checked_path
from ..core import checks
from ..core.network import ShallowReLU
from ..core.scheme_record import scheme_from_record
from ..history import History
from ..input_file import open_input
from .request import RENAMED, RunSettings, TrainingData
from .run import KIND, RUN_FILE, VERSION, Comparison, TrainingRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .module_run import ModuleRun

# name -> shape; a letter stands for one size everywhere, "o" for outputs that may be missing, "?" for an optional array
HISTORY: dict[str, str] = {
    "sampled_error": "K",
    "local_error": "K tau",
    "full_error": "K+1",
    "subnetwork_errors": "? K tau+1 p",
    "validation_error": "? K+1",
    "pattern_change": "? K+1",
    "weight_movement": "? K+1",
}
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
    **{f"history.{name}": letters for name, letters in HISTORY.items()},
    "comparison.weight_distance": "? ",
    "comparison.error_distance": "? k+1",
    "comparison.history.sampled_error": "? k",
    "comparison.history.local_error": "? k tau",
    "comparison.history.full_error": "? k+1",
    "comparison.history.subnetwork_errors": "? k tau+1 p",
}
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
_FREE = ("state.", "masks.")  # the engine's own; checked by the law


def run_file(path: str | Path) -> Path:
    """Return the file of a run: in a folder ``run.npz``, or the one file of a module (``.safetensors``) without it."""
    path = Path(path)
    if not path.is_dir():
        return path
    modules = [] if (path / RUN_FILE).exists() else list(path.glob("*.safetensors"))
    return modules[0] if len(modules) == 1 else path / RUN_FILE


def is_module_run(path: str | Path, *, owner: str, argument: str = "path") -> bool:
    """Return whether a file is of safetensors, as runs of modules are; what else it holds is not looked at.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    """
    with open_input(path, owner=owner, argument=argument) as file:
        return file.read(9)[8:] == b"{"  # the length of a JSON header, and the header


@overload
def load_run(path: str | Path) -> TrainingRun: ...
@overload
def load_run(path: str | Path, *, model: Any) -> ModuleRun: ...
@overload
def load_run(path: str | Path, *, factory: Callable[[], Any]) -> ModuleRun: ...
def load_run(path: str | Path, *, model: Any = None, factory: Callable[[], Any] | None = None) -> Any:
    """Return the run that `TrainingRun.save`, ``subnetlab train`` or ``subnetlab launch`` wrote, or `ModuleRun.save`.

    Parameters
    ----------
    path : str or Path
        The file, or the folder of the command.
    model : torch.nn.Module or Cut, optional
        For the run of a module: a network of the same architecture, whose weights are left as they are, or its cut.
    factory : callable, optional
        Makes that network.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ArchiveError
        If it is no run, is damaged, or comes from a newer version.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=20, n_features=2)
    >>> sl.train(net, np.eye(2), np.ones(2), sl.gradient_descent(rounds=3)).save("run.npz")
    >>> load_run("run.npz").history.rounds
    3
    """
    path = run_file(checked_path(path, "load_run: path"))
    if model is not None or factory is not None:
        from .module_run import load_module_run

        return load_module_run(path, model, factory)
    if is_module_run(path, owner="load_run"):
        raise ArchiveError(f"{path}: is the run of a module: load_run takes it with model=")
    meta, arrays = read_archive(path, KIND, VERSION, owner="load_run")
    try:
        run = _from_archive(meta, arrays)
        check_run(run)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ArchiveError(f"{path}: is no run that subnetlab wrote ({_reason(error)})") from error
    return run


def _from_archive(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> TrainingRun:
    def group(name: str) -> dict[str, np.ndarray]:
        prefix = name + "."
        return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}

    settings, comparison, scheme = (
        meta["settings"],
        group("comparison"),
        scheme_from_record(meta["scheme"], group("masks")),
    )
    settings = {RENAMED.get(name, str(name)): value for name, value in settings.items()}
    if missing := {"seed", "engine", "dtype", "record"} - settings.keys():
        raise ValueError(f"settings must hold {', '.join(sorted(missing))}")
    check_arrays(arrays, {"tau": scheme.local_steps, "p": scheme.masks.n_subnetworks})
    return TrainingRun(
        network=_network(group("network")),
        history=History.from_arrays(group("history")),
        scheme=scheme,
        settings=RunSettings(**{**settings, "diagnostics": tuple(settings["diagnostics"])}),
        initial_network=_network(group("initial")),
        data=TrainingData(**group("data")),
        status=meta["status"],
        engine_state=group("state"),
        provenance=meta["provenance"],
        comparison=Comparison.from_arrays(comparison) if comparison else None,
    )


def _network(arrays: Mapping[str, np.ndarray]) -> ShallowReLU:
    """Return the network; files call its output weights by their older name."""
    return ShallowReLU(arrays["weights"], arrays["signs"])


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, LookupError | AttributeError) else str(error)


def check_arrays(arrays: Mapping[str, np.ndarray], sizes: dict[str, int]) -> None:
    """Raise ValueError unless every array of a run is there, of numbers, and of a shape that fits the others.

    Parameters
    ----------
    arrays : mapping from name to ndarray
    sizes : dict from letter to int
        What is known beforehand: tau and p. The others are taken from the first array that has them.
    """
    one_output = "network.signs" not in arrays or arrays["network.signs"].ndim != 2
    shapes = {name: letters.removesuffix(" o") if one_output else letters for name, letters in _SHAPES.items()}
    check_shapes(shapes, {name: array for name, array in arrays.items() if not name.startswith(_FREE)}, sizes)
    for name, array in arrays.items():
        if name.startswith(_FREE) and array.dtype.kind not in "fiub":
            raise ValueError(f"{name} must hold numbers, got {array.dtype}")


def check_shapes(shapes: Mapping[str, str], arrays: Mapping[str, np.ndarray], sizes: dict[str, int]) -> None:
    """Raise ValueError unless the arrays are those that ``shapes`` names, of numbers, with sizes that fit each other.

    Parameters
    ----------
    shapes : mapping from name to str
        Letters for the sizes, as in `HISTORY`.
    arrays : mapping from name to ndarray
    sizes : dict from letter to int
        As for `check_arrays`.
    """
    for name in arrays:
        if name not in shapes:
            raise ValueError(f"{name} is no array of a run")
    for name, letters in shapes.items():
        expected = letters.removeprefix("?").split()
        if name not in arrays:
            if not letters.startswith("?"):
                raise ValueError(f"{name} is missing")
            continue
        array = arrays[name]
        if array.dtype not in _FLOATS:
            raise ValueError(f"{name} must hold floating-point numbers, got {array.dtype}")
        if array.ndim != len(expected) or any(
            size != _size(letter, size, sizes) for letter, size in zip(expected, array.shape, strict=True)
        ):
            raise ValueError(f"{name} must have shape ({', '.join(expected)}), got {array.shape} with {sizes}")


def _size(letter: str, found: int, sizes: dict[str, int]) -> int:
    """Return the size that a letter stands for; ``found`` if it is the first of it."""
    base, _, more = letter.partition("+")
    return sizes.setdefault(base, found - int(more or 0)) + int(more or 0)


def check_run(run: TrainingRun) -> None:
    """Raise TypeError or ValueError unless settings, status and history of a run agree with each other."""
    settings, scheme, history = run.settings, run.scheme, run.history
    settings.check("settings")
    checks.whole_number("settings", "threads", settings.threads, least=1, most=checks.MOST_THREADS)
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
