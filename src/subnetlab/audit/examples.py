"""What statements are checked on: all masks of a tiny network, as rational numbers, and random rows of data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ..core.inputs import unit_rows
from ..core.randomness import Purpose, blocks_for, random_words, standard_normals, uniforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.arrays import FloatArray

N_SAMPLES, N_FEATURES = 6, 5  # of the small networks that are trained
DATA_SEED = 5  # of the first ten the one with the largest lambda_0, at which the bounds are least vacuous

Matrix = tuple[tuple[int, ...], ...]  # p rows of m zeros and ones


def bernoulli_masks(p: int, m: int, xi: Fraction) -> Iterator[tuple[Fraction, Matrix]]:
    """Yield every (p, m) mask with its probability under independent Bernoulli entries."""
    for bits in itertools.product((0, 1), repeat=p * m):
        ones = sum(bits)
        yield xi**ones * (1 - xi) ** (p * m - ones), tuple(bits[l * m : (l + 1) * m] for l in range(p))


def categorical_masks(p: int, m: int) -> Iterator[tuple[Fraction, Matrix]]:
    """Yield every mask in which each neuron has one owner, all with the same probability."""
    for owners in itertools.product(range(p), repeat=m):
        yield Fraction(1, p**m), tuple(tuple(int(o == l) for o in owners) for l in range(p))


@dataclass(frozen=True)
class TinyNetwork:
    """m = 3 neurons and 2 rows with integer activations; outputs are held times sqrt m, so that all is rational.

    ``activations[r][i]`` is relu(<w_r, x_i>), ``active[r][i]`` its indicator, ``signs[r]`` is a_r, and ``rows`` are
    integer rows: the identities checked with them do not need norm 1.
    """

    activations: Matrix = ((2, 0), (1, 3), (0, 5))
    active: Matrix = ((1, 0), (1, 1), (1, 1))
    signs: tuple[int, ...] = (1, -1, 1)
    rows: Matrix = ((1, 2), (-1, 3))
    targets: tuple[int, ...] = (2, -1)

    def output(self, mask: tuple[int, ...], i: int) -> int:
        """Return sqrt m times f^l(x_i)."""
        return sum(a * b * s[i] for a, b, s in zip(self.signs, mask, self.activations, strict=True))

    def full_output(self, xi: Fraction, i: int) -> Fraction:
        """Return sqrt m times u(x_i)."""
        return xi * self.output((1,) * len(self.signs), i)


def step(masks: Matrix, r: int) -> Fraction:
    """Return eta_r = 1 / X_r, or 0."""
    X = sum(mask[r] for mask in masks)
    return Fraction(1, X) if X else Fraction(0)


def random_data(n: int, d: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return X with unit rows in all directions, shape (n, d), and y uniform in [-1, 1), shape (n,)."""
    X = unit_rows(standard_normals(seed, Purpose.EXAMPLES, 0, n, d))
    return X, 2 * uniforms(random_words(seed, Purpose.EXAMPLES, 0, 0, blocks_for(n), lane=1))[:n] - 1
