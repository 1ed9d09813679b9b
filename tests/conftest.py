"""What several tests share."""

import importlib.util
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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


@contextmanager
def _refused(error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        yield


@pytest.fixture(scope="session")
def refused():
    """``with refused(error, message)``: the block must raise this error with exactly this message."""
    return _refused
