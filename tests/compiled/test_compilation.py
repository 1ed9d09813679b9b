"""Compiled code is cached where there is a place for it, and works where there is none."""

import errno
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.compiled import compilation
from subnetlab.compiled.compilation import compiled

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


sources_digest = compilation.sources_digest.__wrapped__  # computed anew, not remembered


def test_every_file_with_compiled_functions_counts_in_the_digest(tmp_path, monkeypatch):
    """A function that is cached elsewhere would run on after a function that it calls has changed."""
    package = tmp_path / "subnetlab"
    shutil.copytree(Path(sl.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compilation, "__file__", str(package / "compiled" / "compilation.py"))
    users = [path for path in package.rglob("*.py") if re.search(r"^from \.+compil", path.read_text(), re.MULTILINE)]
    assert {path.relative_to(package).parts[0] for path in users} >= {"compiled", "kernels", "engines"}
    digests = {sources_digest()}
    for path in users:
        path.write_text(path.read_text() + "\n")
        digests.add(sources_digest())
    assert len(digests) == len(users) + 1


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


def cached(tmp_path, monkeypatch, function=_add_one):
    """Return the function compiled anew, with a cache in this folder, and how often it was found there."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    made = compiled(function)
    assert made(1) == 2
    return sum(made.stats.cache_hits.values())


@pytest.mark.parametrize("ending", ["*.nbi", "*.nbc", "*"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "garbage", "one bit", "another's pickle", "removed", "a folder"])
def test_a_damaged_cache_is_as_good_as_none_and_is_mended(ending, damage, tmp_path, monkeypatch):
    assert [cached(tmp_path, monkeypatch) for _ in range(2)] == [0, 1]
    for file in [path for path in tmp_path.rglob(ending) if path.is_file()]:
        content = file.read_bytes()
        if damage in ("removed", "a folder"):
            file.unlink()
        if damage == "a folder":
            file.mkdir()
        else:
            flipped = bytearray(content)
            flipped[len(content) // 2] ^= 4
            file.write_bytes(
                {
                    "cut": content[: len(content) // 2],
                    "emptied": b"",
                    "garbage": bytes(range(256)) * 20,
                    "one bit": bytes(flipped),
                    "another's pickle": pickle.dumps(("other", {})),
                    "removed": content,
                }[damage]
            )
            if damage == "removed":
                file.unlink()
    assert cached(tmp_path, monkeypatch) == 0
    if damage != "a folder":  # which is in the way for ever
        assert cached(tmp_path, monkeypatch) == 1


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_cache_that_cannot_be_written_is_none(error, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("os.replace", refuse)
    assert [cached(tmp_path, monkeypatch) for _ in range(2)] == [0, 0]
    monkeypatch.undo()
    assert [cached(tmp_path, monkeypatch) for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("engine", ["event", "lookup"])
def test_engines_where_no_file_has_room(engine, tmp_path):
    """A limit on the size of files is what a full disk is, and needs no rights."""
    code = RUN.replace("event", engine) + "print(sl.infinite_ntk(np.eye(2))[0, 0])"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)){code}"
    command = [sys.executable, "-W", "error", "-c", limited]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-1] == "0.5"
    assert max((path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()), default=0) <= 4096


def test_other_refusals_of_numba_are_not_hidden(monkeypatch):
    def refuse(function):
        raise RuntimeError("something else")

    monkeypatch.setattr(compilation, "_Cache", refuse)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(_add_one)
