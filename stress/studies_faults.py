"""Faults of the system under a real command: a full disk, a read-only folder, no memory, Ctrl-C, two parents.

Each function returns a line for the report, and raises AssertionError if the study did not survive. Mounts need
root on Linux; without it the two faults that need them are reported as not run.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from studies_kills import GRACE, PLAN, alive, command, descendants

from subnetlab.study import open_study
from subnetlab.study.store import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CELLS = 60
_MANY = 1200  # so many that the first parent is still at work when the second has started


def full_disk(folder: Path) -> str:
    """Run on a file system of 150 kB until it is full; make room; run the same command again."""
    plan = _plan(folder, curves="float64")
    with _mounted(folder / "small", "tmpfs", "size=150k") as out:
        first = _run(plan, out)
        assert first.returncode == 1, first.stderr
        assert "full" in first.stderr, first.stderr
        kept = open_study(out).counts()["ok"]
        assert 0 < kept < CELLS
        subprocess.run(["mount", "-o", "remount,size=50m", str(out)], check=True)
        assert _run(plan, out).returncode == 0
        assert open_study(out).counts()["ok"] == CELLS
        text = (out / "study.log").read_text()
        assert f"{kept} with a result" in text, text
    return f"ended with code 1 and a message; the {kept} cells stored before were all kept; the same command went on"


def read_only_folder(folder: Path) -> str:
    """Refuse a folder that cannot be written, before any work; still show what is in it."""
    plan = _plan(folder)
    with _mounted(folder / "locked", "tmpfs", "size=5m") as out:
        assert _run(plan, out).returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
        started = time.monotonic()
        refused = _run(plan, out)
        assert refused.returncode == 1, refused.stderr
        assert "read-only" in refused.stderr.lower(), refused.stderr
        assert open_study(out).counts()["ok"] == CELLS
        return f"refused with code 1 after {time.monotonic() - started:.0f} s; status and table can be read"


def no_memory(folder: Path) -> str:
    """Let one cell need more memory than a process may have; the others must not notice."""
    plan = folder / "memory.toml"
    plan.write_text(PLAN.format(seeds="0").replace("width = 300", "width = [300, 60_000_000]"))
    out = folder / "memory"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))

    ended = subprocess.run(command(plan, out), check=False, capture_output=True, text=True, preexec_fn=limit)
    counts = open_study(out).counts()
    assert (ended.returncode, counts["ok"], counts["failed"]) == (3, 6, 6), ended.stderr
    failed = {row["message"] for row in open_study(out).records() if row["status"] == "failed"}
    assert all(message.startswith("tried 3 times: ") for message in failed), failed
    return "6 cells of 60,000,000 neurons under a limit of 3 GB: each tried 3 times and reported; 6 others ok; code 3"


def ctrl_c(folder: Path) -> str:
    """Send SIGINT to the whole process group, as a terminal does."""
    plan, out = _plan(folder), folder / "interrupted"
    parent = subprocess.Popen(
        command(plan, out), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _wait_for_results(out, 5)
    children = descendants(parent.pid)
    os.killpg(parent.pid, signal.SIGINT)
    started = time.monotonic()
    _, errors = parent.communicate(timeout=60)
    took = time.monotonic() - started
    kept = open_study(out).counts()["ok"]
    assert parent.returncode == 130, errors
    assert "Traceback" not in errors, errors
    assert kept >= 5
    time.sleep(GRACE)
    assert not any(alive(pid) for pid in children)
    again = _run(plan, out)
    assert again.returncode == 0
    assert f"{kept} reused" in again.stdout
    return f"ended with code 130 after {took:.1f} s, {kept} cells kept, no worker left; the same command went on"


def two_parents(folder: Path) -> str:
    """Start the command twice in one folder."""
    plan, out = _plan(folder, _MANY), folder / "busy"
    first = subprocess.Popen(command(plan, out), stdout=subprocess.DEVNULL)
    _wait_for_results(out, 1)
    second = _run(plan, out)
    assert second.returncode == 1, f"the second ended with code {second.returncode}"
    assert f"process {first.pid}" in second.stderr, second.stderr
    assert first.wait(300) == 0
    assert open_study(out).counts()["ok"] == _MANY
    return "the second was refused with code 1, naming the process of the first; the first was not disturbed"


FAULTS = {
    "disk full": full_disk,
    "read-only folder": read_only_folder,
    "no memory": no_memory,
    "Ctrl-C": ctrl_c,
    "two parents": two_parents,
}


def _plan(folder: Path, cells: int = CELLS, **settings: str) -> Path:
    plan = folder / "plan.toml"
    seeds = ", ".join(map(str, range(cells // 6)))
    plan.write_text(PLAN.format(seeds=seeds) + "".join(f'{name} = "{value}"\n' for name, value in settings.items()))
    return plan


def _run(plan: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(plan, out), check=False, capture_output=True, text=True)


def _wait_for_results(out: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (out / DATABASE).exists():
            try:
                if open_study(out).counts()["ok"] >= count:
                    return
            except OSError:  # its tables are being made
                continue
        time.sleep(0.05)
    raise AssertionError(f"{out}: no {count} results within two minutes")


@contextmanager
def _mounted(path: Path, kind: str, options: str) -> Iterator[Path]:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise PermissionError("needs root on Linux")
    path.mkdir()
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=False)
