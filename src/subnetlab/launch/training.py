"""The rounds of a job as one of its workers runs them: restore, train, checkpoint, conclude."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.distributed.placement import Placement
from ..engines.distributed.worker import Worker
from .agreement import JobError, agree, agree_on_settings
from .assembly import placement_of
from .checkpoint import Checkpoints, Manifest
from .ledger import Ledger
from .log import append_event
from .transport import PeerLostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..engines.distributed.worker import Deadline
    from .job import Job
    from .transport import Transport

STOP_FILE = "stop"  # its appearance asks for an orderly end


class DistributedTraining:
    """One worker's view of a job.

    Parameters
    ----------
    job : Job
    transport : Transport
    folder : Path
        Of the job; all workers see the same one.
    every : int
        R, the rounds between checkpoints.
    attempt : int
        Told in the log.
    progress : callable
        Is called after each checkpoint.
    """

    def __init__(
        self,
        job: Job,
        transport: Transport,
        folder: Path,
        *,
        every: int,
        attempt: int = 0,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._job = job
        self._transport = transport
        self._folder = folder
        self._every = every
        self._attempt = attempt
        self._progress = progress
        self._energy = float(np.sum(job.y**2))
        self._placed_by = -1

    def run(self) -> str:
        """Train to the end, or until the file ``stop`` appears; return "finished" or "stopped".

        Raises
        ------
        JobError
            On all workers, if settings differ, a checkpoint is another run's, the disk is full, or training diverges.
        PeerLostError
            If a worker is lost.
        """
        job, transport = self._job, self._transport
        agree_on_settings(transport, {**job.settings(), "rounds": job.scheme.rounds, "every": self._every})
        p = job.scheme.masks.n_subnetworks
        if transport.size > p:
            raise JobError(f"launch: workers must be at most the number of subnetworks {p}, got {transport.size}")
        self._checkpoints = Checkpoints(self._folder, job.digest())
        self._worker = Worker(job.problem(), transport.rank, transport.size, job.dtype)
        self._worker.note = np.zeros(2)
        self._ledger = Ledger(job.scheme.local_steps, p)
        self._agree_on_folder()
        self._restore()
        pids = [int(pid[0]) for pid in transport.tell_all(np.array([os.getpid()]))]
        self._log("begin", attempt=self._attempt, pids=pids)
        status = self._rounds()
        self._log("end", status=status)
        if transport.rank == 0:
            (self._folder / STOP_FILE).unlink(missing_ok=True)  # the request, if there was one, is met
        return status

    def _agree_on_folder(self) -> None:
        """Stop all workers if they do not share one folder: each would look for the others' slots in its own."""
        transport = self._transport
        token = f".seen-{os.getpid()}-{time.time_ns()}" if transport.rank == 0 else ""
        told = transport.tell_all(np.array(list(token.ljust(64).encode()), np.uint8))[0]
        file = self._folder / told.tobytes().decode().strip()
        with _caught() as caught:
            if transport.rank == 0:
                file.touch()
        agree(transport, caught.error)
        with _caught() as caught:
            try:
                file.stat()
            except FileNotFoundError:
                raise ValueError(
                    f"launch: out must be one folder that all machines see, got another one in {self._folder}"
                ) from None
        try:
            agree(transport, caught.error)
        finally:
            if transport.rank == 0:
                file.unlink()

    def _rounds(self) -> str:
        rounds = self._job.scheme.rounds
        while self._ledger.rounds < rounds:
            stop, meet = self._round()
            done = self._ledger.rounds
            if stop or meet or done % self._every == 0 or done == rounds:
                self._checkpoint()
            if stop and done < rounds:
                return "stopped"
            if meet and done < rounds:
                raise PeerLostError("a worker that was missing is there again")
        return "finished"

    def _round(self) -> tuple[bool, bool]:
        """Run the next round; return whether somebody asked to stop, and whether workers wait to take part."""
        job, worker, transport, k = self._job, self._worker, self._transport, self._ledger.rounds
        start, waited, sent = time.perf_counter(), transport.seconds_waiting, transport.bytes_sent
        if transport.rank == 0:
            worker.note[:] = (self._folder / STOP_FILE).exists(), transport.latecomers()
        before, scheme = worker.placement, job.scheme
        with np.errstate(over="ignore", invalid="ignore"):
            steps = worker.round(
                job.masks(k), job.step_size, scheme.local_steps, job.rows(k), scheme.unselected, self._deadline(k)
            )
            record = transport.drive(steps)
        if self._ledger.diverged(record, self._energy):
            raise JobError(f"launch: diverged in round {k}; step_size = {job.step_size:.6g} is too large")
        if worker.placement is not before:
            self._placed_by = k
        self._ledger.add(record, worker.late if job.close_share < 1 else np.zeros(scheme.masks.n_subnetworks, bool))
        seconds, waiting = time.perf_counter() - start, transport.seconds_waiting - waited
        costs = np.array([transport.bytes_sent - sent, seconds - waiting, waiting])
        stop, meet = (bool(flag) for flag in worker.notes[0])
        self._ledger.add_costs(transport.tell_all(costs))
        self._log("round", full_error=record.full_error)
        return stop, meet

    def _deadline(self, k: int) -> Deadline | None:
        share = self._job.close_share
        return None if share == 1 else ShareDeadline(self._transport, k, share)

    def _checkpoint(self) -> None:
        """Write the slots, make sure that everybody has, then make them count."""
        k, worker, transport = self._ledger.rounds, self._worker, self._transport
        hashes = np.zeros((len(worker.placement.slots), 64), np.uint8)
        with _caught() as caught:
            for slot, weights in worker.slot_weights().items():
                text = self._checkpoints.write_slot(k, slot, weights)
                hashes[slot] = np.frombuffer(text.encode(), np.uint8)
        agree(transport, caught.error)
        everybody = np.bitwise_or.reduce(transport.tell_all(hashes), axis=0)
        with _caught() as caught:
            if transport.rank == 0:
                names = [row.tobytes().decode() for row in everybody]
                self._checkpoints.complete(Manifest(k, self._placed_by, names, self._ledger.arrays()))
        agree(transport, caught.error)
        self._progress()

    def _restore(self) -> None:
        """Go on from the newest checkpoint that is whole on every worker, or start."""
        transport, mine = self._transport, []
        with _caught() as caught:
            if transport.rank == 0:
                mine = [k for k in self._checkpoints.rounds() if k <= self._job.scheme.rounds]
        agree(transport, caught.error)
        while True:
            offered = mine.pop(0) if mine else -1
            k = int(transport.tell_all(np.array([offered]))[0][0])  # rank 0 chooses
            if k < 0:
                return self._start()
            if self._resume_at(k):
                return None

    def _resume_at(self, k: int) -> bool:
        """Take over a checkpoint if everybody finds it whole."""
        manifest, worker, transport = None, self._worker, self._transport
        placement, slots = worker.placement, []
        with _caught() as caught:
            manifest = self._checkpoints.manifest(k)
            if manifest is not None:
                placement = placement_of(self._job, manifest)
                own = placement.slots_of(worker.rank, worker.size)
                slots = [self._checkpoints.read_slot(manifest, slot) for slot in own]
        agree(transport, caught.error)
        whole = manifest is not None and all(weights is not None for weights in slots)
        agreed = all(answer[0] for answer in transport.tell_all(np.array([whole])))
        if manifest is None or not agreed:
            self._log("damaged", round=k)
            with _caught() as caught:
                if transport.rank == 0:
                    self._checkpoints.set_aside(k)
            agree(transport, caught.error)
            return False
        worker.place(placement, [weights for weights in slots if weights is not None])
        self._placed_by = manifest.placed_by
        self._ledger.continue_from(manifest.history)
        return True

    def _start(self) -> None:
        job, worker, placement = self._job, self._worker, Placement.at_home(self._job.width)
        blocks = [placement.slots[slot] for slot in placement.slots_of(worker.rank, worker.size)]
        bounds = [(int(block[0]), int(block[-1]) + 1) for block in blocks]
        worker.place(placement, [job.neurons(*bound)[0].astype(job.dtype) for bound in bounds])
        self._ledger.begin(self._transport.drive(worker.measure()))

    def _log(self, event: str, **facts: Any) -> None:
        """Tell it, on rank 0."""
        if self._transport.rank == 0:
            append_event(self._folder, event, self._ledger.rounds, **facts)


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
        """Count this process in the store."""
        self._transport.count(self._key, 1)


class _caught:  # noqa: N801
    """Keep an error of the block for `agree`, so that nobody is left waiting."""

    error: Exception | None = None

    def __enter__(self) -> _caught:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, OSError | ValueError | MemoryError):
            self.error = error
            return True
        return False
