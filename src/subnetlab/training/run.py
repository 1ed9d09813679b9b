"""The result of training: everything needed to look at it, store it, and go on with it."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from ..archive import ArchiveError, read_archive, write_archive
from ..core.network import ShallowReLU
from ..core.scheme_record import scheme_from_record, scheme_to_record
from ..history import History
from ..input_file import open_input
from .request import RunSettings, TrainingData
from .run_check import check_arrays, check_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.arrays import FloatArray
    from ..core.scheme import TrainingScheme
    from ..theory.verdict import Verdict
    from .module_run import ModuleRun

RUN_FILE = "run.npz"  # in the folder of a command
_KIND = "subnetlab-run"
_VERSION = 1

Compare: TypeAlias = Literal["linearized"]
COMPARISONS: tuple[str, ...] = ("linearized",)
Status: TypeAlias = Literal["finished", "unfinished", "diverged"]


def versions() -> dict[str, str]:
    """Return the versions and the processor that the bits depend on; of packages that are not installed, nothing."""
    from subnetlab import __version__

    return {
        "subnetlab": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **_installed("scipy", "numba", "torch"),
    }


@cache
def _installed(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed, importing none."""
    found: dict[str, str] = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@dataclass(frozen=True, eq=False)
class Comparison:
    """The linearized twin of a run: same data, masks and steps, patterns frozen where training started.

    Parameters
    ----------
    history : History
        Of the twin; shorter than the run's if the twin diverged.
    weight_distance : float
        |W - W_twin| / |W - W_0|, Frobenius norms after the last round: near 0 in the NTK regime, of order 1 where
        features are learned. 0 if nothing moved, infinite if the twin diverged.
    error_distance : ndarray, shape (K + 1,)
        The distance between the full errors of run and twin, before round 0 and after each aggregation.
    """

    history: History
    weight_distance: float
    error_distance: FloatArray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything as arrays by name, for files."""
        twin = {f"history.{name}": value for name, value in self.history.arrays().items()}
        return {**twin, "weight_distance": np.array(self.weight_distance), "error_distance": self.error_distance}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Comparison:
        """Return the comparison that `arrays` described."""
        twin = {name.removeprefix("history."): v for name, v in arrays.items() if name.startswith("history.")}
        return cls(History.from_arrays(twin), float(arrays["weight_distance"]), arrays["error_distance"])


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A run of Algorithm 1, finished or not.

    Parameters
    ----------
    network : ShallowReLU
        After the last completed round.
    history : History
    scheme : TrainingScheme
    settings : RunSettings
    initial_network : ShallowReLU
    data : TrainingData
    status : {"finished", "unfinished", "diverged"}
    engine_state : dict of str to ndarray
        The engine's snapshot after the last completed round, from which training goes on with the same bits.
    provenance : dict
        Versions and processor, for the reader; they decide nothing.
    comparison : Comparison, optional
        The linearized twin, if ``train(..., compare="linearized")`` asked for it; going on with the run drops it.
    """

    network: ShallowReLU
    history: History
    scheme: TrainingScheme
    settings: RunSettings
    initial_network: ShallowReLU
    data: TrainingData
    status: Status
    engine_state: dict[str, np.ndarray]
    provenance: dict[str, Any] = field(default_factory=versions)
    comparison: Comparison | None = None

    def save(self, path: str | Path) -> None:
        """Write the run to one file (NPZ, no pickle); `load_run` reads it back without loss.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        scheme, mask_arrays = scheme_to_record(self.scheme)
        data = {name: value for name, value in vars(self.data).items() if value is not None}
        groups = {
            "history": self.history.arrays(),
            "network": _network_arrays(self.network),
            "initial": _network_arrays(self.initial_network),
            "data": data,
            "state": self.engine_state,
            "masks": mask_arrays,
            "comparison": {} if self.comparison is None else self.comparison.arrays(),
        }
        arrays = {f"{group}.{name}": value for group, members in groups.items() for name, value in members.items()}
        meta = {
            "scheme": scheme,
            "settings": asdict(self.settings),
            "status": self.status,
            "provenance": self.provenance,
        }
        write_archive(path, _KIND, _VERSION, meta, arrays)

    def theory(self, *, failure_prob: float = 0.1, init_scale: float | None = None) -> Verdict:
        """Return this run held against the theory; `subnetlab.theory.verdict.verdict` explains the parameters."""
        from ..theory.verdict import verdict

        return verdict(self, failure_prob=failure_prob, init_scale=init_scale)

    def export_network(self, path: str | Path) -> None:
        """Write weights (m, d), signs and the factor xi to an NPZ file for other programs."""
        write_archive(
            path,
            "subnetlab-network",
            1,
            {"selection_prob": self.scheme.masks.selection_prob},
            _network_arrays(self.network),
        )


def run_file(path: str | Path) -> Path:
    """Return the file of a run: ``run.npz`` where the path is a folder of ``subnetlab train`` or ``launch``."""
    path = Path(path)
    return path / RUN_FILE if path.is_dir() else path


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
    path = run_file(path)
    if model is not None or factory is not None:
        from .module_run import load_module_run

        return load_module_run(path, model, factory)
    try:
        meta, arrays = read_archive(path, _KIND, _VERSION, owner="load_run")
    except ArchiveError as error:
        with open_input(path, owner="load_run") as file:
            if file.read(9)[8:] == b"{":  # safetensors: the length of a JSON header, and the header
                raise ArchiveError(f"{path}: is the run of a module: load_run takes it with model=") from error
        raise
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
    if missing := {"seed", "engine", "dtype", "record"} - settings.keys():
        raise ValueError(f"settings must hold {', '.join(sorted(missing))}")
    check_arrays(arrays, {"tau": scheme.local_steps, "p": scheme.masks.n_subnetworks})
    return TrainingRun(
        network=ShallowReLU(**group("network")),
        history=History.from_arrays(group("history")),
        scheme=scheme,
        settings=RunSettings(**{**settings, "diagnostics": tuple(settings["diagnostics"])}),
        initial_network=ShallowReLU(**group("initial")),
        data=TrainingData(**group("data")),
        status=meta["status"],
        engine_state=group("state"),
        provenance=meta["provenance"],
        comparison=Comparison.from_arrays(comparison) if comparison else None,
    )


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, LookupError | AttributeError) else str(error)


def _network_arrays(network: ShallowReLU) -> dict[str, np.ndarray]:
    return {"weights": network.weights, "signs": network.signs}
