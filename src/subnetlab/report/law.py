"""A training scheme in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.masks.law import describe
from .rounding import shown

if TYPE_CHECKING:
    from ..core.masks import MaskLaw


def law_text(law: MaskLaw) -> str:
    """Return a mask law for a reader.

    Examples
    --------
    >>> from subnetlab import Bernoulli
    >>> law_text(Bernoulli(10, 0.5))
    'Bernoulli masks, p = 10, ξ = 0.5'
    """
    return f"{describe(law)}, p = {law.n_subnetworks}, ξ = {shown(float(law.selection_prob))}"
