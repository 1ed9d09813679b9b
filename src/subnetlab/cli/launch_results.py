"""The results of a launch: history.csv with the costs of every round, and run.npz as `subnetlab train` leaves it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import atomic_file
from ..core.network import ShallowReLU
from ..core.record import RoundRecord
from ..engines.table import ENGINES
from ..history import HistoryBuilder
from ..launch.assembly import placement_of, runs_of_rows
from ..launch.ledger import COSTS
from ..training.request import RunSettings, TrainingData
from ..training.run import RUN_FILE, TrainingRun

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.arrays import FloatArray
    from ..history import History
    from ..launch.checkpoint import Checkpoints, Manifest
    from ..launch.job import Job


def save_results(
    job: Job, checkpoints: Checkpoints, manifest: Manifest, folder: Path, *, whole_run: bool
) -> FloatArray:
    """Write history.csv and, if asked, run.npz, from which `subnetlab.resume` goes on; return the full errors."""
    history = _history(job, manifest)
    with atomic_file(folder / "history.csv") as file:
        file.write(_table(history, manifest.history["costs"]).encode())
    if whole_run:
        _run(job, checkpoints, manifest, history).save(folder / RUN_FILE)
    return history.full_error


def _history(job: Job, manifest: Manifest) -> History:
    errors, full = manifest.history["subnetwork_errors"], manifest.history["full_error"]
    _, steps, p = errors.shape
    builder = HistoryBuilder(keep_subnetworks=True, n_subnetworks=p, local_steps=steps - 1)
    builder.add_state(full_error=full[0])
    for inside, after in zip(errors, full[1:], strict=True):
        builder.add_round(RoundRecord(inside, after))
        builder.add_state(full_error=after)
    return builder.build()


def _table(history: History, costs: FloatArray) -> str:
    """Return one line per round: its errors in full precision, and what it cost."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    local = [f"local_error_{t + 1}" for t in range(history.local_error.shape[1])]
    writer.writerow(["round", "sampled_error", *local, "full_error", *COSTS])
    for k in range(history.rounds):
        errors = [history.sampled_error[k], *history.local_error[k], history.full_error[k + 1]]
        workers, sent, *seconds = costs[k]
        cost = [int(workers), int(sent), *(f"{value:.6f}" for value in seconds)]
        writer.writerow([k, *map(repr, map(float, errors)), *cost])
    return text.getvalue()


def _run(job: Job, checkpoints: Checkpoints, manifest: Manifest, history: History) -> TrainingRun:
    W0, signs = job.neurons(0, job.width)
    W, slot_of = np.empty(W0.shape, job.dtype), np.empty(job.width, np.int64)
    slots = placement_of(job, manifest).slots
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
