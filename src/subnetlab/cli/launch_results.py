"""The results of a launch: history.csv with the costs of every round, and run.npz as `subnetlab train` leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..atomic import atomic_file
from ..core.network import ShallowReLU
from ..engines.table import ENGINES
from ..history import History
from ..launch.job import runs_of_rows
from ..launch.session import COSTS
from ..training.request import RunSettings, TrainingData
from ..training.run import RUN_FILE, TrainingRun

if TYPE_CHECKING:
    from pathlib import Path

    from ..launch.checkpoint import Checkpoints, Manifest
    from ..launch.job import Job


def save_results(job: Job, checkpoints: Checkpoints, manifest: Manifest, folder: Path, *, whole_run: bool) -> History:
    """Write history.csv and, if asked, run.npz, from which `subnetlab.resume` goes on; return the history."""
    history, costs = History.from_arrays(manifest.history), manifest.history["costs"]
    counts = (column.astype(int).tolist() for column in costs.T[:2])
    seconds = ([f"{value:.6f}" for value in column] for column in costs.T[2:])
    with atomic_file(folder / "history.csv") as file:
        file.write(history.to_csv(dict(zip(COSTS, [*counts, *seconds], strict=True))).encode())
    if whole_run:
        _run(job, checkpoints, manifest, history).save(folder / RUN_FILE)
    return history


def _run(job: Job, checkpoints: Checkpoints, manifest: Manifest, history: History) -> TrainingRun:
    W0, signs = job.neurons(0, job.width)
    W, slot_of = np.empty(W0.shape, job.dtype), np.empty(job.width, np.int64)
    slots = job.placement(manifest).slots
    for slot, neurons in enumerate(slots):
        slot_of[neurons] = slot
    for row, weights in runs_of_rows(job, checkpoints, manifest):
        W[row : row + len(weights)] = weights
    settings = RunSettings(
        seed=job.seed,
        engine="distributed",
        engine_version=ENGINES["distributed"].version,
        dtype=job.dtype,
        threads=job.threads,
        step_size=job.step_size,
        record="subnetworks",
        diagnostics=(),
    )
    return TrainingRun(
        network=ShallowReLU(W, signs),
        history=history,
        scheme=job.scheme,
        settings=settings,
        initial_network=ShallowReLU(W0, signs),
        data=TrainingData(job.X, job.y),
        status="finished" if manifest.round >= job.scheme.rounds else "unfinished",
        engine_state={"weights": W, "slots": slot_of, "n_slots": np.array(len(slots))},
    )
