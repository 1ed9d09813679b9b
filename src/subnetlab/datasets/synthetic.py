"""Made data whose infinite NTK has a chosen smallest eigenvalue.

x_i = normalised (1 - s) c + s o_i: one direction c that all rows share, and directions o_i far from each
other, orthonormal if there is room (d >= n). At s = 0 all rows are equal and lambda_0 = 0; at s = 1 it is 1/2
for orthonormal rows, the most that unit rows can have. In between, s is found by root finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..core.randomness import Purpose, standard_normals
from ..surroundings import undisturbed
from .raw import RawTable, content_sha256

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

DEFAULT_EIGENVALUE = 0.1
_NUMBERS_AT_ONCE = 2**15


def load_synthetic(
    *,
    n_samples: int,
    n_validation: int = 0,
    seed: int = 0,
    smallest_eigenvalue: float | None = None,
    n_features: int | None = None,
) -> RawTable:
    """Return rows whose first ``n_samples`` have the chosen lambda_0 (for xi = 1) and targets in (-1, 1).

    The target is tanh <b, o_i> with b standard normal: a smooth function of the part that rows do not share.

    Parameters
    ----------
    n_samples, n_validation : int
        The first at least 2.
    seed : int
    smallest_eigenvalue : float, optional
        lambda_0 in (0, 1/2]; 0.1 if None. Rows with fewer features than samples cannot reach all of it.
    n_features : int, optional
        d, at least 2; ``n_samples`` if None.

    Raises
    ------
    ValueError
        If no such rows exist in this family; it names the largest lambda_0 that does.
    """
    wanted = DEFAULT_EIGENVALUE if smallest_eigenvalue is None else smallest_eigenvalue
    lam0 = checks.positive_number("synthetic", "smallest_eigenvalue", wanted)
    n = checks.whole_number("synthetic", "n_samples", n_samples, least=2)
    d = checks.whole_number("synthetic", "n_features", n if n_features is None else n_features, least=2)
    draws = standard_normals(seed, Purpose.SYNTHETIC_DATA, 0, 2 + n + n_validation, d)
    shared, teacher, own = _unit(draws[:1]), draws[1], _unit(draws[2:])
    with undisturbed(threads=1):  # the last bits of LAPACK's results depend on the number of threads
        if d >= n:
            own[:n] = np.linalg.qr(draws[2 : 2 + n].T)[0].T
        share = _find_share(shared, own[:n], lam0)
        features = _mix(shared, own, share)
        reached = ntk_smallest_eigenvalue(features[:n])
    if abs(reached - lam0) > 1e-6 * lam0:
        raise ValueError(
            f"synthetic: smallest_eigenvalue must be large enough for float64, got {lam0:g} (reached {reached:g})"
        )
    columns = tuple(str(j) for j in range(d))
    target = np.tanh((own * teacher).sum(axis=1))
    return RawTable(
        name="synthetic",
        features=features,
        target=target,
        columns=columns,
        target_name="tanh <b, o>",
        source={
            "kind": "generated",
            "where": "subnetlab",
            "smallest_eigenvalue": reached,
            "share_of_own_direction": share,
            "sha256": content_sha256(columns, features, target),
        },
    )


def ntk_smallest_eigenvalue(X: FloatArray) -> float:
    """Return lambda_0 of unit rows: lambda_min of <x_i, x_j> (pi - angle_ij) / (2 pi), for xi = 1."""
    return float(np.linalg.eigvalsh((X @ X.T) * (np.pi - _angles(X)) / (2 * np.pi))[0])


def _angles(X: FloatArray) -> FloatArray:
    """Return 2 atan2(|x_i - x_j|, |x_i + x_j|), which is the same both ways, in pieces that fit a processor's cache."""
    n, d = X.shape
    angles = np.empty((n, n))
    at_once = max(1, _NUMBERS_AT_ONCE // d)
    piece = np.empty((min(at_once, n), d))
    for i, x in enumerate(X):
        for start in range(0, i + 1, at_once):
            others = slice(start, min(start + at_once, i + 1))
            rows, work = X[others], piece[: others.stop - start]
            apart, together = _norms(np.subtract(rows, x, out=work)), _norms(np.add(rows, x, out=work))
            angles[i, others] = angles[others, i] = 2 * np.arctan2(apart, together)
    return angles


def _norms(rows: FloatArray) -> FloatArray:
    """Return the norms as `numpy.linalg.norm` computes them, bit for bit, and overwrite the rows with their squares."""
    return np.sqrt(np.add.reduce(np.multiply(rows, rows, out=rows), axis=1))


def _find_share(shared: FloatArray, own: FloatArray, lam0: float) -> float:
    """Return the s at which lambda_0 is the one wanted."""
    from scipy.optimize import brentq

    largest = ntk_smallest_eigenvalue(_mix(shared, own, 1.0))
    if abs(largest - lam0) <= 1e-9:
        return 1.0
    if largest < lam0:
        raise ValueError(
            f"synthetic: smallest_eigenvalue must be at most {largest:.6g} for {own.shape[0]} rows of "
            f"{own.shape[1]} features, got {lam0:g}; more features than rows allow up to 0.5"
        )

    def excess(share: float) -> float:
        return ntk_smallest_eigenvalue(_mix(shared, own, share)) - lam0

    root: Any = brentq(excess, 0.0, 1.0, xtol=1e-16)
    return float(root)


def _mix(shared: FloatArray, own: FloatArray, share: float) -> FloatArray:
    return _unit((1 - share) * shared + share * own)


def _unit(rows: FloatArray) -> FloatArray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
