"""Which rows of the data each subnetwork sees in each local step: shards and minibatches.

Shards are one fixed partition of the rows, a pure function of the seed; subnetwork l owns shard l modulo the
number of shards. Its local loss is the sum over its own rows. A minibatch of b rows is drawn without
replacement from those rows, afresh in each step as a pure function of (seed, round, subnetwork, step), and
its gradient is scaled by (number of own rows) / b, so that it is unbiased. Errors are always on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .randomness import Purpose, permutation, random_subset

if TYPE_CHECKING:
    from .arrays import FloatArray, IntArray


@dataclass(frozen=True)
class LocalRows:
    """The rows of one round.

    Parameters
    ----------
    indices : tuple of p arrays, each of shape (tau, b_l)
        ``indices[l][t]`` are the rows, in ascending order, that subnetwork l sees in step t.
    scales : tuple of p floats
        The factor of each subnetwork's gradient.
    """

    indices: tuple[IntArray, ...]
    scales: tuple[float, ...]


def shard_rows(seed: int, n_samples: int, shards: int) -> list[IntArray]:
    """Return the partition of ``range(n_samples)`` into shards whose sizes differ by at most one.

    Examples
    --------
    >>> [len(rows) for rows in shard_rows(0, 10, 3)]
    [4, 3, 3]
    """
    order = permutation(seed, Purpose.SHARDS, 0, 0, n_samples)
    return [np.sort(part) for part in np.array_split(order, shards)]


def local_rows(
    seed: int,
    round: int,
    *,
    n_samples: int,
    n_subnetworks: int,
    local_steps: int,
    shards: int | None,
    batch_size: int | None,
) -> LocalRows | None:
    """Return the rows of one round, or None where every subnetwork sees all rows in every step."""
    if shards is None and batch_size is None:
        return None
    parts = [np.arange(n_samples)] if shards is None else shard_rows(seed, n_samples, shards)
    indices: list[IntArray] = []
    scales: list[float] = []
    for subnetwork in range(n_subnetworks):
        own = parts[subnetwork % len(parts)]
        if batch_size is None or batch_size >= len(own):
            indices.append(np.broadcast_to(own, (local_steps, len(own))))
            scales.append(1.0)
            continue
        drawn = np.empty((local_steps, batch_size), dtype=np.int64)
        for step in range(local_steps):
            lane = subnetwork * local_steps + step
            drawn[step] = own[random_subset(seed, Purpose.BATCHES, round, lane, len(own), batch_size)]
        indices.append(drawn)
        scales.append(len(own) / batch_size)
    return LocalRows(tuple(indices), tuple(scales))


def row_weights(
    rows: LocalRows | None, l: int, local_steps: int, n_samples: int, sample_weight: FloatArray | None = None
) -> FloatArray:
    """Return the factor of row i's residual in subnetwork l's step t, zero for rows that are not seen.

    Returns
    -------
    ndarray, shape (tau, n)

    Examples
    --------
    >>> seen = LocalRows(indices=(np.array([[0, 2], [1, 2]]),), scales=(1.5,))
    >>> row_weights(seen, 0, local_steps=2, n_samples=3)
    array([[1.5, 0. , 1.5],
           [0. , 1.5, 1.5]])
    """
    if rows is None:
        weights = np.ones((local_steps, n_samples))
    else:
        weights = np.zeros((local_steps, n_samples))
        np.put_along_axis(weights, rows.indices[l], rows.scales[l], axis=1)
    return weights if sample_weight is None else weights * sample_weight
