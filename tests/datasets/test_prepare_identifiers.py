"""A column that only numbers the rows is learned from like any other: the user is told."""

import warnings

import numpy as np
import pytest

from subnetlab.datasets import load_dataset

RNG = np.random.default_rng(0)
N = 20


def table(folder, name, column):
    y = RNG.standard_normal(N)
    lines = [
        f"{name},x,y",
        *(f"{c},{x:.6f},{t:.6f}" for c, x, t in zip(column, RNG.standard_normal(N), y, strict=True)),
    ]
    file = folder / "data.csv"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("a", range(N)),
        ("a", range(1001, 1001 + N)),
        ("ID", RNG.permutation(N)),
        ("customer_id", 7 * RNG.permutation(N)),
    ],
)
def test_identifiers_are_warned_about(tmp_path, name, column):
    with pytest.warns(UserWarning, match=f"column '{name}' numbers the rows"):
        data = load_dataset(table(tmp_path, name, column), target="y")
    assert data.X.shape[1] == 2  # told, not taken away


@pytest.mark.parametrize(
    ("name", "column"),
    [("a", RNG.permutation(N)), ("a", np.arange(N) // 2), ("id", np.arange(N) // 2), ("id", np.arange(N) / 3)],
)
def test_other_columns_are_not(tmp_path, name, column):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_dataset(table(tmp_path, name, column), target="y")
    assert data.X.shape[1] == 2
