"""A worker process, as torchrun starts it: ``-m subnetlab.engines.distributed.process FOLDER --workers 4``.

Exit code 1 asks torchrun to try again (somebody was lost); 0 says that there is nothing to try again: the file
``outcome.json`` tells whether the job is finished, stopped or failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from ...archive import ArchiveError
from ...atomic import atomic_file
from .agreement import JobError
from .job import Job
from .meeting import AddressError, Meeting
from .training import DistributedTraining
from .transport import PeerLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTCOME_FILE = "outcome.json"
JOB_FILE = "job.npz"


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
    except (JobError, AddressError, ArchiveError, FileNotFoundError) as error:
        status, message = "failed", str(error)
        print(message, file=sys.stderr)
    with atomic_file(options.folder / OUTCOME_FILE) as file:
        file.write(json.dumps({"launch": launch, "status": status, "message": message}).encode())
    return 0


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
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # gloo's threads would hold up an orderly exit after a failure
