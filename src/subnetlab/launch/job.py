"""A training job as every worker reads it: all that decides the bits, in one file without pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..archive import read_archive, write_archive
from ..core import checks
from ..core.network import initial_neurons
from ..core.scheme_record import scheme_from_record, scheme_to_record
from ..engines.base import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.arrays import BoolArray, FloatArray
    from ..core.rows import LocalRows
    from ..core.scheme import TrainingScheme
    from ..engines.base import Dtype

_KIND, _VERSION = "subnetlab-job", 1


@dataclass(frozen=True, eq=False)
class Job:
    """One run of Algorithm 1 from a random initial network.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
    y : ndarray of float64, shape (n,)
    scheme : TrainingScheme
        Its step size must be a number.
    width : int
        m.
    init_scale : float
        kappa.
    seed : int
        Of initial network, masks, shards and minibatches.
    dtype : {"float64", "float32"}
    threads : int
        BLAS threads of each worker.
    close_share : float, default 1.0
        A round closes when this share of the workers has reported; whoever is late then gives up its subnetworks, whose
        neurons are unselected in the paper's sense. Below 1 the bits depend on the clock.
    """

    X: FloatArray
    y: FloatArray
    scheme: TrainingScheme
    width: int
    init_scale: float
    seed: int
    dtype: Dtype
    threads: int
    close_share: float = 1.0

    def __post_init__(self) -> None:
        checks.probability("Job", "close_share", self.close_share)
        if isinstance(self.scheme.step_size, str):
            raise TypeError(f"Job: step_size must be a number, got {self.scheme.step_size!r}")
        if np.ndim(self.y) != 1:
            raise ValueError(f"Job: y must have shape (n_samples,), got {np.shape(self.y)}")
        self.scheme.check(self.width, len(self.X))

    @property
    def step_size(self) -> float:
        """Eta."""
        return float(self.scheme.step_size)

    def problem(self) -> Problem:
        """Return the problem; signs are drawn for all neurons (8 m bytes), weights for none."""
        step = 1 << 16
        signs = [self.neurons(r, min(r + step, self.width), n_features=1)[1] for r in range(0, self.width, step)]
        return Problem(self.X, self.y, np.concatenate(signs), self.scheme.masks.selection_prob)

    def neurons(self, start: int, stop: int, n_features: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return initial weights and signs of the neurons start, ..., stop - 1."""
        d = self.X.shape[1] if n_features is None else n_features
        return initial_neurons(start, stop, n_features=d, init_scale=self.init_scale, seed=self.seed)

    def masks(self, round: int) -> BoolArray:
        """Return the masks of one round, shape (p, m)."""
        return self.scheme.masks.sample(self.seed, round, self.width)

    def rows(self, round: int) -> LocalRows | None:
        """Return the rows that each subnetwork sees in one round."""
        from ..core.rows import local_rows

        return local_rows(
            self.seed,
            round,
            n_samples=len(self.X),
            n_subnetworks=self.scheme.masks.n_subnetworks,
            local_steps=self.scheme.local_steps,
            shards=self.scheme.shards,
            batch_size=self.scheme.batch_size,
        )

    def settings(self) -> dict[str, Any]:
        """Return, JSON-able, all that decides the bits; data and given masks by their hash. Rounds decide nothing."""
        scheme, arrays = scheme_to_record(self.scheme)
        del scheme["rounds"]
        arrays = {"X": self.X, "y": self.y, **arrays}
        return {
            "scheme": scheme,
            "width": self.width,
            "init_scale": self.init_scale,
            "seed": self.seed,
            "dtype": self.dtype,
            "threads": self.threads,
            "close_share": self.close_share,
            **{name: f"sha256:{array_hash(array)}" for name, array in arrays.items()},
        }

    def digest(self) -> str:
        """Return the hash of the settings, which names the run."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the job to a file."""
        scheme, masks = scheme_to_record(self.scheme)
        names = ("width", "init_scale", "seed", "dtype", "threads", "close_share")
        meta = {"scheme": scheme, **{name: getattr(self, name) for name in names}}
        arrays = {"X": self.X, "y": self.y, **{f"masks.{name}": value for name, value in masks.items()}}
        write_archive(path, _KIND, _VERSION, meta, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Job:
        """Read what `save` wrote; see `subnetlab.archive.read_archive` for the errors."""
        meta, arrays = read_archive(path, _KIND, _VERSION)
        masks = {name.removeprefix("masks."): a for name, a in arrays.items() if name.startswith("masks.")}
        scheme = scheme_from_record(meta.pop("scheme"), masks)
        return cls(arrays["X"], arrays["y"], scheme, **meta)


def array_hash(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes."""
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data.cast("B") if array.size else b"")
    return digest.hexdigest()
