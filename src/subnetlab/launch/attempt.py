"""One attempt of a job as one of its workers makes it: restore, train, checkpoint, conclude."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..archive import ArchiveError
from ..engines.distributed.group import PeerLostError
from .checkpoint import Checkpoints, Manifest
from .outcome import STOP_FILE, append_event
from .session import JobSession

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .job import Job
    from .transport import Transport


@dataclass(eq=False)
class Attempt:
    """One worker's view of a job, until it is done or a worker is lost.

    Parameters
    ----------
    job : Job
    transport : Transport
    folder : Path
        Of the job; all workers see the same one.
    every : int
        R, the rounds between checkpoints.
    number : int
        Told in the log.
    progress : callable
        Is called after each checkpoint.
    """

    job: Job
    transport: Transport
    folder: Path
    every: int
    number: int = 0
    progress: Callable[[], None] = lambda: None

    def run(self) -> str:
        """Train to the end, or until the file ``stop`` appears; return "finished" or "stopped".

        Raises
        ------
        JobError
            On all workers, if settings differ, a checkpoint is another run's, the disk is full, or training diverges.
        PeerLostError
            If a worker is lost.
        """
        job, transport = self.job, self.transport
        transport.agree_on_settings({**job.settings(), "rounds": job.scheme.rounds, "every": self.every})
        self._checkpoints = Checkpoints(self.folder, job.digest())
        self._session = JobSession(job, transport)
        self._agree_on_folder()
        self._restore()
        pids = [int(pid[0]) for pid in transport.tell_all(np.array([os.getpid()]))]
        self._log("begin", attempt=self.number, pids=pids)
        status = self._rounds()
        self._log("end", status=status)
        if transport.rank == 0:
            (self.folder / STOP_FILE).unlink(missing_ok=True)  # the request, if there was one, is met
        return status

    def _agree_on_folder(self) -> None:
        """Stop all workers unless they share one folder: each would look for the others' slots in its own."""
        transport = self.transport
        token = f".seen-{os.getpid()}-{time.time_ns()}" if transport.rank == 0 else ""
        told = transport.tell_all(np.array(list(token.ljust(64).encode()), np.uint8))[0]
        file = self.folder / told.tobytes().decode().strip()
        with _Together(transport):
            if transport.rank == 0:
                file.touch()
        try:
            with _Together(transport):
                try:
                    file.stat()
                except FileNotFoundError:
                    raise ValueError(
                        f"launch: out must be one folder that all machines see, got another one in {self.folder}"
                    ) from None
        finally:
            if transport.rank == 0:
                file.unlink()

    def _rounds(self) -> str:
        session, rounds, rank = self._session, self.job.scheme.rounds, self.transport.rank
        while session.rounds_done < rounds:
            if rank == 0:
                session.note[:] = (self.folder / STOP_FILE).exists(), self.transport.latecomers()
            full_error, (stop, latecomers) = session.advance()
            self._log("round", full_error=full_error)
            done = session.rounds_done
            if stop or latecomers or done % self.every == 0 or done == rounds:
                self._checkpoint()
            if stop and done < rounds:
                return "stopped"
            if latecomers and done < rounds:
                raise PeerLostError("a worker that was missing is there again")
        return "finished"

    def _checkpoint(self) -> None:
        """Write the blocks; when all workers have written theirs, make the checkpoint count."""
        session, transport, k = self._session, self.transport, self._session.rounds_done
        hashes = np.zeros((session.n_blocks, 64), np.uint8)
        with _Together(transport):
            for block, weights in session.blocks().items():
                text = self._checkpoints.write_slot(k, block, weights)
                hashes[block] = np.frombuffer(text.encode(), np.uint8)
        gathered = np.bitwise_or.reduce(transport.tell_all(hashes), axis=0)
        with _Together(transport):
            if transport.rank == 0:
                names = [row.tobytes().decode() for row in gathered]
                self._checkpoints.complete(Manifest(k, names, session.facts(), session.history()))
        self.progress()

    def _restore(self) -> None:
        """Go on from the newest checkpoint that is whole on every worker, or start."""
        transport, mine = self.transport, []
        with _Together(transport):
            if transport.rank == 0:
                mine = [k for k in self._checkpoints.rounds() if k <= self.job.scheme.rounds]
        while True:
            offered = mine.pop(0) if mine else -1
            k = int(transport.tell_all(np.array([offered]))[0][0])  # rank 0 chooses
            if k < 0:
                return self._session.start()
            if self._resume_at(k):
                return None

    def _resume_at(self, k: int) -> bool:
        """Restore a checkpoint if all workers find it whole; return whether they did."""
        session, transport, manifest, blocks = self._session, self.transport, None, {}
        with _Together(transport):
            manifest = self._checkpoints.manifest(k)
            try:
                if manifest is not None:
                    forms = session.blocks_of(manifest)
                    blocks = {
                        block: self._checkpoints.read_slot(manifest, block, *form) for block, form in forms.items()
                    }
            except ArchiveError:
                manifest = None
        whole = {block: weights for block, weights in blocks.items() if weights is not None}
        agreed = transport.tell_all(np.array([manifest is not None and len(whole) == len(blocks)]))
        if manifest is not None and all(answer[0] for answer in agreed):
            session.restore(manifest, whole)
            return True
        self._log("damaged", round=k)
        with _Together(transport):
            if transport.rank == 0:
                self._checkpoints.set_aside(k)
        return False

    def _log(self, event: str, **facts: Any) -> None:
        """Tell it, on rank 0."""
        if self.transport.rank == 0:
            append_event(self.folder, event, self._session.rounds_done, **facts)


class _Together:
    """A block that fails on all workers if it fails on one: its error is kept until they agree on it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, OSError | ValueError | MemoryError):  # others are defects
            self._transport.agree(error)
