"""Without an extra everything else works, and what needs it says in one line how to install it."""

import json
import subprocess
import sys

import pytest

WITHOUT_EXTRAS = """
import contextlib, importlib.util, io, json, sys

HIDDEN = {"torch", "altair", "vl_convert", "jinja2", "dask", "distributed", "pyarrow", "fastparquet"}

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

installed = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.partition(".")[0] in HIDDEN else installed(name, *rest)
sys.meta_path.insert(0, Hidden())

from subnetlab.cli.main import main

outcomes = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as errors, contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    outcomes.append((code, errors.getvalue()))
print(json.dumps(outcomes))
"""

RUN = [
    "--dataset",
    "diabetes",
    "--n-samples",
    "20",
    "--width",
    "30",
    "--rounds",
    "2",
    "--tau",
    "2",
    "--p",
    "2",
    "--quiet",
]

COMMANDS = [  # command, the line it must print; None if it must work
    (["train", *RUN, "--out", "run"], None),
    (["theory", "run"], None),
    (["report", "run"], "report: needs altair and vl-convert: pip install 'subnetlab[report]'"),
    (["explore", "--dataset", "diabetes"], "explore: needs altair and vl-convert: pip install 'subnetlab[report]'"),
    (["data", "--list"], None),
    (["study", *RUN, "--xi", "0.5", "--jobs", "1", "--out", "study"], None),
    (["study", "export", "study", "--to", "study.csv"], None),
    (["study", "export", "study", "--to", "study.nc"], None),
    (
        ["train", *RUN, "--out", "other", "--engine", "torch"],
        "train: engine 'torch' needs torch: pip install 'subnetlab[torch]'",
    ),
    (["launch", *RUN, "--step-size", "0.1"], "launch: needs torch: pip install 'subnetlab[torch]'"),
    (
        ["study", *RUN, "--xi", "0.5", "--cluster", "tcp://127.0.0.1:1", "--out", "far"],
        "study: execute: cluster needs dask: pip install 'subnetlab[cluster]'",
    ),
    (
        ["study", "export", "study", "--to", "study.parquet"],
        "study export: Study.export: Parquet needs pyarrow: pip install 'subnetlab[parquet]'",
    ),
    (
        ["data", "--dataset", "mine.parquet", "--target", "y"],
        "data: reading Parquet needs pyarrow: pip install 'subnetlab[parquet]'",
    ),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("no_extras")
    (folder / "mine.parquet").touch()
    arguments = json.dumps([command for command, _ in COMMANDS])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(
        zip((" ".join(command) for command, _ in COMMANDS), json.loads(done.stdout.splitlines()[-1]), strict=True)
    )


@pytest.mark.parametrize(
    ("command", "line"), COMMANDS, ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else ""
)
def test_without_extras(command, line, outcomes):
    code, errors = outcomes[" ".join(command)]
    assert code == (0 if line is None else 1), errors
    if line is not None:
        assert errors == f"subnetlab {line}\n"
