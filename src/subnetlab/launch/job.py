"""A training job as every worker reads it, and the network that a checkpoint of it holds.

All that decides the bits is in one file without pickle. The whole network is written to disk slot by slot: it is never
in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from itertools import pairwise
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from ..archive import ArchiveError, read_archive, write_archive
from ..atomic import named
from ..core import checks
from ..core.network import initial_neurons
from ..core.scheme_record import scheme_from_record, scheme_to_record
from ..engines.base import Problem
from ..engines.distributed.placement import Placement
from .checkpoint import array_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..core.arrays import BoolArray, FloatArray
    from ..core.scheme import TrainingScheme
    from ..engines.base import Dtype
    from .checkpoint import Checkpoints, Manifest

_KIND, _VERSION = "subnetlab-job", 1
_PLAIN = ("width", "init_scale", "seed", "dtype", "threads", "close_share")  # fields that JSON can hold


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
        A round closes when this share of the workers has reported; a late worker then gives up its subnetworks, whose
        neurons count as unselected, as in the paper. Below 1 the bits depend on the clock.
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

    def placement(self, manifest: Manifest) -> Placement:
        """Return which neurons are in which slot of a checkpoint.

        Raises
        ------
        ArchiveError
            If the manifest does not say it.
        """
        home, placed_by = Placement.at_home(self.width), manifest.facts.get("placed_by")
        if type(placed_by) is not int or not -1 <= placed_by < manifest.round:
            raise ArchiveError(f"launch: placed_by must be a round before {manifest.round} or -1, got {placed_by!r}")
        return home if placed_by < 0 else home.after(self.masks(placed_by))

    def slot_shapes(self, placement: Placement) -> list[tuple[int, int]]:
        """Return the shape of each slot's weights."""
        return [(len(neurons), self.X.shape[1]) for neurons in placement.slots]

    def settings(self) -> dict[str, Any]:
        """Return, JSON-able, all that decides the bits; data and given masks by their hash. Rounds decide nothing."""
        scheme, arrays = scheme_to_record(self.scheme)
        del scheme["rounds"]
        arrays = {"X": self.X, "y": self.y, **arrays}
        return {
            "scheme": scheme,
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: f"sha256:{array_hash(array)}" for name, array in arrays.items()},
        }

    def digest(self) -> str:
        """Return the hash of the settings, which names the run."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the job to a file."""
        scheme, masks = scheme_to_record(self.scheme)
        meta = {"scheme": scheme, **{name: getattr(self, name) for name in _PLAIN}}
        arrays = {"X": self.X, "y": self.y, **{f"masks.{name}": value for name, value in masks.items()}}
        write_archive(path, _KIND, _VERSION, meta, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Job:
        """Read what `save` wrote; see `subnetlab.archive.read_archive` for the errors."""
        meta, arrays = read_archive(path, _KIND, _VERSION)
        masks = {name.removeprefix("masks."): a for name, a in arrays.items() if name.startswith("masks.")}
        scheme = scheme_from_record(meta.pop("scheme"), masks)
        return cls(arrays["X"], arrays["y"], scheme, **meta)


def export_network(job: Job, checkpoints: Checkpoints, manifest: Manifest, path: Path) -> None:
    """Write weights (m, d), signs and the factor xi to an NPZ file, as `TrainingRun.export_network` does.

    Raises
    ------
    OSError
        If a slot is damaged or cannot be read, or the disk is full; it takes twice the network.
    """
    try:
        # Not written through a map into memory: on a full disk the system would kill this process without a word.
        # The file has no name, so that nothing is left of it however this process ends.
        with TemporaryFile(dir=path.parent) as file:
            for row, weights in runs_of_rows(job, checkpoints, manifest):
                file.seek(row * weights[0].nbytes)
                file.write(weights.data)
            file.flush()
            os.fsync(file.fileno())
            W = np.memmap(file, job.dtype, mode="r", shape=(job.width, job.X.shape[1]))
            problem = job.problem()
            meta = {"selection_prob": problem.selection_prob}
            write_archive(path, "subnetlab-network", 1, meta, {"weights": W, "signs": problem.signs})
            del W
    except OSError as error:  # from closing, too
        raise (named(error, path) if error.errno and error.filename is None else error) from None


def runs_of_rows(job: Job, checkpoints: Checkpoints, manifest: Manifest) -> Iterator[tuple[int, FloatArray]]:
    """Yield the rows of W in runs of neighbours, with the number of the first, slot after slot.

    Raises
    ------
    OSError
        If a slot is damaged or cannot be read.
    """
    placement = job.placement(manifest)
    for slot, (neurons, shape) in enumerate(zip(placement.slots, job.slot_shapes(placement), strict=True)):
        weights = checkpoints.read_slot(manifest, slot, shape, job.dtype)
        if weights is None:
            raise OSError(f"{checkpoints.folder_of(manifest.round)}: slot {slot} must be whole, got damage")
        starts = np.flatnonzero(np.diff(neurons, prepend=-2) != 1).tolist()
        for start, stop in pairwise([*starts, len(neurons)]):
            yield int(neurons[start]), weights[start:stop]
