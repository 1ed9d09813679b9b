"""Exact moments of the masks, as rational numbers for the given p and xi."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from math import comb, lcm
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..core.masks import AllNeurons, Balanced, Bernoulli, Categorical
from ..core.masks.law import partitions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.masks import MaskLaw


@dataclass(frozen=True)
class MaskMoments:
    """Expectations over the masks of one round, for one neuron r and another neuron r'.

    X_r is the number of subnetworks that hold r, eta_r = 1/X_r (0 for X_r = 0) and
    nu_{r,r'} = eta_r sum_l m^l_r m^l_{r'}. For three of them the paper's value stands beside the true one.

    Parameters
    ----------
    n_subnetworks : int
        p.
    selection_prob : Fraction
        xi.
    coverage : Fraction
        theta = P(X_r >= 1) (Lemma 18).
    mean_step : Fraction
        E[eta_r]; the paper's is in Lemma 24.
    mean_reciprocal : Fraction
        E[1/X_r | X_r >= 1]; the paper's is in the proof of Lemma 21.
    pair_variance : Fraction
        Var(nu_{r,r'} | X_r >= 1); the paper's is Lemma 21.
    own_spread : Fraction
        E[(nu_{r,r} - xi)^2] (Lemma 19). Given X_r >= 1 it is (1 - xi)^2.
    independent_neurons : bool, default True
        Whether masks of different neurons are independent, as all proofs take them to be. Predictions, which are of
        leading order in 1/m, need it only nearly.
    """

    n_subnetworks: int
    selection_prob: Fraction
    coverage: Fraction
    mean_step: Fraction
    mean_reciprocal: Fraction
    pair_variance: Fraction
    own_spread: Fraction
    independent_neurons: bool = True

    @property
    def paper_mean_reciprocal(self) -> Fraction:
        """Lemma 21's theta / (p xi), which is the mean of 1/(1 + Bin(p - 1, xi)): false for p >= 2."""
        return self.coverage / (self.n_subnetworks * self.selection_prob)

    @property
    def paper_mean_step(self) -> Fraction:
        """Lemma 24's theta^2 / (p xi): a lower bound of E[eta_r], by Jensen's inequality."""
        return self.coverage * self.paper_mean_reciprocal

    @property
    def paper_pair_variance(self) -> Fraction:
        """Lemma 21's (theta - xi^2) / p: false for p >= 2, and no upper bound from p = 5."""
        return (self.coverage - self.selection_prob**2) / self.n_subnetworks


def bernoulli_moments(n_subnetworks: int, selection_prob: Fraction | float) -> MaskMoments:
    """Return the moments of independent Bernoulli masks.

    Parameters
    ----------
    n_subnetworks : int
        p, at least 1.
    selection_prob : Fraction or float
        xi in (0, 1]; a float is taken as the rational number that it is.

    Examples
    --------
    >>> moments = bernoulli_moments(2, Fraction(1, 2))
    >>> moments.coverage, moments.mean_step, moments.mean_reciprocal, moments.pair_variance
    (Fraction(3, 4), Fraction(5, 8), Fraction(5, 6), Fraction(5, 24))
    >>> moments.paper_mean_step, moments.paper_mean_reciprocal, moments.paper_pair_variance
    (Fraction(9, 16), Fraction(3, 4), Fraction(1, 4))
    """
    p = checks.whole_number("bernoulli_moments", "n_subnetworks", n_subnetworks, least=1)
    checks.probability("bernoulli_moments", "selection_prob", selection_prob)
    xi = Fraction(selection_prob)
    a, b = xi.numerator, xi.denominator
    theta = 1 - (1 - xi) ** p
    # E[eta_r] = sum_j P(X = j) / j over one common denominator: one reduction, not p
    L = lcm(*range(1, p + 1))
    e = Fraction(sum(comb(p, j) * a**j * (b - a) ** (p - j) * (L // j) for j in range(1, p + 1)), L * b**p)
    return MaskMoments(
        n_subnetworks=p,
        selection_prob=xi,
        coverage=theta,
        mean_step=e,
        mean_reciprocal=e / theta,
        pair_variance=xi * (1 - xi) * e / theta,
        own_spread=theta - 2 * xi * theta + xi**2,
    )


def categorical_moments(n_subnetworks: int) -> MaskMoments:
    """Return the moments of uniform categorical masks: every neuron is in exactly one subnetwork, xi = 1/p."""
    p = checks.whole_number("categorical_moments", "n_subnetworks", n_subnetworks, least=1)
    xi, one = Fraction(1, p), Fraction(1)
    return MaskMoments(
        n_subnetworks=p,
        selection_prob=xi,
        coverage=one,
        mean_step=one,
        mean_reciprocal=one,
        pair_variance=xi * (1 - xi),
        own_spread=(1 - xi) ** 2,
    )


def _of_categorical(masks: Any) -> MaskMoments:
    if masks.probabilities is not None and len(set(masks.probabilities)) > 1:
        raise ValueError(f"theory: categorical masks must be uniform, got probabilities {masks.probabilities}")
    return categorical_moments(masks.n_subnetworks)


MOMENTS: dict[type, Callable[[Any], MaskMoments]] = {
    AllNeurons: lambda masks: bernoulli_moments(masks.n_subnetworks, 1),
    Bernoulli: lambda masks: bernoulli_moments(masks.n_subnetworks, masks.selection_prob),
    Categorical: _of_categorical,
    Balanced: lambda masks: replace(categorical_moments(masks.n_subnetworks), independent_neurons=False),
}
"""What the theory knows of each law. Its subnetworks are independent of each other, or it partitions."""

_KNOWN = tuple(MOMENTS)
_WIDTH, _ROUNDS = 512, 200  # of the draws that a law's moments are compared with


def mask_moments(masks: MaskLaw) -> MaskMoments:
    """Return the moments of a mask law.

    Raises
    ------
    TypeError, ValueError
        If the theory says nothing about the law: non-uniform categorical masks, masks given by the user, laws without a
        line in `MOMENTS`; or if what that says of a law of your own is not what its draws show.
    """
    if type(masks) not in MOMENTS:
        names = ", ".join(law.__name__ for law in MOMENTS)
        raise ValueError(f"theory: masks must follow one of the laws {names}, got {type(masks).__name__}")
    moments = MOMENTS[type(masks)](masks)
    if type(masks) not in _KNOWN:
        _check_moments(masks, moments)
    return moments


def _check_moments(law: MaskLaw, moments: Any) -> None:
    """Raise unless the moments are those of the law's draws, to five standard errors and the rounding of sizes."""
    owner = f"theory: MOMENTS of {type(law).__name__}"
    checks.instance(owner, "moments", moments, MaskMoments)
    p, xi = law.n_subnetworks, law.selection_prob
    for name, wanted in (("n_subnetworks", p), ("selection_prob", xi)):
        if (found := float(getattr(moments, name))) != wanted:
            raise ValueError(f"{owner}: {name} must be the law's {wanted}, got {found:g}")
    try:
        law.check(_WIDTH, _ROUNDS)
    except ValueError:  # it is for other widths, or for fewer rounds
        return
    X = np.array([law.sample(0, k, _WIDTH).sum(axis=0) for k in range(_ROUNDS)])
    pairs = 0.0 if partitions(law) else p * (p - 1) * xi**2
    for name, said, draws in (
        ("coverage", moments.coverage, X > 0),
        ("mean_step", moments.mean_step, (X > 0) / np.maximum(X, 1)),
        ("pairs of subnetworks that hold a neuron", pairs, X * (X - 1)),
    ):
        by_round = draws.mean(axis=1)
        found, deviation = float(by_round.mean()), float(by_round.std())
        if abs(float(said) - found) > 5 * deviation / math.sqrt(_ROUNDS) + p**2 / _WIDTH:
            raise ValueError(f"{owner}: {name} must be about {found:.3g}, as in its draws, got {float(said):.3g}")
