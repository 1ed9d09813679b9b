"""Categorical masks: every neuron belongs to exactly one subnetwork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..randomness import Purpose, rows_of_words, uniforms
from .law import Dealt

if TYPE_CHECKING:
    from ..arrays import IntArray


@dataclass(frozen=True)
class Categorical(Dealt):
    """Every neuron joins one subnetwork, drawn afresh in each round (Independent Subnet Training, Theorem 4).

    Parameters
    ----------
    n_subnetworks : int
        p, at least 1.
    probabilities : sequence of float, shape (p,), optional
        The chance of each subnetwork; uniform if None. Theorem 4 needs the uniform one. The full model's
        factor is 1/p for every choice: then u is the mean of the subnetworks' outputs in every draw.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> masks = Categorical(n_subnetworks=4).sample(seed=0, round=0, width=8)
    >>> masks.sum(axis=0)
    array([1, 1, 1, 1, 1, 1, 1, 1])
    """

    n_subnetworks: int
    probabilities: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probabilities is None:
            return
        if np.ndim(self.probabilities) != 1:
            raise TypeError(f"Categorical: probabilities must be a sequence of numbers, got {self.probabilities!r}")
        given = tuple(checks.finite_number("Categorical", "probabilities", q) for q in self.probabilities)
        if len(given) != self.n_subnetworks:
            raise ValueError(f"Categorical: probabilities must have {self.n_subnetworks} entries, got {len(given)}")
        if min(given) <= 0 or abs(sum(given) - 1) > 1e-9:
            raise ValueError(f"Categorical: probabilities must be above 0 and sum to 1, got {given}")
        object.__setattr__(self, "probabilities", given)

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "categorical masks"

    def owners(self, seed: int, round: int, width: int, *, group: int = 0) -> IntArray:
        """Return the subnetwork that each neuron belongs to, shape (m,)."""
        u = uniforms(rows_of_words(seed, Purpose.MASKS, round, 0, 1, width, group=group)[0])
        if self.probabilities is None:
            return (u * self.n_subnetworks).astype(np.int64)  # below p: (1 - 2**-53) p never rounds up to p
        boundaries = np.cumsum(self.probabilities)[:-1]
        return np.searchsorted(boundaries, u, side="right")

    def largest_share(self, width: int) -> float:
        """Return the largest probability plus the expected excess of the largest count, at most 1."""
        q = 1.0 / self.n_subnetworks if self.probabilities is None else max(self.probabilities)
        excess = np.sqrt(2 * np.log(self.n_subnetworks) * q * (1 - q) / width)
        return min(1.0, q + float(excess))
