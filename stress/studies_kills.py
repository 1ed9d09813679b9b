"""kill -9 of the parent and of its workers at random moments, and what is left of the study afterwards.

A row that another process can read counts as acknowledged. After every kill the database must pass SQLite's
integrity check, hold every acknowledged row with the same bytes, and hold no row whose hash is wrong; a second
after the parent was killed, none of its processes may live. At the end the same command, run to its end, must
give the table of a study that nobody disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from subnetlab.study import open_study
from subnetlab.study.schema import TABLES, row_digest
from subnetlab.study.store import DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = """
[dataset]
name = "diabetes"
n_samples = 30
[settings]
width = 300
rounds = 40
local_steps = [1, 3]
n_subnetworks = [1, 2, 4]
selection_prob = 0.5
seed = [{seeds}]
"""
STARTING = 4.0  # seconds: some parents are killed within, while they start
PROGRESS = 20  # cells: the others once up to so many further results are there
MORE = 0.5  # seconds, at most, after that
GRACE = 1.0  # seconds until no process of a killed parent may live


@dataclass
class KillReport:
    """What happened."""

    kills_of_parents: int = 0
    kills_of_workers: int = 0
    cells: int = 0
    acknowledged: int = 0
    lost: int = 0
    torn: int = 0
    failed_integrity_checks: int = 0
    orphans: int = 0
    studies: int = 0
    studies_with_another_table: int = 0
    cells_given_up: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """All kills."""
        return self.kills_of_parents + self.kills_of_workers


def survive(
    kills: int,
    folder: Path,
    seed: int,
    *,
    seeds_per_study: int = 40,
    progress: Callable[[KillReport], None] = lambda report: None,
) -> KillReport:
    """Kill so often, in as many studies as it takes, and return what was found."""
    report, draw = KillReport(), random.Random(seed)
    plan = folder / "plan.toml"
    plan.write_text(PLAN.format(seeds=", ".join(map(str, range(seeds_per_study)))))
    undisturbed = folder / "undisturbed"
    subprocess.run(command(plan, undisturbed), check=True, stdout=subprocess.DEVNULL)
    expected = open_study(undisturbed).table()
    while report.kills < kills:
        out = folder / f"disturbed-{report.studies}"
        _disturb(plan, out, kills, draw, report)
        finish(plan, out, report)
        report.studies += 1
        report.cells += len(open_study(out).cells)
        if not open_study(out).table().identical(expected):
            report.studies_with_another_table += 1
        progress(report)
    return report


def command(plan: Path, out: Path) -> list[str]:
    """Return the command of the study."""
    return [sys.executable, "-m", "subnetlab.cli.main", "study", str(plan), "--out", str(out), "--jobs", "2", "--quiet"]


def finish(plan: Path, out: Path, report: KillReport) -> None:
    """Run the study to its end; cells that were hit three times are given up first, and retried."""
    code = subprocess.run(command(plan, out), check=False, capture_output=True).returncode
    if code == 3:
        report.cells_given_up += open_study(out).counts()["failed"]
        retry = [sys.executable, "-m", "subnetlab.cli.main", "study", "retry", str(out), "--quiet"]
        code = subprocess.run(retry, check=False, capture_output=True).returncode
    if code != 0:
        report.problems.append(f"{out.name}: the last run ended with code {code}")


def _disturb(plan: Path, out: Path, kills: int, draw: random.Random, report: KillReport) -> None:
    """Run the study and kill until it is finished or there were enough kills."""
    acknowledged: dict[str, bytes] = {}
    while report.kills < kills:
        parent = subprocess.Popen(
            command(plan, out), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while report.kills < kills:
            _wait(parent, out, draw)
            acknowledged |= _rows(out)
            children, workers = descendants(parent.pid), _workers(parent.pid)
            if parent.poll() is not None:
                break
            if workers and draw.random() < 0.7:
                _kill(draw.choice(workers))
                report.kills_of_workers += 1
                _inspect(out, acknowledged, report)
                continue
            os.kill(parent.pid, signal.SIGKILL)
            parent.wait()
            report.kills_of_parents += 1
            deadline = time.monotonic() + GRACE
            while any(map(alive, children)) and time.monotonic() < deadline:
                time.sleep(0.01)
            left = [pid for pid in children if alive(pid)]
            report.orphans += len(left)
            if left:
                report.problems.append(f"alive after the parent: {[_command_line(pid)[:200] for pid in left]}")
            _inspect(out, acknowledged, report)
            break
        else:
            parent.kill()
            parent.wait()
        if parent.returncode not in (None, -9):
            if parent.returncode not in (0, 3):
                report.problems.append(f"{out.name}: a run ended with code {parent.returncode}")
            break
    report.acknowledged += len(acknowledged)


def _wait(parent: subprocess.Popen[bytes], out: Path, draw: random.Random) -> None:
    """Wait until the next kill: a while after the start, or after some more results."""
    if draw.random() < 0.15:
        time.sleep(draw.uniform(0, STARTING))
        return
    goal = len(_rows(out)) + draw.randint(0, PROGRESS)
    while parent.poll() is None and (len(_rows(out)) < goal or not _workers(parent.pid)):
        time.sleep(0.05)
    time.sleep(draw.uniform(0, MORE))


def _workers(parent: int) -> list[int]:
    return [pid for pid in descendants(parent) if "LokyProcess" in _command_line(pid)]


def _inspect(out: Path, acknowledged: dict[str, bytes], report: KillReport) -> None:
    database = out / DATABASE
    if not database.exists():
        return
    connection = sqlite3.connect(database, timeout=30)
    try:
        if connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            report.failed_integrity_checks += 1
    except sqlite3.Error as error:
        report.failed_integrity_checks += 1
        report.problems.append(f"{out.name}: {error}")
    finally:
        connection.close()
    rows = _rows(out, report)
    report.lost += sum(rows.get(key) != digest for key, digest in acknowledged.items())
    acknowledged |= rows


def _rows(out: Path, report: KillReport | None = None) -> dict[str, bytes]:
    """Return the key and the hash of each result that another process can see."""
    database = out / DATABASE
    if not database.exists():
        return {}
    connection = sqlite3.connect(database, timeout=30)
    try:
        rows = connection.execute(f"SELECT digest, {TABLES['results']} FROM results").fetchall()
    except sqlite3.OperationalError:  # killed before the tables were made
        return {}
    finally:
        connection.close()
    if report is not None:
        report.torn += sum(row_digest(*values) != digest for digest, *values in rows)
    return {values[0]: digest for digest, *values in rows if values[1] != "failed"}


def descendants(parent: int) -> list[int]:
    """Return all processes below one, by /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, level = [], [parent]
    while level:
        level = [pid for pid, above in parents.items() if above in level]
        found += level
    return found


def alive(pid: int) -> bool:
    """Return whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
