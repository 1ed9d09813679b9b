"""Compiled code is cached where there is a place for it, and works where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.kernels import compilation
from subnetlab.kernels.compilation import compiled

RUN = """
import numpy as np, subnetlab as sl
net = sl.ShallowReLU.initialize(70, 3)
run = sl.train(net, np.eye(3), np.ones(3), sl.independent_subnets(2, 3, 2, 0.1), engine="event")
print(sl.__file__, run.history.full_error[-1])
"""


def _add_one(x):
    return x + 1


def test_code_is_cached_where_there_is_a_place(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    function = compiled(_add_one)
    assert Path(function.stats.cache_path).is_relative_to(tmp_path)
    assert function(1) == 2
    assert list(tmp_path.rglob("*.nbc"))


def test_code_is_compiled_again_when_another_file_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def hits():
        function = compiled(_add_one)
        assert function(1) == 2
        return sum(function.stats.cache_hits.values())

    assert (hits(), hits()) == (0, 1)
    monkeypatch.setattr(compilation, "sources_digest", lambda: "of changed files")
    assert (hits(), hits()) == (0, 1)


def test_the_event_engine_needs_no_cache_folder(tmp_path):
    """Under a file there can be no folder, not even for root: __pycache__, the cache folders and HOME are such places.

    The process compiles everything, about 4 s of processor time.
    """
    package = tmp_path / "subnetlab"
    shutil.copytree(Path(sl.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "folder")
    places = dict.fromkeys(["HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"], nowhere)
    environment = {**os.environ, **places, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", RUN]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    file, error = result.stdout.split()
    assert Path(file).parent == package
    net = sl.ShallowReLU.initialize(70, 3)
    here = sl.train(net, np.eye(3), np.ones(3), sl.independent_subnets(2, 3, 2, 0.1), engine="reference")
    assert float(error) == pytest.approx(here.history.full_error[-1], rel=1e-12)


def test_other_refusals_of_numba_are_not_hidden(monkeypatch):
    def refuse(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(compilation, "njit", refuse)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(_add_one)
