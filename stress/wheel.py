"""The wheel in an empty environment without extras: everything that needs none works, the rest says what to install.

    python stress/wheel.py

Builds the wheel, installs it into a new virtual environment with constraints.txt, and tries it far from the
repository; on the crime data as well where SUBNETLAB_DATA names its folder. The table goes into docs/testing.md.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pages import put_between_marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent

IMPORTS = "import sys, subnetlab; assert not {'numpy', 'scipy', 'numba', 'torch'} & sys.modules.keys()"
TRAIN = """
import subnetlab as sl
data = sl.load_dataset("diabetes", n_samples=50, seed=0)
net = sl.ShallowReLU.initialize(width=500, n_features=data.X.shape[1])
run = sl.train(net, data.X, data.y, sl.independent_subnets(4, rounds=20, local_steps=5))
assert run.history.full_error[-1] < run.history.full_error[0] / 10
"""
RUN = "--dataset diabetes --n-samples 20 --width 30 --rounds 2 --tau 2 --p 2 --quiet"
REPRODUCE = "subnetlab reproduce --quick --quiet"


@dataclass(frozen=True)
class Trial:
    """A command, and the extra whose absence it must report; None if it must work."""

    command: str
    extra: str | None = None


TRIALS = [
    Trial("subnetlab"),
    Trial("subnetlab --version"),
    Trial(f"subnetlab train {RUN} --out run"),
    Trial("subnetlab theory run"),
    Trial(f"subnetlab study {RUN} --xi 0.5 --jobs 2 --out study"),
    Trial("subnetlab study export study --to study.nc"),
    Trial("subnetlab audit --quiet"),
    Trial("subnetlab plan --target-error 1 --dataset diabetes --n-samples 20 --p 2 --xi 0.5 --tau 1 --width 500"),
    Trial("subnetlab completion bash"),
    Trial(f"subnetlab train {RUN} --out other --engine torch", "torch"),
    Trial(f"subnetlab launch {RUN} --step-size 0.1 --out wide", "torch"),
    Trial("subnetlab report run", "report"),
    Trial(f"subnetlab study {RUN} --xi 0.5 --out far --cluster tcp://127.0.0.1:1", "cluster"),
    Trial("subnetlab study export study --to study.parquet", "parquet"),
    Trial("subnetlab data --dataset mine.parquet --target y", "parquet"),
]


def main() -> int:
    """Build, install, try, write the page; return 1 if anything was not as promised."""
    with tempfile.TemporaryDirectory(prefix="subnetlab-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        environment = install(wheel, folder)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "mine.parquet").touch()
        rows = [(f"`{wheel.name}`", f"{wheel.stat().st_size / 1e3:.0f} kB, {len(contents(wheel))} files", True)]
        rows += [
            python(what, code, elsewhere, environment)
            for what, code in (
                ("`import subnetlab` loads none of its dependencies", IMPORTS),
                ("train from Python", TRAIN),
            )
        ]
        rows += [attempt(trial, elsewhere, environment) for trial in TRIALS]
        rows.append(attempt(Trial(f"{REPRODUCE} --dataset diabetes --out diabetes"), elsewhere, environment))
        if "SUBNETLAB_DATA" in environment:
            rows.append(attempt(Trial(f"{REPRODUCE} --dataset crime --out crime"), elsewhere, environment))
        installed = run(["python", "-m", "pip", "list", "--format=freeze"], elsewhere, environment).stdout.split()
    write(rows, len(installed))
    return 0 if all(met for _, _, met in rows) else 1


def build(folder: Path) -> Path:
    """Build the wheel of the working tree with the back end that pyproject.toml names."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def contents(wheel: Path) -> list[str]:
    """Return the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def install(wheel: Path, folder: Path) -> dict[str, str]:
    """Install the wheel alone into a new environment and return the variables under which to use it."""
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    pip = [programs / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([*pip, wheel], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "SUBNETLAB_CACHE": str(folder / "cache")}


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program of the new environment."""
    program = Path(environment["PATH"].split(os.pathsep)[0]) / command[0]
    arguments = [program, *command[1:]]
    return subprocess.run(arguments, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)


def python(what: str, code: str, folder: Path, environment: Mapping[str, str]) -> tuple[str, str, bool]:
    """Run code."""
    done = run(["python", "-c", code], folder, environment)
    return what, "works" if done.returncode == 0 else done.stderr[-500:], done.returncode == 0


def attempt(trial: Trial, folder: Path, environment: Mapping[str, str]) -> tuple[str, str, bool]:
    """Run a command; one that lacks an extra must end with code 1 and one line that installs it."""
    started = time.monotonic()
    done = run(trial.command.split(), folder, environment)
    seconds = time.monotonic() - started
    if trial.extra is None:
        met = done.returncode == 0
        return f"`{trial.command}`", f"works, {seconds:.1f} s" if met else done.stderr[-500:], met
    line = done.stderr.strip()
    met = done.returncode == 1 and "\n" not in line and line.endswith(f"pip install 'subnetlab[{trial.extra}]'")
    return f"`{trial.command}`", line, met


def write(rows: Sequence[tuple[str, str, bool]], packages: int) -> None:
    """Print the table and put it into the page."""
    lines = [
        f"Python {platform.python_version()}, {packages} packages in the environment, pip and subnetlab among them; "
        f"load at the end {os.getloadavg()[1]:.0f}.",
        "",
        "| what | outcome | as promised |",
        "|---|---|---|",
        *(f"| {what} | {outcome.replace('|', '/')} | {'yes' if met else 'NO'} |" for what, outcome, met in rows),
    ]
    print(*lines, sep="\n")
    put_between_marks("testing.md", "wheel", lines)


if __name__ == "__main__":
    sys.exit(main())
