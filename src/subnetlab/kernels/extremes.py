"""Both ends of a kernel's spectrum, with residuals that say what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core import checks
from ..core.randomness import Purpose, standard_normals
from ..surroundings import undisturbed
from .krylov import EXHAUSTED, krylov_spaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import FloatArray

_LOOKING = 12  # products from one look at the eigenvalues to the next


@dataclass(frozen=True, repr=False)
class ExtremeEigenvalues:
    """The smallest and the largest eigenvalue as they were measured. No theorem is behind them.

    Parameters
    ----------
    smallest, largest : float
        Quotients v'Hv of unit vectors v, so that the true smallest eigenvalue is at most ``smallest`` and the true
        largest one at least ``largest``, up to rounding.
    smallest_residual, largest_residual : float
        |H v - lambda v|: some eigenvalue is at most that far away. That it is the extreme one is certain where the
        whole matrix was decomposed, and only likely after an iteration.
    products : int or None
        How many products with H the iteration took; None where the whole matrix was decomposed.
    """

    smallest: float
    largest: float
    smallest_residual: float
    largest_residual: float
    products: int | None

    def __repr__(self) -> str:
        how = "whole matrix" if self.products is None else f"{self.products} products"
        return (
            f"ExtremeEigenvalues(smallest {self.smallest:.6g}, residual {self.smallest_residual:.1e}; "
            f"largest {self.largest:.6g}, residual {self.largest_residual:.1e}; measured, {how})"
        )


@undisturbed(threads=1)  # the bits depend on their number
def extremes_of_matrix(H: FloatArray) -> ExtremeEigenvalues:
    """Return both ends of the spectrum of a symmetric matrix, from all of its eigenvalues.

    Parameters
    ----------
    H : ndarray, shape (n, n)

    Examples
    --------
    >>> extremes_of_matrix(np.diag([3.0, 1.0, 2.0])).smallest
    1.0
    """
    values, vectors = np.linalg.eigh(H)
    ends = vectors[:, [0, -1]]
    first, last = np.linalg.norm(H @ ends - ends * values[[0, -1]], axis=0)
    return ExtremeEigenvalues(float(values[0]), float(values[-1]), float(first), float(last), None)


@undisturbed()
def extremes_by_products(
    multiply: Callable[[FloatArray], FloatArray],
    size: int,
    *,
    seed: int = 0,
    most_products: int = 300,
    accuracy: float = 1e-3,
) -> ExtremeEigenvalues:
    """Return both ends of the spectrum of a symmetric operator from products with it, by Lanczos iteration.

    It ends once both residuals are at most ``accuracy`` times their eigenvalues (every twelfth product looks), no
    further vector is left, or the products are used up. A smallest eigenvalue far below the largest takes many: about
    the root of their quotient.

    Parameters
    ----------
    multiply : callable
        v -> H v for v of shape (n,).
    size : int
        n.
    seed : int, default 0
        Of the start vector.
    most_products : int, default 300
        Their vectors are kept, 8 n bytes each; two more products measure the residuals.
    accuracy : float, default 1e-3

    Examples
    --------
    >>> d = np.arange(1.0, 41.0)
    >>> found = extremes_by_products(lambda v: d * v, 40)
    >>> abs(found.smallest - 1) < 1e-3, abs(found.largest - 40) < 1e-3
    (True, True)
    """
    owner = "extremes_by_products"
    most_products = checks.whole_number(owner, "most_products", most_products, least=1)
    accuracy = checks.positive_number(owner, "accuracy", accuracy)
    most_products = min(most_products, size)
    checks.memory(owner, "most_products", "vectors", 8 * size * most_products)
    start = standard_normals(checks.seed_number(owner, seed), Purpose.START_VECTORS, 0, 1, size)[0]
    spaces, products = krylov_spaces(multiply, start, most_products), 0
    while True:
        space, products = next(spaces), products + 1
        over = products == most_products or space.rest <= EXHAUSTED * np.max(np.abs(space.T))
        if over or products % _LOOKING == 0:
            all_values, vectors = space.eigen()
            values, weights = all_values[[0, -1]], vectors[:, [0, -1]]
            if over or np.all(space.rest * np.abs(weights[-1]) <= accuracy * np.abs(values)):
                break
    ends = weights.T @ space.basis
    first, last = (float(np.linalg.norm(multiply(v) - value * v)) for v, value in zip(ends, values, strict=True))
    return ExtremeEigenvalues(float(values[0]), float(values[-1]), first, last, products + 2)
