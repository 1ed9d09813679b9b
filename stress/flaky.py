"""The tests again and again under conditions that differ, and a table of those that failed.

    python stress/flaky.py [--runs 20] [--conditions plain busy ...] [--write] [pytest's own arguments]

The runs take the conditions in turn. Without arguments for pytest the whole suite runs, ``-n 0 tests/launch`` is
quicker. A run that ends without a report of its tests counts as a failure of its own. What pytest said of a failure
is printed in full: some never come back.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pages import put_between_marks

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
BUSY = 3  # loops beside the tests
MOST_SECONDS = 3600  # of one run


@dataclass(frozen=True)
class Condition:
    """What is different in a run.

    Parameters
    ----------
    meaning : str
    prefix : tuple of str
        Words before the command; ``{scratch}`` is a folder of the run.
    environment : dict
        Variables that are set, or removed where the value is None.
    arguments : tuple of str
        More for pytest; ``{run}`` is the number of the run.
    umask : int
    busy : int
        Endless loops beside the tests.
    """

    meaning: str
    prefix: tuple[str, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    umask: int = -1
    busy: int = 0


_IN_SMALL_FOLDER = 'mkdir "$0/small" && mount -t tmpfs -o size=256m tmpfs "$0/small" && TMPDIR="$0/small" exec "$@"'

CONDITIONS = {
    "plain": Condition("nothing else"),
    "busy": Condition(f"{BUSY} endless loops beside it", busy=BUSY),
    "one-core": Condition("on one core", ("taskset", "-c", "0")),
    "random": Condition(
        "in random order, by modules and within", arguments=("--random-order", "--random-order-seed={run}")
    ),
    "user": Condition("as an ordinary user", ("unshare", "--user", "--map-user=1000", "--map-group=1000")),
    "umask": Condition("umask 077", umask=0o077),
    "no-home": Condition("without HOME", environment={"HOME": None}),
    "zone": Condition("another time zone, LC_ALL=C", environment={"TZ": "Pacific/Kiritimati", "LC_ALL": "C"}),
    "processor": Condition(
        "with the instructions of an older processor",
        environment={
            "ATEN_CPU_CAPABILITY": "default",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "OPENBLAS_CORETYPE": "Haswell",
        },
    ),
    "small-tmp": Condition(
        "temporary files in 256 MB", ("unshare", "--mount", "sh", "-c", _IN_SMALL_FOLDER, "{scratch}")
    ),
}


def main() -> int:
    """Run the tests; return 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--write", action="store_true", help="put the table into docs/testing.md")
    options, selection = parser.parse_known_args()
    runs: Counter[str] = Counter()
    failures: dict[str, Counter[str]] = {}
    names = [name for name in options.conditions if _possible(name)]
    started = time.monotonic()
    for run in range(options.runs):
        name = names[run % len(names)]
        failed = _run(CONDITIONS[name], run, selection or ["-n", "auto"])
        runs[name] += 1
        for test in failed:
            failures.setdefault(test, Counter())[name] += 1
        print(f"{run + 1:3d} {name:<10} {len(failed)} failed", flush=True)
        for test, said in failed.items():
            print(f"\n--- {test}\n{said}\n", flush=True)
    lines = _table(runs, failures, (time.monotonic() - started) / 60)
    print(*lines, sep="\n")
    if options.write:
        put_between_marks("testing.md", "flaky", lines)
    return 1 if failures else 0


def _possible(name: str) -> bool:
    """Return whether a condition can be made here, and say so if not."""
    with tempfile.TemporaryDirectory() as scratch:
        prefix = _words(CONDITIONS[name].prefix, scratch, 0)
        try:
            tried = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            return False
    if tried.returncode:
        print(f"{name}: left out: {tried.stderr.strip()}", file=sys.stderr)
    return not tried.returncode


def _run(condition: Condition, run: int, selection: list[str]) -> dict[str, str]:
    """Run the tests once; return what pytest said of those that failed."""
    environment = {**os.environ, **condition.environment}
    environment = {name: value for name, value in environment.items() if value is not None}
    with tempfile.TemporaryDirectory() as scratch, _busy(condition.busy):
        Path(scratch).chmod(0o755)  # as /tmp: a test looks at files there as another user
        report = Path(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        more = _words(condition.arguments, scratch, run)
        done = subprocess.run(
            [*_words(condition.prefix, scratch, run), *command, *more, *selection],
            cwd=ROOT,
            env=environment,
            umask=condition.umask,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        failed = _failed(report) if report.exists() else {}
        if done.returncode and not failed:
            return {f"no test, but pytest ended with {done.returncode}": done.stdout.strip()}
        return failed


def _words(words: tuple[str, ...], scratch: str, run: int) -> list[str]:
    return [word.replace("{scratch}", scratch).replace("{run}", str(run)) for word in words]


def _failed(report: Path) -> dict[str, str]:
    failed: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        for bad in (*case.findall("failure"), *case.findall("error")):
            name = f"{case.get('classname')}::{case.get('name')}"
            failed[name] = f"{failed.get(name, '')}{bad.tag}: {bad.get('message')}\n{bad.text}"
    return failed


@contextmanager
def _busy(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _table(runs: Counter[str], failures: dict[str, Counter[str]], minutes: float) -> list[str]:
    """Return how often each condition was met, and the failures of each test under it."""
    lines = [
        f"{sum(runs.values())} runs, {minutes:.0f} minutes, Python {platform.python_version()}, {os.cpu_count()} cores",
        "",
        "| condition | runs | failures |",
        "|---|---|---|",
    ]
    for name, count in runs.items():
        of_it = [f"`{test}` {failed[name]}" for test, failed in sorted(failures.items()) if failed[name]]
        lines.append(f"| {CONDITIONS[name].meaning} | {count} | {', '.join(of_it) or 'none'} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
