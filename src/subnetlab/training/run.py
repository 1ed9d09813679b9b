"""The result of training: everything needed to look at it, store it, and go on with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..archive import write_archive
from ..atomic import in_folder
from ..core.checks import one_of
from ..core.inputs import check_features
from ..core.scheme_record import scheme_to_record
from ..history import History
from ..plotting import plot
from ..versions import versions
from .request import STORED_AS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..core.arrays import FloatArray
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from ..theory.run_verdict import RunVerdict
    from .request import RunSettings, TrainingData

RUN_FILE = "run.npz"  # in the folder of a command
KIND, VERSION = "subnetlab-run", 1  # of the file; `subnetlab.training.reading` is the other half

Compare: TypeAlias = Literal["linearized"]
COMPARISONS: tuple[str, ...] = ("linearized",)
Certify: TypeAlias = Literal["auto", "always", "never"]
CERTIFY: tuple[Certify, ...] = ("auto", "always", "never")
Status: TypeAlias = Literal["finished", "unfinished", "diverged"]


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

    def __repr__(self) -> str:
        return f"Comparison(weight_distance={self.weight_distance:.4g}, {self.history!r})"

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

    def __repr__(self) -> str:
        settings, scheme, error = self.settings, self.scheme, self.history.full_error
        ends = f", error {error[0]:.4g} -> {error[-1]:.4g}" if np.isfinite(error[[0, -1]]).all() else ""
        return (
            f"TrainingRun({self.history.rounds} of {scheme.rounds} rounds, {self.status}{ends})\n"
            f"  network   {self.network!r}\n"
            f"  scheme    {scheme.masks!r}, local steps {scheme.local_steps}, step size {settings.step_size:.4g}\n"
            f"  settings  {len(self.data.X)} rows, engine {settings.engine}, {settings.dtype}, seed {settings.seed}"
        )

    def predict(self, X: Any) -> FloatArray:
        """Return u(x) of the trained network for every row of X, with the factor xi of the scheme.

        Parameters
        ----------
        X : array, shape (n, d)
            Treated as the training rows were; of the logistic loss u is the logit.

        Returns
        -------
        ndarray, shape (n,) or (n, o)

        Raises
        ------
        TypeError, ValueError
            If X holds no finite numbers or has another number of columns.

        Examples
        --------
        >>> import subnetlab as sl
        >>> net = sl.ShallowReLU.initialize(width=500, n_features=2)
        >>> run = sl.train(net, np.eye(2), np.ones(2), sl.dropout(0.5, rounds=200))
        >>> bool(abs(run.predict(np.eye(2)) - 1).max() < 0.2)
        True
        """
        X = check_features(X, owner="predict", n_features=self.network.n_features)
        return self.network.output(X, self.scheme.masks.selection_prob)

    def plot(self, ax: Any = None, *, style: Any = "publication") -> Any:
        """Draw the errors round by round: the subnetworks' after sampling and local steps, and the whole network's.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if not given.
        style : {"publication"}, a style of matplotlib, or None
            The look of this package's figures, what ``matplotlib.style.context`` takes, or whatever is set.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            If there is nothing to draw.

        Examples
        --------
        >>> import subnetlab as sl
        >>> net = sl.ShallowReLU.initialize(width=100, n_features=2)
        >>> run = sl.train(net, np.eye(2), np.ones(2), sl.dropout(0.5, rounds=3))
        >>> run.plot(style="ggplot").get_yscale()
        'log'
        """
        return plot("history", self.history, ax=ax, style=style)

    def save(self, path: str | Path) -> None:
        """Write the run to one file (NPZ, no pickle); `load_run` reads it back without loss.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        path = in_folder(path, "TrainingRun.save: path")
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
            "settings": {STORED_AS.get(name, name): value for name, value in asdict(self.settings).items()},
            "status": self.status,
            "provenance": self.provenance,
        }
        write_archive(path, KIND, VERSION, meta, arrays)

    def theory(
        self, *, failure_prob: float = 0.1, init_scale: float | None = None, certificate: Certify = "auto"
    ) -> RunVerdict:
        """Return this run held against the theory; `subnetlab.theory.verdict.verdict` explains two parameters.

        Parameters
        ----------
        failure_prob : float, default 0.1
        init_scale : float, optional
        certificate : {"auto", "always", "never"}, default "auto"
            Whether to add what `subnetlab.certify` proves of the run; "auto" does where there is a certificate and it
            takes about a minute at most.

        Raises
        ------
        ValueError
            If the theory is not about the run, or there is no certificate and it was asked for.
        """
        from ..theory.verdict import verdict
        from .certificate import certificate_of

        one_of("theory", "certificate", certificate, CERTIFY)
        found = verdict(self, failure_prob=failure_prob, init_scale=init_scale)
        return replace(found, certificate=certificate_of(self, certificate))

    def export_network(self, path: str | Path) -> None:
        """Write weights (m, d), signs and the factor xi to an NPZ file for other programs."""
        write_archive(
            in_folder(path, "TrainingRun.export_network: path"),
            "subnetlab-network",
            1,
            {"selection_prob": self.scheme.masks.selection_prob},
            _network_arrays(self.network),
        )


def _network_arrays(network: ShallowReLU) -> dict[str, np.ndarray]:
    return {"weights": network.weights, "signs": network.output_weights}
