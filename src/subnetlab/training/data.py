"""The data of a run: what is kept, what is checked, and the scale of its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.inputs import check_features, check_sample_weight, check_targets
from ..core.losses import LOSSES

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import LossName
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The data of a run.

    Parameters
    ----------
    X, y : ndarray of float64, shapes (n, d) and (n,) or (n, o)
    sample_weight : ndarray of float64, shape (n,), optional
    X_validation, y_validation : ndarray of float64, optional
        Rows that are not trained on.
    """

    X: FloatArray
    y: FloatArray
    sample_weight: FloatArray | None = None
    X_validation: FloatArray | None = None
    y_validation: FloatArray | None = None


def checked_data(
    network: ShallowReLU, X: Any, y: Any, validation: tuple[Any, Any] | None, sample_weight: Any, loss: LossName
) -> TrainingData:
    """Return the data of a run.

    Raises
    ------
    TypeError, ValueError
        If arrays break a rule, or fit neither each other nor the network nor the loss.
    """

    def pair(X: Any, y: Any, suffix: str) -> tuple[Any, Any]:
        X = check_features(X, owner="train", name="X" + suffix, n_features=network.n_features)
        y = check_targets(y, len(X), owner="train", name="y" + suffix)
        if y.shape[1:] != network.signs.shape[1:]:
            raise ValueError(
                f"train: y{suffix} must fit the network's signs {network.signs.shape}, got shape {y.shape}"
            )
        LOSSES[loss].check(y, owner="train", name="y" + suffix)
        return X, y

    X, y = pair(X, y, "")
    if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
        raise TypeError(f"train: validation must be a pair (X, y), got {type(validation).__name__}")
    X_validation, y_validation = (None, None) if validation is None else pair(*validation, "_validation")
    weights = check_sample_weight(sample_weight, len(X), owner="train")
    return TrainingData(X, y, weights, X_validation, y_validation)


def starting_scale(network: ShallowReLU, data: TrainingData, scheme: TrainingScheme, loss: LossName) -> float:
    """Return the scale against which divergence is judged: the largest of three energies.

    |y|^2, |y - u_0|^2 (or the errors of 0 and u_0 under another loss) and (1/m) sum_{i,r} a_r^2 relu(<w_r, x_i>)^2,
    the size of a subnetwork's departure from u_0.
    """
    s = np.ones(len(data.X)) if data.sample_weight is None else data.sample_weight
    s = s.reshape(-1, *[1] * (data.y.ndim - 1))
    error = LOSSES[loss].error
    activations = np.maximum(data.X @ network.weights.T, 0)
    u = network.output(data.X, scheme.masks.selection_prob)
    departure = activations**2 @ network.signs**2 / network.width
    energies = (error(np.zeros_like(u), data.y), error(u, data.y), departure)
    return max(float(np.sum(s * energy)) for energy in energies)
