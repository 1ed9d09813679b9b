"""Starts torchrun for the workers of this machine, watches them, and says how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .keeper import PARENT
from .process import outcome_file
from .training import LOG_FILE, STOP_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POLL = 0.1  # seconds
_PARTING = 3.0  # seconds that workers have to end by themselves after one has told the outcome
_GRACE = 40.0  # torchrun waits 30 s for a stopped child before it kills it
_KEEPER_RESTARTS = 10  # torchrun's, which deals with the loss of keepers only
TORCHRUN_LOG = "torchrun.log"


@dataclass(frozen=True)
class Launch:
    """The workers of this machine.

    Parameters
    ----------
    folder : Path
        Holds the job; between machines a shared one.
    workers : int
        q, on all machines together.
    local_workers : int
        Those on this machine.
    every : int
        Rounds between checkpoints.
    timeout, patience : float
        See `Meeting`.
    max_restarts : int
        Of each worker.
    threads : int
    machine : int, default 0
    address : str, default "127.0.0.1:0"
        ``host:port`` on machine 0; port 0, on one machine, is any free one.
    """

    folder: Path
    workers: int
    local_workers: int
    every: int
    timeout: float
    patience: float
    max_restarts: int
    threads: int
    machine: int = 0
    address: str = "127.0.0.1:0"

    def command(self, private: Path) -> list[str]:
        """Return the torchrun line. Its own rendezvous is a file, so that torchrun opens no port."""
        options = {
            "--nnodes": 1,
            "--nproc-per-node": self.local_workers,
            "--max-restarts": _KEEPER_RESTARTS,
            "--monitor-interval": _POLL,
            "--rdzv-backend": "c10d",
            "--rdzv-conf": "store_type=file",
            "--rdzv-endpoint": private / "rendezvous",
            "--rdzv-id": "launch",
        }
        own = {
            "--workers": self.workers,
            "--every": self.every,
            "--timeout": self.timeout,
            "--patience": self.patience,
            "--max-restarts": self.max_restarts,
            "--machine": self.machine,
            "--address": self.address,
            "--private": private,
        }
        return [
            *(sys.executable, "-m", "subnetlab.engines.distributed.supervisor"),
            *(f"{name}={value}" for name, value in options.items()),
            *("-m", "subnetlab.engines.distributed.process", str(self.folder)),
            *(f"{name}={value}" for name, value in own.items()),
        ]


def run_workers(launch: Launch, lock: int, on_event: Callable[[dict[str, Any]], None]) -> tuple[str, str]:
    """Run the workers until the job is finished, stopped or failed.

    Ctrl-C and SIGTERM stop them after the round at work, with a checkpoint; a second one at once.

    Parameters
    ----------
    launch : Launch
    lock : int
        Descriptor of the lock file; torchrun holds the lock, too, while it lives.
    on_event : callable
        Gets each line that rank 0 appends to the log.

    Returns
    -------
    (status, message)
        Status "finished", "stopped" or "failed".
    """
    stop, log = launch.folder / STOP_FILE, launch.folder / LOG_FILE
    asked_to_stop = False
    with (
        _terminated_is_interrupted(),
        tempfile.TemporaryDirectory(prefix="subnetlab-") as folder,
        open(launch.folder / TORCHRUN_LOG, "ab") as output,
    ):
        private = Path(folder)
        stop.unlink(missing_ok=True)
        position = log.stat().st_size if log.exists() else 0
        process = subprocess.Popen(
            launch.command(private),
            stdout=output,
            stderr=output,
            env=_environment(launch, private),
            start_new_session=True,  # Ctrl-C is ours to handle
            pass_fds=(lock,),  # held while torchrun lives
        )
        try:
            while process.poll() is None and not outcome_file(private).exists():
                try:
                    time.sleep(_POLL)
                    position = _follow(log, position, on_event)
                except KeyboardInterrupt:
                    if asked_to_stop:
                        raise
                    asked_to_stop = True
                    stop.touch()
            _wait(process)
        finally:
            _terminate(process)
        _follow(log, position, on_event)
        return _outcome(outcome_file(private), launch, process.returncode)


def _environment(launch: Launch, private: Path) -> dict[str, str]:
    return {
        **os.environ,
        PARENT: str(os.getpid()),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "OMP_NUM_THREADS": str(launch.threads),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),  # workers find what the launcher found
        "TMPDIR": str(private),
    }


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Let SIGTERM (a batch system, ``kill``) do what Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # which alone may say what signals do
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _follow(log: Path, position: int, on_event: Callable[[dict[str, Any]], None]) -> int:
    """Hand over the whole lines behind a position of the log; return the position behind them."""
    if not log.exists():
        return position
    with open(log, "rb") as file:
        file.seek(position)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    for line in whole.splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # cut short by a full disk
            continue
        on_event(event)
    return position + len(whole)


def _outcome(file: Path, launch: Launch, code: int) -> tuple[str, str]:
    if not file.exists():
        return "failed", (
            f"launch: the workers were lost for good (torchrun ended with code {code}, see "
            f"{launch.folder / TORCHRUN_LOG}); the same command goes on from the last checkpoint"
        )
    told = json.loads(file.read_text(encoding="utf-8"))
    return told["status"], told["message"]


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Give the workers time to end by themselves after one has told the outcome."""
    try:
        process.wait(timeout=_PARTING)
    except subprocess.TimeoutExpired:
        return


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
