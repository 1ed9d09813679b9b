"""Which rows subnetworks train on, and how their weights spread from step to step, as predictions need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.rows import shard_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.arrays import FloatArray
    from ..core.scheme import TrainingScheme


@dataclass(frozen=True, eq=False)
class SeenRows:
    """One entry per shard; iterating gives (share, seen, spread) of each.

    Parameters
    ----------
    shares : tuple of float
        The shares of the subnetworks that train on the shard; they add up to 1.
    seen : tuple of ndarray, shape (n,)
        1 for the rows of the shard, 0 for the others.
    spreads : tuple of ndarray, shape (n, n)
        The covariance of the rows' weights in a local step: zero without minibatches.
    """

    shares: tuple[float, ...]
    seen: tuple[FloatArray, ...]
    spreads: tuple[FloatArray, ...]

    def __iter__(self) -> Iterator[tuple[float, FloatArray, FloatArray]]:
        return zip(self.shares, self.seen, self.spreads, strict=True)

    @classmethod
    def of(cls, scheme: TrainingScheme, n_samples: int, seed: int) -> SeenRows | None:
        """Return the rows of a run with this seed, or None where every subnetwork sees all rows in every step."""
        n, b, p = n_samples, scheme.batch_size, scheme.masks.n_subnetworks
        if scheme.shards is None and (b is None or b >= n):
            return None
        parts = [np.arange(n)] if scheme.shards is None else shard_rows(seed, n, scheme.shards)
        seen = tuple(np.isin(np.arange(n), part).astype(float) for part in parts)
        owners = np.bincount(np.arange(p) % len(parts), minlength=len(parts))
        return cls(tuple((owners / p).tolist()), seen, tuple(_spread(rows, b) for rows in seen))


def _spread(seen: FloatArray, batch_size: int | None) -> FloatArray:
    """Return the covariance of weights that are (number of rows) / b for b rows drawn without replacement, else 0."""
    own = seen.sum()
    if batch_size is None or batch_size >= own:
        return np.zeros((len(seen), len(seen)))
    return (own - batch_size) / (batch_size * (own - 1)) * (own * np.diag(seen) - np.outer(seen, seen))
