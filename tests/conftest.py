"""What several tests share."""

import importlib.util
import json
import os
import re
import signal
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Several tests run side by side: the threads of torch would spend most of their time waiting for each other in loops.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure():
    """Take Ctrl-C as in a terminal: a shell's background jobs (nohup, &) and their children ignore it otherwise."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository():
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def algorithm1():
    """examples/algorithm1.py as a module: Algorithm 1 independent of subnetlab, the oracle of the engines."""
    spec = importlib.util.spec_from_file_location("algorithm1", ROOT / "examples" / "algorithm1.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def crime_file():
    """The file of Communities and Crime, for tests marked ``crime``; they are skipped where it is not."""
    folder = os.environ.get("SUBNETLAB_DATA")
    if not folder:
        pytest.skip("SUBNETLAB_DATA is not set: it names the folder of communities.data (docs/data.md)")
    file = Path(folder) / "communities.data"
    if not file.is_file():
        pytest.skip(f"SUBNETLAB_DATA={folder!r} holds no communities.data")
    return file


@contextmanager
def _refused(error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        yield


@pytest.fixture(scope="session")
def refused():
    """``with refused(error, message)``: the block must raise this error with exactly this message."""
    return _refused


@pytest.fixture
def torch():
    """Skip where the extra is not installed."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch: pip install 'subnetlab[torch]'")
    return pytest.importorskip("torch")


def _with_a_bit_changed(content, name):
    """Return the bytes of a safetensors file whose tensor ``name`` has another lowest bit in its first number."""
    length = int.from_bytes(content[:8], "little")
    (start, _) = json.loads(content[8 : 8 + length])[name]["data_offsets"]
    changed = bytearray(content)
    changed[8 + length + start] ^= 1
    return bytes(changed)


@pytest.fixture(scope="session")
def with_a_bit_changed():
    """``with_a_bit_changed(content, name)``: a safetensors file in which one number is slightly another."""
    return _with_a_bit_changed


class WorkerDiedError(Exception):
    """Stands for the death of a worker process."""


class InlinePool:
    """Runs everything at once in this process; fast, and can be told when its worker dies."""

    crashes = (WorkerDiedError,)
    tries = 3

    def __init__(self, size=2):
        self.size = size
        self.stopped = None

    def capacity(self):
        return self.size

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future

    def done(self, future):
        pass

    def stop(self, *, at_once):
        self.stopped = at_once


@pytest.fixture
def inline(monkeypatch):
    """Let `execute` run cells in this process; returns the pool."""
    import subnetlab.study.execution as execution  # not for every test

    pool = InlinePool()
    monkeypatch.setattr(execution, "_pool", lambda *_: pool)
    return pool


@pytest.fixture
def died():
    return WorkerDiedError
