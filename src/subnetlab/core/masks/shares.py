"""Laws in which each subnetwork holds a share of its own: prefixes (HeteroFL, FjORD) and rolling windows (FedRolex)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from .. import checks
from ..randomness import WORDS_PER_BLOCK, Purpose, blocks_for, random_words, uniforms
from .law import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class _Shares(Drawn):
    """What the laws below have in common: p subnetworks with shares in (0, 1], given one by one or in turn."""

    n_subnetworks: int
    shares: Sequence[float] | float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        given = self.shares if isinstance(self.shares, tuple | list | np.ndarray) else (self.shares,)
        if len(given) == 0:
            raise ValueError(f"{owner}: shares must not be empty")
        object.__setattr__(self, "shares", tuple(checks.probability(owner, "shares", s) for s in given))

    @property
    def subnetwork_probs(self) -> tuple[float, ...]:
        """The share of each subnetwork, shape (p,)."""
        return tuple(self._choices[l % len(self._choices)] for l in range(self.n_subnetworks))

    @property
    def _choices(self) -> tuple[float, ...]:
        return cast("tuple[float, ...]", self.shares)  # made one when the law was made

    @property
    def selection_prob(self) -> float:
        """The factor xi of the full model: the mean share of the subnetworks."""
        return math.fsum(self.subnetwork_probs) / self.n_subnetworks

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "subnetworks with shares of their own"

    def largest_share(self, width: int) -> float:
        """Return the largest share, rounded up to whole neurons."""
        return float(_sizes(max(self.subnetwork_probs), width)) / width

    def draw(self, seed: int, round: int, width: int, subnetworks: range, group: int) -> BoolArray:
        """Return the masks of consecutive subnetworks: as many neurons of the round's order as the share says."""
        sizes = _sizes(self._shares_in_round(seed, round, subnetworks), width)
        return self._ranks(round, width) < sizes[:, np.newaxis]

    def _shares_in_round(self, seed: int, round: int, subnetworks: range) -> FloatArray:
        return np.array(self.subnetwork_probs[subnetworks.start : subnetworks.stop])

    def _ranks(self, round: int, width: int) -> np.ndarray:
        """Return the place of each neuron in the order in which neurons are taken."""
        return np.arange(width)


@dataclass(frozen=True)
class Ordered(_Shares):
    """Subnetwork l holds the first neurons, as many as its share says (HeteroFL; with ``drawn`` FjORD).

    Parameters
    ----------
    n_subnetworks : int
        p, at least 1.
    shares : float or sequence of float, default 0.5
        In (0, 1]; subnetwork l takes entry l, from the start again where there are fewer than p.
    drawn : bool, default False
        Draw the share of every subnetwork anew in each round, uniformly from ``shares``: ordered dropout. All groups
        of a network then take the same draw.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> Ordered(2, shares=(1.0, 0.5)).sample(seed=0, round=0, width=4).astype(int)
    array([[1, 1, 1, 1],
           [1, 1, 0, 0]])
    """

    drawn: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.instance("Ordered", "drawn", self.drawn, bool)

    @property
    def subnetwork_probs(self) -> tuple[float, ...]:
        """The share of each subnetwork, or its expectation where shares are drawn, shape (p,)."""
        if self.drawn:
            return (math.fsum(self._choices) / len(self._choices),) * self.n_subnetworks
        return super().subnetwork_probs

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "ordered prefixes"

    def largest_share(self, width: int) -> float:
        """Return the largest share, rounded up to whole neurons."""
        return float(_sizes(max(self._choices if self.drawn else self.subnetwork_probs), width)) / width

    def _shares_in_round(self, seed: int, round: int, subnetworks: range) -> FloatArray:
        if not self.drawn:
            return super()._shares_in_round(seed, round, subnetworks)
        block, before = divmod(subnetworks.start, WORDS_PER_BLOCK)  # a word for each subnetwork of the round
        words = random_words(seed, Purpose.MASKS, round, block, blocks_for(before + len(subnetworks)))
        u = uniforms(words[before : before + len(subnetworks)])
        choices = np.array(self._choices)
        return choices[(u * len(choices)).astype(np.int64)]


@dataclass(frozen=True)
class Rolling(_Shares):
    """Every subnetwork holds a window of neurons that moves on by one neuron in each round (FedRolex).

    Parameters
    ----------
    n_subnetworks : int
        p, at least 1.
    shares : float or sequence of float, default 0.5
        In (0, 1]; subnetwork l takes entry l, from the start again where there are fewer than p. All windows of a round
        begin at the same neuron.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> Rolling(1, shares=0.5).sample(seed=0, round=3, width=4).astype(int)
    array([[1, 0, 0, 1]])
    """

    def describe(self) -> str:
        """Return what the masks are called in a text."""
        return "rolling windows"

    def _ranks(self, round: int, width: int) -> np.ndarray:
        return (np.arange(width) - round) % width


def _sizes(shares: FloatArray | float, width: int) -> np.ndarray:
    """Return the number of neurons in each share, at least 1, rounded up as HeteroFL and FedRolex do."""
    return np.maximum(np.ceil(np.multiply(shares, width) - 1e-9), 1).astype(np.int64)
