"""The shallow engines give the bits that are stored in tests/fixtures/bits.json, on the same processor and libraries.

A change here is a change of every stored run's further rounds: raise the engine's version in the table, or mend it.
"""

import importlib.util
import json
from pathlib import Path

import pytest

from subnetlab.engines.table import ENGINES

FIXTURES = Path(__file__).parents[1] / "fixtures"
STORED = json.loads((FIXTURES / "bits.json").read_text())


@pytest.fixture(scope="module")
def make_bits():
    spec = importlib.util.spec_from_file_location("make_bits", FIXTURES / "make_bits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def skip_elsewhere(make_bits, *, torch=False):
    """Skip unless what the bits depend on is as it was where they were stored."""
    packages = [package for package in make_bits.PACKAGES if torch or package != "torch"]
    here = make_bits.environment(packages)
    other = {name: (STORED["environment"][name], value) for name, value in here.items()}
    other = {name: pair for name, pair in other.items() if pair[0] != pair[1]}
    if other:
        told = "; ".join(f"{name} {value}, stored from {stored}" for name, (stored, value) in other.items())
        pytest.skip(f"bits are promised on the same processor type and libraries only; here {told}")


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine(name, make_bits):
    skip_elsewhere(make_bits, torch=ENGINES[name].requires == "torch")
    found, stored = make_bits.digests(name), STORED["engines"][name]
    assert {request for request in stored if found.get(request) != stored[request]} == set()


def test_automatic_step_sizes(make_bits):
    skip_elsewhere(make_bits)
    assert make_bits.step_sizes() == STORED["step_sizes"]
