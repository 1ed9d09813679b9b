"""A worker process, as torchrun starts it: ``-m subnetlab.launch.process FOLDER --workers 4``.

Exit code 0 means that the job is finished or stopped, 2 that it failed. A launcher hears how it ended, and why, by a
pipe in its private folder, which no full disk stops; once it has heard, the code is 0, because torchrun answers any
other by starting all workers again.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import stat
import sys
import time
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from threadpoolctl import threadpool_limits

from ..archive import ArchiveError
from ..atomic import atomic_file
from ..core.masks.naming import import_law
from ..engines.distributed.group import JobError, PeerLostError
from .agent import FAILED, LOST, end_when_left, keep
from .attempt import Attempt
from .inheritance import PARENT, descriptors, die_with_parent, keep_from_forks
from .job import Job
from .outcome import STOP_FILE, events_after, log_end, tell
from .remembered import ScriptFailures, ScriptLibraries, said
from .rendezvous import AddressError, Rendezvous, UnreachableError, listen, parse_address
from .script import hear_from, run_script, speak_into
from .worker_options import WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .agent import Progress
    from .transport import Transport

_FINAL = (JobError, AddressError, UnreachableError, ArchiveError, FileNotFoundError)  # another attempt would not help


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep one worker going; return the exit code."""
    options = WorkerOptions.parse(arguments)
    failed = _kept(options) == FAILED
    return 2 if failed and options.private is None else 0


def _kept(options: WorkerOptions) -> int:
    """Keep one worker going; return 0 or `FAILED`."""
    try:
        if options.own_law is not None:
            import_law(options.own_law, owner="launch")
        address, listener = _find_address(options)
    except (*_FINAL, ValueError) as error:
        return _conclude(options.private, "failed", str(error))
    load_libraries(options)  # once, before the forks
    origin = f"{socket.gethostname()}/{os.getppid()}"  # torchrun, which starts agents again
    heard = log_end(options.folder)

    def work(attempt: int, progress: Progress) -> int:
        rendezvous = Rendezvous(
            options.workers,
            options.machine,
            _local_rank(),
            timeout=options.timeout,
            patience=options.patience,
            address=address,
            listener=listener,
            origin=origin,
        )
        return _work(rendezvous, options, attempt, heard, progress)

    code = keep(
        work,
        max_restarts=options.max_restarts,
        silence=options.timeout,
        stop=(options.folder / STOP_FILE).touch,
        meanwhile=_libraries(options).load,
    )
    if code in (0, FAILED):
        return code
    if code == LOST:
        message = (
            "launch: the workers must be able to work together, got one that lost the others too often without a "
            "checkpoint in between; its log tells why"
        )
    else:
        message = (
            f"launch: a worker may fail max_restarts = {options.max_restarts} times without a checkpoint in between, "
            "got one more; its log tells why (a round that takes longer than "
            f"timeout = {options.timeout:g} s is a failure, too)"
        )
        if last := ScriptFailures(options.private, _local_rank()).last():
            message += f"; the last error: {last}"
    return _conclude(options.private, "failed", message)


def _work(rendezvous: Rendezvous, options: WorkerOptions, attempt: int, heard: int, progress: Progress) -> int:
    """Take part in one attempt."""
    folder, rounds = options.folder, math.inf
    failures = ScriptFailures(options.private, _local_rank())
    try:
        job = None if options.script else Job.load(job_file(folder, options.machine))
    except _FINAL as error:
        return _conclude(options.private, "failed", str(error))
    if job is not None:
        rounds = job.scheme.rounds
    if attempt and (ended := ended_without(folder, heard, rounds)):
        return _conclude(options.private, *ended)
    try:
        if job is None:
            speak_into(folder / f"worker-{options.machine}-{_local_rank()}.log")
            hear_from(os.devnull if _local_rank() else None)

            def completed() -> None:
                failures.forget()
                _libraries(options).note()
                progress()

            transport = _join(rendezvous)
            status = run_script(
                options.script,
                transport,
                folder,
                sha256=options.sha256,
                attempt=attempt,
                completed=completed,
                watched=progress.at_work,
                parted=lambda status, why: _end_at_once(options.private, status, why),
                rates=options.rates,
                device=options.device,
            )
            return _conclude(options.private, status)
        with threadpool_limits(limits=job.threads):
            made = Attempt(job, _join(rendezvous), folder, every=options.every, number=attempt, progress=progress)
            return _conclude(options.private, made.run())
    except PeerLostError as error:
        print(error, file=sys.stderr)
        return LOST
    except UnreachableError as error:
        ended = ended_without(folder, heard, rounds)
        return _conclude(options.private, *(ended or ("failed", str(error))))
    except _FINAL as error:
        return _conclude(options.private, "failed", str(error))
    except Exception as error:
        if not options.script:
            raise
        traceback.print_exc()
        if failures.again(error):
            return _conclude(
                options.private, "failed", f"launch: {options.script[0]} failed twice alike: {said(error)}"
            )
        return 1


