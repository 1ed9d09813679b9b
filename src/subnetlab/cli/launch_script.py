"""`subnetlab launch SCRIPT`: a training script of one's own on several workers, on this machine or many."""

from __future__ import annotations

import csv
import io
import math
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..atomic import atomic_file
from ..core.rates import check_rates
from ..launch.inheritance import on_termination
from ..launch.launcher import Launch, run_workers
from ..launch.outcome import events_after
from ..launch.script import sha256_of
from ..progress import progress_bar
from .folder import output_folder
from .launch import WorkerPlaces

if TYPE_CHECKING:
    from collections.abc import Callable

_COLUMNS = ("training", "rounds", "loss", "workers", "bytes_sent", "seconds_computing", "seconds_waiting")


@dataclass(frozen=True)
class Options(WorkerPlaces):
    """Options of `subnetlab launch SCRIPT`; the words after the script are its own."""

    rates: tuple[float, ...] | None = None
    """How fast each worker is, the fastest 1: a slower one takes fewer steps. Other rates give other bits."""
    device: str | None = None
    """Where subnetworks train, where the script does not say it: with cuda each worker has a device of its own."""
    script: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()


def run(options: Options) -> int:
    """Run the script on all workers; SIGTERM is a request to end like Ctrl-C, at any time."""
    with on_termination(signal.default_int_handler):
        return _run(options)


def _run(options: Options) -> int:
    script = Path(options.script[0])
    if not script.is_file():
        raise FileNotFoundError(f"launch: script must be a file, got {str(script)!r}")
    if find_spec("torch") is None:
        raise ImportError("launch: needs torch: pip install 'subnetlab[torch]'")
    words = (str(script.absolute()), *options.script[1:])
    if options.rates is not None:
        check_rates("launch", options.rates)
    launch = options.launch(script=words, sha256=sha256_of(script), rates=options.rates, device=options.device)
    folder = options.out
    with output_folder(
        folder,
        "launch",
        {"script": script.name},  # what decides the bits is compared by the trainings themselves
        provenance={"script": list(words)},
        force=options.force,
        lock=f"lock-{options.machine}",
    ) as lock:
        status, message = _train(launch, options, lock)
        if options.machine == 0:
            _write_history(folder)
        if status == "failed":
            raise ChildProcessError(message)
    if status == "stopped":
        raise KeyboardInterrupt(f"stopped after a checkpoint in {folder}; the same command goes on")
    return 0


def _train(launch: Launch, options: Options, lock: int) -> tuple[str, str]:
    """Run the workers under a progress bar of the training at work; print what the first worker prints."""
    with ExitStack() as bars:
        advance: Callable[..., None] | None = None
        training, best = 0, 0

        def show(event: dict[str, Any]) -> None:
            nonlocal advance, training, best
            match event["event"]:
                case "begin":
                    if event["attempt"]:
                        print("a worker was lost; the script begins again at its last checkpoint", file=sys.stderr)
                    options.say_who_came(event)
                case "script_round":
                    done = event["rounds"]
                    if event["training"] > training:  # of several in turn, the last one to begin
                        bars.close()
                        training, best = event["training"], done - 1
                        bar = progress_bar(event["of"], "round", done=done - 1, quiet=options.quiet)
                        advance = bars.enter_context(bar)
                    if event["training"] == training and done > best and advance is not None:
                        best = done
                        advance(f"loss {event['loss']:.4g}")

        def show_text(text: str) -> None:
            if text:
                sys.stdout.write(text)
                sys.stdout.flush()

        return run_workers(launch, lock, show, show_text)


def _write_history(folder: Path) -> None:
    """Write what each round cost, the last time it was run, as history.csv."""
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for event in events_after(folder, 0)[0]:
        if event["event"] == "script_round":
            rows[event["training"], event["rounds"]] = event
    if not rows:
        return
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(
        text, list(_COLUMNS), extrasaction="ignore", restval=math.nan, lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows[key] for key in sorted(rows))
    with atomic_file(folder / "history.csv") as file:
        file.write(text.getvalue().encode())
