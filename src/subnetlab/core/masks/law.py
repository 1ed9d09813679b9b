"""What a mask law is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from ..arrays import BoolArray, IntArray


class MaskLaw(Protocol):
    """A distribution of masks M_k in {0, 1}^{p x m}, drawn as a pure function of (seed, round).

    Laws are frozen dataclasses whose fields are numbers, tuples or arrays, so that they can be saved. A law of your own
    may leave out `partitions` and `describe`: it then counts as one that does not partition, and is called by the name
    of its class. `subnetlab.check_mask_law` holds it to all of this.
    """

    @property
    def n_subnetworks(self) -> int:
        """The number of subnetworks, p."""
        ...

    @property
    def selection_prob(self) -> float:
        """The factor xi of the full model: the chance that a given subnetwork holds a given neuron."""
        ...

    def check(self, width: int, rounds: int) -> None:
        """Raise ValueError if the law cannot serve ``rounds`` rounds of a network of ``width`` neurons."""
        ...

    def sample(self, seed: int, round: int, width: int, *, group: int = 0) -> BoolArray:
        """Return the masks of one round, shape (p, m).

        A network with several groups of units asks for each by its number; the shallow network is group 0.
        """
        ...

    def sample_subnetwork(self, seed: int, round: int, width: int, subnetwork: int, *, group: int = 0) -> BoolArray:
        """Return one row of `sample`, shape (m,), without drawing the others where the law allows it."""
        ...

    def largest_share(self, width: int) -> float:
        """Return the share of the neurons that the largest subnetwork is expected to hold."""
        ...

    @property
    def partitions(self) -> bool:
        """Whether the neurons are dealt out: each is in exactly one subnetwork in every round."""
        ...

    def describe(self) -> str:
        """Return what the masks are called in a text, such as "Bernoulli masks"."""
        ...


NEEDED = ("n_subnetworks", "selection_prob", "check", "sample", "sample_subnetwork", "largest_share")
"""The members without which nothing can be trained."""


def partitions(law: MaskLaw) -> bool:
    """Return whether every neuron is in exactly one subnetwork, as far as the law says."""
    return bool(getattr(law, "partitions", False))


def describe(law: MaskLaw) -> str:
    """Return what the law calls its masks, or the name of its class."""
    return law.describe() if hasattr(law, "describe") else type(law).__name__


def check_draw(law: MaskLaw, seed: int, round: int, width: int, subnetwork: int = 0, *, group: int = 0) -> None:
    """Raise TypeError or ValueError unless there is such a draw of the law."""
    owner = type(law).__name__
    checks.seed_number(owner, seed)
    checks.whole_number(owner, "round", round, least=0)
    checks.whole_number(owner, "width", width, least=1)
    checks.whole_number(owner, "group", group, least=0)
    if checks.whole_number(owner, "subnetwork", subnetwork, least=0) >= law.n_subnetworks:
        raise ValueError(f"{owner}: subnetwork must be below {law.n_subnetworks}, got {subnetwork}")
    law.check(width, round + 1)


class Drawn:
    """What the laws of this package share: every draw is checked, then made for the subnetworks that are asked for.

    A subclass says in `draw` what its masks are; a whole round and one subnetwork of it cannot differ.
    """

    n_subnetworks: int
    partitions = False

    def __post_init__(self) -> None:
        p = checks.whole_number(type(self).__name__, "n_subnetworks", self.n_subnetworks, least=1)
        object.__setattr__(self, "n_subnetworks", p)

    def draw(self, seed: int, round: int, width: int, subnetworks: range, group: int) -> BoolArray:
        """Return the masks of consecutive subnetworks, shape (len(subnetworks), m)."""
        raise NotImplementedError

    def check(self, width: int, rounds: int) -> None:
        """Raise ValueError if the law cannot serve such a network; most can serve any."""

    def sample(self, seed: int, round: int, width: int, *, group: int = 0) -> BoolArray:
        """Return the masks of one round, shape (p, m)."""
        check_draw(self, seed, round, width, group=group)  # pyright: ignore[reportArgumentType]
        return self.draw(seed, round, width, range(self.n_subnetworks), group)

    def sample_subnetwork(self, seed: int, round: int, width: int, subnetwork: int, *, group: int = 0) -> BoolArray:
        """Return the mask of one subnetwork, shape (m,)."""
        check_draw(self, seed, round, width, subnetwork, group=group)  # pyright: ignore[reportArgumentType]
        return self.draw(seed, round, width, range(subnetwork, subnetwork + 1), group)[0]


class Dealt(Drawn):
    """A law that deals the neurons out: each belongs to exactly one subnetwork, which `owners` names."""

    partitions = True

    @property
    def selection_prob(self) -> float:
        """The factor xi = 1/p of the full model."""
        return 1.0 / self.n_subnetworks

    def owners(self, seed: int, round: int, width: int, *, group: int = 0) -> IntArray:
        """Return the subnetwork that each neuron belongs to, shape (m,)."""
        raise NotImplementedError

    def draw(self, seed: int, round: int, width: int, subnetworks: range, group: int) -> BoolArray:
        """Return the masks of consecutive subnetworks; over all of them each column holds one True."""
        return self.owners(seed, round, width, group=group) == np.array(subnetworks)[:, np.newaxis]
