"""Starts torchrun for the workers of this machine, watches them, and says how it ended.

As a program, ``-m subnetlab.launch.launcher``, it is torchrun itself: one that dies with the launcher, as the workers
die with it, and that forks them. It imports torch once for all of them, where each would take seconds for it.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from .ending import forget_exit_functions
from .inheritance import PARENT, as_given, die_with_parent, on_termination, termination_held_back
from .outcome import LOG_FILE, STOP_FILE, append_event, events_after, log_end, private_folder
from .worker_options import WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


_POLL = 0.1  # seconds
_PARTING = 3.0  # seconds that workers have to end by themselves after one has told the outcome
_AGENT_RESTARTS = 100  # torchrun's, which deals with the loss of agents only
_OF_A_LAUNCHER = re.compile(
    r"(PET|MASTER|TORCHELASTIC|TORCH_ELASTIC|GLOO|TORCH_GLOO)_|((LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|ROLE_NAME)$"
)
_LOCK = "SUBNETLAB_LOCK"  # in the environment: torchrun's descriptor of the lock file
TORCHRUN_LOG = "torchrun.log"


@dataclass(frozen=True)
class Launch:
    """The workers of this machine.

    Parameters
    ----------
    options : WorkerOptions
        What all of them are told.
    local_workers : int
        How many they are.
    threads : int
    """

    options: WorkerOptions
    local_workers: int
    threads: int

    def command(self, private: Path) -> list[str]:
        """Return the torchrun line. Its own rendezvous is a file, so that torchrun opens no port."""
        options = {
            "--nnodes": 1,
            "--nproc-per-node": self.local_workers,
            "--max-restarts": _AGENT_RESTARTS,
            "--monitor-interval": _POLL,
            "--start-method": "fork",
            "--rdzv-backend": "c10d",
            "--rdzv-conf": "store_type=file",
            "--rdzv-endpoint": private / "rendezvous",
            "--rdzv-id": "launch",
        }
        worker = replace(self.options, private=private).arguments()
        return [
            *(sys.executable, "-m", "subnetlab.launch.launcher"),
            *(f"{name}={value}" for name, value in options.items()),
            *("-m", "subnetlab.launch.process"),
            *worker,
        ]


def run_workers(
    launch: Launch,
    lock: int,
    on_event: Callable[[dict[str, Any]], None],
    on_text: Callable[[str], None] = lambda text: None,
) -> tuple[str, str]:
    """Run the workers until the job is finished, stopped or failed.

    Ctrl-C and SIGTERM stop them after the round at work, with a checkpoint; a second Ctrl-C at once.

    Parameters
    ----------
    launch : Launch
    lock : int
        Descriptor of the lock file; torchrun holds the lock, too, while it lives.
    on_event : callable
        Gets each event of the log.
    on_text : callable, optional
        Gets what the first worker of this machine prints, where the work is a script.

    Returns
    -------
    (status, message)
        Status "finished", "stopped" or "failed".
    """
    folder = launch.options.folder
    stop = folder / STOP_FILE
    asked_to_stop = False
    with (
        on_termination(lambda *_: stop.touch()),
        private_folder() as private,
        open(folder / TORCHRUN_LOG, "ab") as output,
    ):
        if launch.options.machine == 0:
            stop.unlink(missing_ok=True)
        position = log_end(folder)
        printed = TextFile(folder / f"worker-{launch.options.machine}-0.log")
        with termination_held_back():
            process = subprocess.Popen(
                launch.command(private.path),
                stdout=output,
                stderr=output,
                env=_environment(launch, private.path, lock),
                start_new_session=True,  # Ctrl-C is ours to handle
                pass_fds=(lock,),  # held while torchrun lives
            )
        try:
            while process.poll() is None and private.outcome() is None:
                try:
                    time.sleep(_POLL)
                    position = _follow(folder, position, on_event)
                    on_text(printed.more())
                except KeyboardInterrupt:
                    if asked_to_stop:
                        raise
                    asked_to_stop = True
                    stop.touch()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_PARTING)
        finally:
            process.kill()  # its agents die with it, and the workers with them
            process.wait()
            if launch.options.machine == 0:
                stop.unlink(missing_ok=True)  # an agent may have passed SIGTERM on after the job had ended
        position = _follow(folder, position, on_event)
        on_text(printed.more(last=True))
        status, message = private.outcome() or (
            "failed",
            f"launch: the workers were lost for good (torchrun ended with code {process.returncode}, see "
            f"{folder / TORCHRUN_LOG}); the same command goes on from the last checkpoint",
        )
    if status != "failed" and log_end(folder) < max(position, launch.options.machine == 0):
        return "failed", f"launch: out must stay while the job runs, got {folder} without its {LOG_FILE} at the end"
    if status == "failed" and launch.options.machine == 0:  # the others tell theirs to this one's workers
        append_event(folder, "end", 0, status=status, message=message)
    return status, message


class TextFile:
    """What is appended to a file from now on.

    Parameters
    ----------
    path : Path
        It need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def more(self, *, last: bool = False) -> str:
        """Return what is new; the beginning of a character waits for its end, unless this is the last time."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._position)
                text = file.read()
        except FileNotFoundError:
            return ""
        self._position += len(text)
        return self._decoder.decode(text, final=last)


def _environment(launch: Launch, private: Path, lock: int) -> dict[str, str]:
    """Return the variables of the workers: ours without those by which another launcher would speak to torchrun."""
    ours = {
        "PYTHONSAFEPATH": "1",  # no file of the current folder takes the place of a module
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),  # workers find what the launcher found
        "TMPDIR": str(private),
    }
    return {
        **{name: value for name, value in os.environ.items() if not _OF_A_LAUNCHER.match(name)},
        PARENT: str(os.getpid()),
        _LOCK: str(lock),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "OMP_NUM_THREADS": str(launch.threads),
        **as_given(ours),  # a script's own children are not ours
        **ours,
    }


def _follow(folder: Path, position: int, on_event: Callable[[dict[str, Any]], None]) -> int:
    """Hand over the events behind a position of the log; return the position behind them."""
    events, position = events_after(folder, position)
    for event in events:
        on_event(event)
    return position


def _be_torchrun() -> None:
    die_with_parent(int(os.environ[PARENT]))
    os.environ[PARENT] = str(os.getpid())  # the workers inherit it
    torchrun, process = map(import_module, ("torch.distributed.run", "subnetlab.launch.process"))
    config, program, words = torchrun.config_from_args(torchrun.parse_args(sys.argv[1:]))
    start = import_module("torch.distributed.launcher.api").elastic_launch
    try:
        get_context("fork").Event()  # as torchrun needs it to fork
    except (OSError, ImportError):  # no /dev/shm: it starts programs, in whose words it replaces its macros
        start(config, program)(*(word.replace("$", "$$") for word in words))
        return
    options = words[words.index("subnetlab.launch.process") + 1 :]
    process.load_libraries(WorkerOptions.parse(options))
    start(config, _be_agent)(options)


def _be_agent(words: Sequence[str]) -> None:
    """Be a worker's agent, in a process that torchrun has forked."""
    die_with_parent(int(os.environ[PARENT]))
    os.close(int(os.environ.pop(_LOCK)))  # whatever a script leaves behind does not hold the folder
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # torchrun has handlers of its own
    signal.signal(signal.SIGINT, signal.default_int_handler)
    forget_exit_functions()
    for library in ("torch", "numpy.random"):
        import_module(library).seed()  # each worker's own, as in a process that was not forked
    try:
        code = import_module("subnetlab.launch.process").main(words)
    except BaseException:  # torchrun would unpickle an Exception, and take a KeyboardInterrupt for no end at all
        traceback.print_exc()
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    _be_torchrun()
