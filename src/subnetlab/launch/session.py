"""One worker's part of a run: the session of `training`, in a process that holds its share of the neurons alone.

It gives and takes numbered blocks of weights, the slots, which do not depend on the number of workers; what else it
knows of the shallow network stays in this file and in `job`.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..archive import ArchiveError
from ..engines.distributed.group import JobError
from ..engines.distributed.placement import Placement
from ..engines.distributed.worker import Worker
from ..history import History, HistoryBuilder
from ..training.diagnostics import departure, divergence_limit, has_diverged
from ..training.session import run_round

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from ..core.record import RoundRecord
    from .checkpoint import Manifest
    from .job import Job
    from .transport import Transport

COSTS = ("workers", "bytes_sent", "seconds_computing", "seconds_waiting")
"""What a round cost: processes, payload sent by all of them, and the largest of their times."""


class JobSession:
    """The rounds of a job as one worker runs them; every worker keeps the whole history.

    Parameters
    ----------
    job : Job
    transport : Transport

    Raises
    ------
    JobError
        If there are more workers than subnetworks.

    Attributes
    ----------
    note : ndarray, shape (2,)
        Numbers that the next round carries from worker 0 to all.
    """

    def __init__(self, job: Job, transport: Transport) -> None:
        p, size = job.scheme.masks.n_subnetworks, transport.size
        if size > p:
            raise JobError(f"launch: workers must be at most the number of subnetworks {p}, got {size}")
        self._job = job
        self._transport = transport
        self._worker = Worker(job.problem(), transport.rank, transport.size, job.dtype)
        self._worker.note = self.note = np.zeros(2)
        self._shape = {"n_subnetworks": p, "local_steps": job.scheme.local_steps}
        self._history = HistoryBuilder(keep_subnetworks=True, **self._shape)
        self._late: list[np.ndarray] = []  # per round, the subnetworks that were given up, shape (p,)
        self._costs: list[np.ndarray] = []
        self._placed_by = -1
        self._scale = self._limit = 0.0

    @property
    def rounds_done(self) -> int:
        """The number of completed rounds."""
        return len(self._costs)

    def start(self) -> None:
        """Draw the neurons that live here.

        Raises
        ------
        JobError
            If no error would be above the limit of divergence.
        """
        weights, departures = self._draw()
        self._worker.place(Placement.at_home(self._job.width), weights)
        with np.errstate(over="ignore", invalid="ignore"):
            full_error = self._transport.drive(self._worker.measure())
        self._history.add_state(full_error=full_error)
        self._set_scale(self._starting_scale(departures, full_error))

    def advance(self) -> tuple[float, list[float]]:
        """Run the next round; return |y - u|^2 after it, and the note of worker 0.

        Raises
        ------
        JobError
            If training diverges, by the rule of `TrainingSession.advance`.
        PeerLostError
            If a worker is lost.
        """
        job, worker, transport, k = self._job, self._worker, self._transport, self.rounds_done
        start, waited, sent = time.perf_counter(), transport.seconds_waiting, transport.bytes_sent
        before = worker.placement
        _, record = run_round(
            self._round,
            None,
            job.scheme,
            k,
            seed=job.seed,
            step_size=job.step_size,
            width=job.width,
            n_samples=len(job.X),
        )
        if has_diverged(np.append(record.subnetwork_errors, record.full_error), self._limit):
            raise JobError(f"launch: diverged in round {k}; step_size = {job.step_size:.6g} is too large")
        if worker.placement is not before:
            self._placed_by = k
        seconds, waiting = time.perf_counter() - start, transport.seconds_waiting - waited
        costs = np.array(transport.tell_all(np.array([transport.bytes_sent - sent, seconds - waiting, waiting])))
        self._history.add_round(record)
        self._history.add_state(full_error=record.full_error)
        self._late.append(worker.late if job.close_share < 1 else np.zeros(self._shape["n_subnetworks"], bool))
        self._costs.append(np.array([len(costs), costs[:, 0].sum(), costs[:, 1].max(), costs[:, 2].max()]))
        return record.full_error, worker.notes[0].tolist()

    @property
    def n_blocks(self) -> int:
        """The number of blocks of all workers together."""
        return len(self._worker.placement.slots)

    def blocks(self) -> dict[int, FloatArray]:
        """Return the blocks that live here, as views."""
        return self._worker.slot_weights()

    def facts(self) -> dict[str, Any]:
        """Return, JSON-able, what tells a later session which neurons are in which block."""
        return {"placed_by": self._placed_by}

    def history(self) -> dict[str, np.ndarray]:
        """Return what was measured.

        Returns
        -------
        dict
            ``subnetwork_errors`` (K, tau + 1, p), ``full_error`` (K + 1,), ``late`` (K, p), ``costs`` (K, 4), see
            `COSTS`, and ``starting_scale`` ().
        """
        return {
            **self._history.recorded(),
            "late": np.array(self._late, bool).reshape(-1, self._shape["n_subnetworks"]),
            "costs": np.array(self._costs).reshape(-1, len(COSTS)),
            "starting_scale": np.array(self._scale),
        }

    def blocks_of(self, manifest: Manifest) -> dict[int, tuple[tuple[int, ...], str]]:
        """Return the blocks of a checkpoint that belong here, with shape and dtype.

        Raises
        ------
        ArchiveError
            If what the manifest says fits no session of this job.
        """
        K, p, steps = manifest.round, self._shape["n_subnetworks"], self._shape["local_steps"] + 1
        shapes = {"subnetwork_errors": (K, steps, p), "full_error": (K + 1,), "late": (K, p), "costs": (K, len(COSTS))}
        if any(name not in manifest.history or manifest.history[name].shape != shapes[name] for name in shapes):
            raise ArchiveError(f"launch: the history of round {K} must have the shapes {shapes}")
        placement, worker = self._job.placement(manifest), self._worker
        slots = self._job.slot_shapes(placement)
        return {slot: (slots[slot], self._job.dtype) for slot in placement.slots_of(worker.rank, worker.size)}

    def restore(self, manifest: Manifest, blocks: Mapping[int, FloatArray]) -> None:
        """Go to where a checkpoint was made; ``blocks`` are those of `blocks_of`."""
        job, arrays = self._job, manifest.history
        self._placed_by = manifest.facts["placed_by"]
        self._worker.place(job.placement(manifest), list(blocks.values()))
        self._history = HistoryBuilder.continuing(History.from_arrays(arrays), **self._shape)
        self._late, self._costs = list(arrays["late"]), list(arrays["costs"])
        if "starting_scale" in arrays:
            self._set_scale(float(arrays["starting_scale"]))
        else:  # of version 0.1.0
            self._set_scale(self._starting_scale(self._draw()[1], float(arrays["full_error"][0])))

    def _round(self, state: None, *settings: Any, **more: Any) -> tuple[None, RoundRecord]:
        """Run a round as an engine does, together with the other workers."""
        share = self._job.close_share
        deadline = None if share == 1 else ShareDeadline(self._transport, self.rounds_done, share)
        return state, self._transport.drive(self._worker.round(*settings, **more, deadline=deadline))

    def _draw(self) -> tuple[list[FloatArray], FloatArray]:
        """Draw the neurons whose home is here; return their weights by block, and each block's `departure`."""
        job, home = self._job, Placement.at_home(self._job.width)
        weights, departures = [], np.zeros(len(home.slots))
        for slot in home.slots_of(self._worker.rank, self._worker.size):
            W, a = job.neurons(int(home.slots[slot][0]), int(home.slots[slot][-1]) + 1)
            with np.errstate(over="ignore"):
                departures[slot] = departure(job.X, W, a, job.width).sum()
            weights.append(W.astype(job.dtype))
        return weights, departures

    def _starting_scale(self, departures: FloatArray, full_error: float) -> float:
        """Return what `subnetlab.training.diagnostics.starting_scale` returns, up to the order of its sums."""
        blocks = np.sum(self._transport.tell_all(departures), axis=0)  # in an order that does not depend on q
        return max(float(np.sum(self._job.y**2)), full_error, float(np.sum(blocks)))

    def _set_scale(self, scale: float) -> None:
        try:
            self._scale, self._limit = scale, divergence_limit("launch", scale)
        except ValueError as error:  # the same on all workers
            raise JobError(str(error)) from None


class ShareDeadline:
    """Passed when a share of the workers has reported."""

    def __init__(self, transport: Transport, round: int, share: float) -> None:
        self._transport = transport
        self._key = f"done/{round}"
        self._enough = math.ceil(share * transport.size)

    def passed(self, l: int) -> bool:
        """Ask the store, one round trip."""
        return self._transport.count(self._key) >= self._enough

    def report(self) -> None:
        """Count this worker in the store."""
        self._transport.count(self._key, 1)
