"""A script of the user's as the work of a job: every worker runs it, and what trains in it trains with the others.

The script is the one that trains in one process. `subnetlab.ModuleTraining` finds the workers by itself, keeps a
checkpoint in the job's folder, and goes on from it when the script begins again after a failure.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import runpy
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..engines.distributed.group import PeerLostError, among
from .ending import begin_like_a_program, end_like_a_program, write_what_is_open
from .inheritance import give_back
from .outcome import STOP_FILE, append_event
from .parting import THE_END, Watch
from .script_group import ScriptGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .transport import Transport

_POLL = 0.05  # seconds


def _wait_for_all(group: ScriptGroup) -> None:
    """Wait until every worker has come to the end of its script, however long one takes for its last lines.

    Raises
    ------
    PeerLostError
        If one is lost on the way: it is back, and waits for the others.
    """
    group.doing(THE_END)
    group.count("done", 1)
    with group.waiting():
        while group.count("done") < group.size:
            if group.latecomers():
                raise PeerLostError("a worker was lost at the end of the script")
            time.sleep(_POLL)
    group.tell_all(np.zeros(1))  # the store's owner must not leave while others still ask


def run_script(
    words: Sequence[str],
    transport: Transport,
    folder: Path,
    *,
    sha256: str | None,
    attempt: int,
    completed: Callable[[], None],
    watched: Callable[[bool], None],
    parted: Callable[[str, str], object],
    rates: tuple[float, ...] | None = None,
    device: str | None = None,
) -> str:
    """Run a script as one of the workers; return "finished" or "stopped".

    Parameters
    ----------
    words : sequence of str
        The script and its arguments.
    transport : Transport
    folder : Path
        Of the job.
    sha256 : str, optional
        Of the script when the job began.
    attempt : int
        Told in the log.
    completed : callable
        Is called after each checkpoint.
    watched : callable
        Is told of every local step, and when one will follow.
    parted : callable
        Is called in a thread when the workers wait for each other in different places of the script, with how the job
        ends ("failed", or "stopped" where that was asked for) and why; it ends the process.
    rates : tuple of float, optional
        How fast the workers are that the job is planned for.
    device : str, optional
        Where trainings take place that do not say it.

    Raises
    ------
    JobError
        On all workers, if their scripts differ, or if one has changed since the job began.
    PeerLostError
        If a worker is lost.
    Exception
        Whatever the script raises.
    """
    group = ScriptGroup(
        transport.process_group,
        transport.rank,
        transport.size,
        store=transport.store,
        folder=folder,
        completed=completed,
        watched=watched,
        rates=rates,
        device=device,
    )
    watch = Watch(group.store, group.rank, group.size, lambda: group.place, lambda why: _part(group, parted, why))
    watch.start()
    try:
        return _run_with_others(words, group, attempt, sha256)
    except PeerLostError:
        watch.hold()
        raise


def _run_with_others(words: Sequence[str], group: ScriptGroup, attempt: int, begun_with: str | None) -> str:
    """Begin when all have the same script, and end when all have come to its end."""
    script = Path(words[0])
    found = sha256_of(script)
    error = None
    if begun_with not in (None, found):
        error = ValueError(
            f"launch: script must stay as it is while its job runs, got another text in {script}; the same command "
            "goes on with it from the last checkpoint"
        )
    group.agree(error)
    group.agree_on_settings({"script": list(words), "sha256": found})
    pids = [int(pid[0]) for pid in group.tell_all(np.array([os.getpid()]))]
    if group.rank == 0:
        append_event(group.folder, "begin", 0, attempt=attempt, pids=pids)
    give_back()
    sys.argv = list(words)
    sys.path.insert(0, str(script.parent.absolute()))
    with among(group, in_all_threads=True):
        status = _run_to_its_end(script, group)
    write_what_is_open()
    _wait_for_all(group)
    if group.rank == 0:
        append_event(group.folder, "end", 0, status=status)
        (group.folder / STOP_FILE).unlink(missing_ok=True)
    return status


def sha256_of(script: Path) -> str:
    """Return a hash of a script's text."""
    return hashlib.sha256(script.read_bytes()).hexdigest()


def _part(group: ScriptGroup, parted: Callable[[str, str], object], why: str) -> None:
    """End this worker, which waits for others that will never come; what was stopped has its checkpoint already."""
    status = "failed" if group.over is None else "stopped"
    if status == "stopped" and group.rank == 0:
        append_event(group.folder, "end", 0, status=status)
    parted(status, why)


def _run_to_its_end(script: Path, group: ScriptGroup) -> str:
    """Run a script and what it has left for its end; return "finished" or "stopped".

    Once training has been stopped, or a worker is lost, no way in which the script ends is a failure of its own: it may
    catch what it was told by, and go on to its last line, or exit with a code.
    """
    begin_like_a_program()
    status, module = "finished", {}
    try:
        module = runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0) and group.over is None:
            raise RuntimeError(f"the script ended with {end.code!r}") from end
    except BaseException as error:
        if group.over is None:
            raise
        if error is not group.over:
            traceback.print_exc()
        status = "stopped"
    _raise_what_is_lost(group)
    end_like_a_program(status)
    _raise_what_is_lost(group)  # in a thread of the script
    del module  # not before: its threads and exit functions see its variables
    return "finished" if group.over is None else "stopped"


def _raise_what_is_lost(group: ScriptGroup) -> None:
    if isinstance(group.over, PeerLostError):
        raise group.over


def hear_from(file: str | None) -> None:
    """Read standard input from a file; None: from the terminal or pipe of the launcher, which forks lose."""
    with contextlib.suppress(OSError):  # it may be closed
        if file is not None:
            descriptor = os.open(file, os.O_RDONLY)
            os.dup2(descriptor, 0)
            os.close(descriptor)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115


def speak_into(file: Path) -> None:
    """Append what this process writes to stdout and stderr to a file, line by line."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