def _join(rendezvous: Rendezvous) -> Transport:
    """Meet the others, who are not held up if this worker hangs: it is replaced in time for their next meeting."""
    transport = rendezvous.join()
    keep_from_forks(descriptors(stat.S_ISSOCK))  # what a script leaves behind holds neither address nor connections
    end_when_left(transport.left, rendezvous.patience / 2)
    return transport


def load_libraries(options: WorkerOptions) -> None:
    """Import what workers need, in a process that forks them."""
    import_module("torch.distributed")
    _libraries(options).load()


def _libraries(options: WorkerOptions) -> ScriptLibraries:
    return ScriptLibraries(options.private if options.script else None, _local_rank())


def ended_without(folder: Path, heard: int, rounds: float) -> tuple[str, str] | None:
    """Return how the others ended the job while this worker was away, and the reason of a failure, or None.

    Parameters
    ----------
    folder : Path
        Of the job.
    heard : int
        The end of its log when this worker was started.
    rounds : float
        Of the job, infinite for a script; a job that has completed them all is finished, whoever joins it.
    """
    since, _ = events_after(folder, heard)
    last = (since or events_after(folder, 0)[0] or [{"event": ""}])[-1]
    if last["event"] != "end":
        return None
    for_good = last["status"] == "finished" and last["rounds"] >= rounds
    return (last["status"], str(last.get("message", ""))) if since or for_good else None


def job_file(folder: Path, machine: int) -> Path:
    """Return where a machine's workers read the job; each has its own, and the workers compare them."""
    return folder / f"job-{machine}.npz"


def _conclude(private: Path | None, status: str, message: str = "") -> int:
    """Tell how the job ended; return the exit code."""
    if private is not None:
        tell(private, status, message)
    with contextlib.suppress(OSError):  # the log may be on a full disk
        if message:
            print(message, file=sys.stderr)
    return FAILED if status == "failed" else 0


def _end_at_once(private: Path | None, status: str, message: str) -> NoReturn:
    """End this process from a thread, whatever the others do."""
    code = _conclude(private, status, message)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _find_address(options: WorkerOptions) -> tuple[tuple[str, int], socket.socket | None]:
    """Return the address of the rendezvous and, for the first worker of machine 0, the socket that listens there.

    The socket lives as long as the agent, so that no worker finds the port closed between two attempts.
    """
    host, port = parse_address(options.address)
    first = (options.machine, _local_rank()) == (0, 0)
    listener = listen(host, port) if first else None
    if port:
        return (host, port), listener
    if options.private is None:
        raise ValueError(f"launch: address must have a port, got {options.address!r}")
    file = options.private / f"port-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if listener is not None:
        chosen = listener.getsockname()[1]
        with atomic_file(file) as out:
            out.write(str(chosen).encode())
        return (host, chosen), listener
    deadline = time.monotonic() + options.patience + options.timeout
    while not file.exists():
        if time.monotonic() > deadline:
            raise UnreachableError(f"launch: the first worker must tell its port in {file}, got nothing")
        time.sleep(0.02)
    return (host, int(file.read_text())), None


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


if __name__ == "__main__":
    die_with_parent(int(os.environ.get(PARENT, os.getppid())))
    sys.exit(main())
