"""A worker process, as torchrun starts it: ``-m subnetlab.engines.distributed.process FOLDER --workers 4``.

Exit code 1 asks torchrun to try again (somebody was lost); 0 says that there is nothing to try again: the file
``outcome-LAUNCH.json`` tells whether the job is finished, stopped or failed, and why.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from ...archive import ArchiveError
from ...atomic import atomic_file
from .agreement import JobError
from .job import Job
from .meeting import AddressError, Meeting, UnreachableError
from .training import DistributedTraining
from .transport import PeerLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

JOB_FILE = "job.npz"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker; return its exit code."""
    options = _parser().parse_args(arguments)
    launch = os.environ.get("TORCHELASTIC_RUN_ID", "alone")
    attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    try:
        job = Job.load(options.folder / JOB_FILE)
        with threadpool_limits(limits=job.threads):
            transport = _meeting(options, launch, attempt).join()
            training = DistributedTraining(job, transport, options.folder, every=options.every, attempt=attempt)
            status, message = training.run(), ""
    except PeerLostError as error:
        print(error, file=sys.stderr)
        return 1
    except (JobError, AddressError, UnreachableError, ArchiveError, FileNotFoundError) as error:
        status, message = "failed", str(error)
        print(message, file=sys.stderr)
    with atomic_file(outcome_file(options.folder, launch)) as file:
        file.write(json.dumps({"status": status, "message": message}).encode())
    return 0


def outcome_file(folder: Path, launch: str) -> Path:
    """Return where the workers of one launch tell how it ended."""
    return folder / f"outcome-{launch}.json"


def die_with_parent() -> None:
    """Ask Linux to kill this process when torchrun dies, so that no worker writes into a job that others resumed."""
    with contextlib.suppress(OSError, AttributeError):  # other systems
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _meeting(options: argparse.Namespace, launch: str, attempt: int) -> Meeting:
    address = None
    if options.address is not None:
        host, _, port = options.address.rpartition(":")
        address = (host, int(port))
    return Meeting(
        workers=options.workers,
        machine=options.machine,
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        timeout=options.timeout,
        patience=options.patience,
        file=Path(tempfile.gettempdir(), f"subnetlab-{os.getuid()}-{launch}-{attempt}") if address is None else None,
        address=address,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="subnetlab.engines.distributed.process")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--patience", type=float, default=60.0)
    parser.add_argument("--machine", type=int, default=0)
    parser.add_argument("--address")
    return parser


if __name__ == "__main__":
    die_with_parent()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # gloo's threads would hold up an orderly exit after a failure
