"""The examples in docstrings give what they say."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import subnetlab as sl

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(sl.__path__, "subnetlab.") if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").startswith("subnetlab"):
            raise
        pytest.skip(f"needs {error.name}, an extra that is not installed")
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, _ = doctest.testmod(module, extraglobs={"np": np, "sl": sl}, optionflags=flags)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    tried = sum(
        len(test.examples)
        for name in ("subnetlab.core.network", "subnetlab.training.loop")
        for test in finder.find(importlib.import_module(name))
    )
    assert tried >= 8
