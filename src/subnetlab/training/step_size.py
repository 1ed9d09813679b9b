"""From "auto" and "theory" to a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.inputs import has_unit_rows
from ..core.losses import LOSSES
from ..core.masks.law import describe
from ..kernels.eigenvalues import smallest_eigenvalue
from ..kernels.infinite import infinite_ntk
from ..theory.auto_step import auto_step_size
from ..theory.moments import mask_moments
from ..theory.setting import beyond_the_paper, theory_step_size

if TYPE_CHECKING:
    from ..core.losses import LossName
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from .request import TrainingData


def resolve_step_size(
    network: ShallowReLU,
    data: TrainingData,
    scheme: TrainingScheme,
    loss: LossName = "squared",
    *,
    learn_output_weights: bool = False,
) -> float:
    """Return eta as a number.

    "auto" is `auto_step_size`, half of the largest step that is stable for frozen activation patterns; sample weights
    scale the rows of X by their roots. "theory" is `step_size_limit`.

    Raises
    ------
    ValueError
        For "theory", if lambda_0 is zero up to rounding, so that no step size is covered, or if the loss is not
        squared, the signs are learned, rows have another norm than 1, or masks or scheme are others than the
        paper's, which it does not cover. For "auto", if lambda_max is zero: no neuron is active on any row, and no
        step changes anything. Also if its inverse overflows.
    """
    if not isinstance(scheme.step_size, str):
        return float(scheme.step_size)
    if scheme.step_size == "auto":
        s = data.sample_weight
        return auto_step_size(
            network,
            data.X if s is None else np.sqrt(s)[:, np.newaxis] * data.X,
            scheme,
            curvature=LOSSES[loss].curvature,
            learn_output_weights=learn_output_weights,
        )
    if loss != "squared" or learn_output_weights:
        raise ValueError("train: step_size='theory' covers the squared loss and fixed signs only")
    if not has_unit_rows(data.X):
        raise ValueError("train: step_size='theory' needs rows of norm 1: divide each row of X by its norm")
    if beyond := beyond_the_paper(scheme):
        raise ValueError(f"train: step_size='theory' does not cover {', '.join(beyond)}")
    if not mask_moments(scheme.masks).independent_neurons:
        law = describe(scheme.masks)
        raise ValueError(f"train: step_size='theory' needs neurons that are drawn independently, not those of {law}")
    H = infinite_ntk(data.X, scheme.masks.selection_prob)
    return theory_step_size(H, smallest_eigenvalue(H), scheme, owner="train")
