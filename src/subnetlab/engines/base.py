"""The engine contract.

An engine advances rounds and knows nothing of mask laws, schemes, files or progress. Masks, rows and initial
weights are drawn outside, so every engine sees the same bits. Its state is its own: it may live on a GPU or
on ten machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ..core.aggregation import Unselected
    from ..core.arrays import BoolArray, FloatArray
    from ..core.losses import LossName
    from ..core.record import RoundRecord
    from ..core.rows import LocalRows

Dtype: TypeAlias = Literal["float64", "float32"]
DTYPES: tuple[Dtype, ...] = ("float64", "float32")
Device: TypeAlias = Literal["cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("cpu", "cuda")

Capability: TypeAlias = Literal[
    "float32", "shards", "minibatches", "outputs", "sample_weight", "losses", "learned_signs", "any_signs"
]
"""``any_signs``: output weights other than -1 and +1."""


@dataclass(frozen=True)
class Problem:
    """What stays the same in all rounds.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
    y : ndarray of float64, shape (n,) or (n, o)
    signs : ndarray of float64, shape (m,) or (m, o)
    selection_prob : float
        xi, the factor of the full model in the recorded errors.
    sample_weight : ndarray of float64, shape (n,), optional
        The local loss is 1/2 sum_i s_i (y_i - f_i)^2; recorded errors carry the weights too.
    loss : {"squared", "logistic"}
        See `subnetlab.core.losses`; recorded errors are twice the loss.
    learn_signs : bool
        Train the output weights as well, from ``signs``, with the step size and the aggregation of W; the paper
        keeps them fixed.
    step_errors, full_errors : bool
        Whether records must hold every subnetwork's error before and after each local step, and the full error after
        the round. An engine may leave NaN what it need not measure, and read the rows of its minibatches alone.
    """

    X: FloatArray
    y: FloatArray
    signs: FloatArray
    selection_prob: float
    sample_weight: FloatArray | None = None
    loss: LossName = "squared"
    learn_signs: bool = False
    step_errors: bool = True
    full_errors: bool = True


class Engine(Protocol):
    """One way to run rounds; an instance is bound to one problem, one dtype, one thread count and one device.

    Built by ``engines.table.create(name, problem, dtype=..., threads=...)``. Engines that run on other devices than the
    CPU take ``device`` as well.
    """

    def start(self, weights: FloatArray) -> Any:
        """Return the state of a run that starts from ``weights``, shape (m, d). Copies what it keeps."""
        ...

    def round(
        self,
        state: Any,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        *,
        rows: LocalRows | None = None,
        unselected: Unselected = "keep",
    ) -> tuple[Any, RoundRecord]:
        """Run one round of Algorithm 1 with the masks (p, m); return the next state and the record.

        The state that was passed in must not be used afterwards: engines may reuse its memory. A run that
        overflows gives errors that are not finite, and raises nothing.
        """
        ...

    def weights(self, state: Any) -> FloatArray:
        """Return a copy of W, shape (m, d), in the engine's dtype."""
        ...

    def full_error(self, state: Any) -> float:
        """Return |y - u|^2 of the whole network as it stands."""
        ...

    def snapshot(self, state: Any) -> dict[str, np.ndarray]:
        """Return arrays from which `restore` makes a state whose further rounds have the same bits."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the state that `snapshot` described."""
        ...


class SignLearningEngine(Engine, Protocol):
    """An engine with the capability "learned_signs"; its snapshots hold the trained signs."""

    def signs(self, state: Any) -> FloatArray:
        """Return a copy of a, shape (m,) or (m, o), in the engine's dtype."""
        ...
