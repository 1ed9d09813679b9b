"""The files of scikit-learn are read as its own functions read them, without its import."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from subnetlab.datasets import embedded


def tables():
    """The features and the targets of both, for training and testing."""
    diabetes, digits = embedded.load_diabetes(), embedded.load_digits()
    pixels = np.vstack([digits.features, digits.test_features])
    return diabetes.features, diabetes.target, pixels, np.append(digits.target, digits.test_target)


def test_numbers_and_names_are_those_of_its_functions():
    diabetes, digits = datasets.load_diabetes(), datasets.load_digits()
    known = diabetes.data, diabetes.target / 346, digits.data, digits.target
    for ours, theirs in zip(tables(), known, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert embedded.load_diabetes().columns == tuple(diabetes.feature_names)
    assert embedded.load_digits().columns == tuple(digits.feature_names)
    assert embedded.load_digits().classes == tuple(map(str, digits.target_names))


def test_where_its_files_are_elsewhere_its_functions_are_asked(monkeypatch):
    def elsewhere(name, delimiter=None):
        raise FileNotFoundError(name)

    known = tables()
    monkeypatch.setattr(embedded, "_shipped", elsewhere)
    for ours, theirs in zip(tables(), known, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match="sklearn"):
        embedded.load_digits()


@pytest.mark.parametrize("name", ["diabetes", "digits"])
def test_it_is_not_imported(name):
    code = f"import sys, subnetlab as sl; sl.load_dataset({name!r}); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "False\n"
