"""What a run records, round by round."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from .atomic import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    import xarray as xr

    from .core.arrays import FloatArray
    from .core.record import RoundRecord

_PER_ROUND = ("sampled_error", "local_error", "subnetwork_errors")  # the others have a value before round 0, too
METRIC = "metric."  # before the names of metrics, where arrays have names


@dataclass(frozen=True, eq=False)
class History:
    """Errors and diagnostics of the completed rounds; K is their number. All errors are sums over all rows.

    The history of a module holds mean losses in their place, also called ``sampled_loss``, ``local_loss`` and
    ``full_loss``: of each step's batch before the step is taken, and NaN where the whole network was not measured.

    Parameters
    ----------
    sampled_error : ndarray, shape (K,)
        Mean over the subnetworks of |y - f^l|^2 right after sampling.
    local_error : ndarray, shape (K, tau)
        The same after each local step.
    full_error : ndarray, shape (K + 1,)
        |y - u_k|^2 of the whole network, before round 0 and after each aggregation.
    subnetwork_errors : ndarray, shape (K, tau + 1, p), optional
        |y - f^l|^2 of each subnetwork after sampling (index 0) and each local step; ``record="subnetworks"``.
    validation_error : ndarray, shape (K + 1,), optional
        |y_v - u_k|^2 on the validation rows.
    pattern_change : ndarray, shape (K + 1,), optional
        Share of the m n activation patterns 1{<w_r, x_i> >= 0} that differ from the start of training.
    weight_movement : ndarray, shape (K + 1,), optional
        max over r of |w_r - w_{0,r}|.
    metrics : mapping from name to ndarray, shape (K + 1,), optional
        Of a module's whole network on the validation rows; and measurements along its training, if asked for:
        "movement.GROUP" is the largest change of a unit, "reduction" the relative distance between the outputs of the
        whole network and the mean of its subnetworks.
    """

    sampled_error: FloatArray
    local_error: FloatArray
    full_error: FloatArray
    subnetwork_errors: FloatArray | None = None
    validation_error: FloatArray | None = None
    pattern_change: FloatArray | None = None
    weight_movement: FloatArray | None = None
    metrics: Mapping[str, FloatArray] | None = None

    @property
    def sampled_loss(self) -> FloatArray:
        """The mean loss right after sampling, shape (K,)."""
        return self.sampled_error

    @property
    def local_loss(self) -> FloatArray:
        """The mean loss of each local step, shape (K, tau)."""
        return self.local_error

    @property
    def full_loss(self) -> FloatArray:
        """The mean loss of the whole network, before round 0 and after each aggregation, shape (K + 1,)."""
        return self.full_error

    @property
    def rounds(self) -> int:
        """The number of completed rounds, K."""
        return len(self.sampled_error)

    def arrays(self) -> dict[str, FloatArray]:
        """Return what was recorded, by name; what was not asked for is left out."""
        found = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        metrics = found.pop("metrics", {})
        return {**found, **{METRIC + name: values for name, values in metrics.items()}}

    def __repr__(self) -> str:
        steps, error = self.local_error.shape[1], self.full_error
        ends = f", full error {error[0]:.4g} -> {error[-1]:.4g}" if np.isfinite(error[[0, -1]]).all() else ""
        return f"History(rounds={self.rounds}, local_steps={steps}{ends}; {', '.join(self.arrays())})"

    def to_xarray(self) -> xr.Dataset:
        """Return what was recorded as an xarray Dataset.

        Its dimensions are those of a study's table: ``round``; ``step`` (local steps, the first is index 0); ``state``
        (before round 0 and after each aggregation); ``substep`` (after sampling and each local step); ``subnetwork``.

        Examples
        --------
        >>> history = History(np.array([4.0]), np.array([[3.0, 2.5]]), np.array([4.5, 2.0]))
        >>> dict(history.to_xarray().sizes)
        {'round': 1, 'step': 2, 'state': 2}
        """
        import xarray as xr

        inside = {"sampled_error": ("round",), "local_error": ("round", "step")}
        dims = {**inside, "subnetwork_errors": ("round", "substep", "subnetwork")}
        return xr.Dataset({name: (dims.get(name, ("state",)), values) for name, values in self.arrays().items()})

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas DataFrame with one row per state of the network, K + 1 of them.

        The index ``rounds`` counts the completed rounds. Row k has the measures of the whole network after k rounds,
        and the means over the subnetworks (``sampled_error``, ``local_error_1``, ...) inside the round that led there;
        row 0 has none of these.

        Examples
        --------
        >>> history = History(np.array([4.0]), np.array([[3.0, 2.5]]), np.array([4.5, 2.0]))
        >>> table = history.to_dataframe()
        >>> list(table.columns), table.loc[1].tolist()
        (['sampled_error', 'local_error_1', 'local_error_2', 'full_error'], [4.0, 3.0, 2.5, 2.0])
        """
        import pandas as pd

        inside, states = self._columns()
        columns = {name: np.append(np.nan, values) for name, values in inside.items()} | states
        return pd.DataFrame(columns, index=pd.RangeIndex(self.rounds + 1, name="rounds"))

    def to_csv(self, costs: Mapping[str, Sequence[object]] | None = None) -> str:
        r"""Return one line per round: the errors inside it and the measures after it, in full precision.

        Parameters
        ----------
        costs : mapping from name to sequence of length K, optional
            Further columns: what the rounds cost.

        Examples
        --------
        >>> History(np.array([4.0]), np.array([[3.0, 2.5]]), np.array([4.5, 2.0])).to_csv({"bytes": [800]})
        'round,sampled_error,local_error_1,local_error_2,full_error,bytes\n0,4.0,3.0,2.5,2.0,800\n'
        """
        inside, states = self._columns()
        columns = inside | {name: values[1:] for name, values in states.items()}
        numbers = [values.astype(float).tolist() for values in columns.values()]
        return csv_text(
            ["round", *columns, *(costs or {})],
            zip(range(self.rounds), *numbers, *(costs or {}).values(), strict=True),
        )

    def _columns(self) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Return what has one number per round, and what has one before round 0, too."""
        local = {f"local_error_{t + 1}": errors for t, errors in enumerate(self.local_error.T)}
        states = {name: values for name, values in self.arrays().items() if name not in _PER_ROUND}
        return {"sampled_error": self.sampled_error, **local}, states

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> History:
        """Return the history that `arrays` described; errors of subnetworks stand for their means, too."""
        if "sampled_error" not in arrays:
            errors = arrays["subnetwork_errors"]
            means = _means(errors, errors.shape[1])
            arrays = {"sampled_error": means[:, 0], "local_error": means[:, 1:], **arrays}
        metrics = {name.removeprefix(METRIC): v for name, v in arrays.items() if name.startswith(METRIC)}
        known = {f.name: arrays[f.name] for f in fields(cls) if f.name in arrays}
        return cls(**known, metrics=metrics or None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        mine, theirs = self.arrays(), other.arrays()
        return mine.keys() == theirs.keys() and all(
            np.array_equal(mine[name], theirs[name], equal_nan=True) for name in mine
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]


class HistoryBuilder:
    """A history that grows by one round at a time."""

    def __init__(self, *, keep_subnetworks: bool, n_subnetworks: int, local_steps: int) -> None:
        self._keep_subnetworks = keep_subnetworks
        self._shape = (local_steps + 1, n_subnetworks)
        self._errors: list[FloatArray] = []  # per round (tau + 1, p), or its mean (tau + 1,)
        self._per_state: dict[str, list[float]] = {}

    @classmethod
    def continuing(cls, history: History, *, n_subnetworks: int, local_steps: int) -> HistoryBuilder:
        """Return a builder that goes on after ``history``."""
        keep = history.subnetwork_errors is not None
        builder = cls(keep_subnetworks=keep, n_subnetworks=n_subnetworks, local_steps=local_steps)
        if history.subnetwork_errors is not None:
            builder._errors = list(history.subnetwork_errors)
        else:
            builder._errors = list(np.column_stack([history.sampled_error, history.local_error]))
        builder._per_state = {n: list(v) for n, v in history.arrays().items() if n not in _PER_ROUND}
        return builder

    def add_round(self, record: RoundRecord) -> None:
        """Add the errors inside a round."""
        self.add_errors(record.subnetwork_errors)

    def add_losses(self, losses: FloatArray) -> None:
        """Add the mean losses of a module's local steps, shape (tau, p)."""
        self.add_errors(np.concatenate([losses[:1], losses]))

    def add_errors(self, errors: FloatArray) -> None:
        """Add the errors of all subnetworks after sampling and after each local step, shape (tau + 1, p)."""
        self._errors.append(errors if self._keep_subnetworks else errors.mean(axis=1))

    def add_state(self, **measures: float) -> None:
        """Add measures of the whole network, before round 0 or after an aggregation."""
        for name, value in measures.items():
            self._per_state.setdefault(name, []).append(value)

    def recorded(self) -> dict[str, FloatArray]:
        """Return what was added, with the errors of subnetworks kept; `History.from_arrays` adds their means."""
        states = {name: np.array(values) for name, values in self._per_state.items()}
        return {"subnetwork_errors": np.array(self._errors).reshape(-1, *self._shape), **states}

    def build(self) -> History:
        """Return the history so far."""
        means = _means(self._errors, self._shape[0])
        return History(
            sampled_error=means[:, 0],
            local_error=means[:, 1:],
            subnetwork_errors=np.array(self._errors).reshape(-1, *self._shape) if self._keep_subnetworks else None,
            **{name: np.array(v) for name, v in self._per_state.items() if not name.startswith(METRIC)},
            metrics={n.removeprefix(METRIC): np.array(v) for n, v in self._per_state.items() if n.startswith(METRIC)}
            or None,
        )


def _means(errors: Iterable[FloatArray], steps: int) -> FloatArray:
    """Return the means over the subnetworks, (K, tau + 1), of rounds of errors (tau + 1, p) or means (tau + 1,)."""
    return np.array([e.mean(axis=1) if e.ndim == 2 else e for e in errors]).reshape(-1, steps)
