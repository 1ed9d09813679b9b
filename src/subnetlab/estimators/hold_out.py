"""Which rows a fit works on, and which of them it keeps back to see when to stop."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from ..core.arrays import FloatArray, IntArray

Targets = TypeVar("Targets", "FloatArray", "IntArray")
_MANY_COPIES = 10  # a row that is there as often is drawn and held out copy by copy


def distinct_rows(
    X: FloatArray, y: Targets, sample_weight: FloatArray | None
) -> tuple[FloatArray, Targets, FloatArray | None]:
    """Return the same data with equal rows as one row of their total weight, and without rows of weight zero.

    A fit that draws minibatches or holds rows out by their position would otherwise depend on whether a row is
    repeated or weighted. Distinct rows of equal weight stay as they are, and so do rows with ten copies or more.

    Parameters
    ----------
    X, y : ndarray, shapes (n, d) and (n,) or (n, o)
    sample_weight : ndarray, shape (n,), optional

    Examples
    --------
    >>> X, y = np.array([[2.0], [1.0], [2.0], [3.0]]), np.array([5.0, 6.0, 5.0, 7.0])
    >>> rows, _, weights = distinct_rows(X, y, np.array([1.0, 1.0, 2.0, 0.0]))
    >>> sorted(zip(rows[:, 0].tolist(), weights.tolist()))
    [(1.0, 1.0), (2.0, 3.0)]
    """
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    there = np.flatnonzero(weights)
    content = np.column_stack([X[there], y[there]]) + 0.0  # -0.0 is 0.0
    digests = b"".join(hashlib.blake2b(row, digest_size=16).digest() for row in content)
    _, group, count = np.unique(np.frombuffer(digests, dtype="V16"), return_inverse=True, return_counts=True)
    copies = count[group]
    pooled = (copies > 1) & (copies < _MANY_COPIES)
    if not pooled.any() and weights.min() == weights.max():
        return X, y, sample_weight
    order = np.lexsort((weights[there], group))  # the same for every order that the rows came in
    follows = np.r_[False, group[order][1:] == group[order][:-1]]
    kept = order[~(follows & pooled[order])]
    total = np.bincount(group, weights[there])
    rows = there[kept]
    return X[rows], y[rows], np.where(pooled[kept], total[group[kept]], weights[rows])


def hold_out(n_samples: int, fraction: float, seed: int, classes: IntArray | None) -> tuple[IntArray, IntArray]:
    """Return the positions of the rows to train on and of those held out; the latter may be none.

    With classes, each keeps its share where there are enough rows for that, and a row to train on in any case.

    Parameters
    ----------
    n_samples : int
    fraction : float
        Of the rows, to be held out.
    seed : int
    classes : ndarray of int, shape (n,), optional
        The number of each row's class.

    Examples
    --------
    >>> train, held_out = hold_out(6, 0.4, 0, np.array([0, 1, 2, 3, 3, 3]))
    >>> held_out.tolist()
    [3, 5]
    """
    count = min(math.ceil(fraction * n_samples), n_samples - 1)
    if count == 0:
        return np.arange(n_samples), np.arange(0)
    present = np.unique(classes, return_counts=True)[1] if classes is not None else np.zeros(0, int)
    if classes is None or (present.min() > 1 and len(present) <= min(count, n_samples - count)):
        train, held = train_test_split(np.arange(n_samples), test_size=count, random_state=seed, stratify=classes)
        return np.asarray(train), np.asarray(held)
    left = np.bincount(classes)
    held_out: list[int] = []
    for row in np.random.RandomState(seed).permutation(n_samples):
        if len(held_out) < count and left[classes[row]] > 1:
            left[classes[row]] -= 1
            held_out.append(row)
    held = np.array(sorted(held_out), dtype=int)
    return np.setdiff1d(np.arange(n_samples), held), held
