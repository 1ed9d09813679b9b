"""A look-alike of Communities and Crime, so that parsing is tested without the data."""

import csv
import hashlib
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from subnetlab.datasets.crime import content, source
from subnetlab.datasets.crime.columns import COLUMNS, MISSING, N_ROWS


@dataclass
class Lookalike:
    """1,994 x 128 cells of text as UCI would write them; "?" is a missing value."""

    cells: list[list[str]]

    def text(self, *, missing="?", line_end="\n", last_line_end=True, header=None, quoting=csv.QUOTE_MINIMAL):
        rows = [[missing if cell == "?" else cell for cell in row] for row in self.cells]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator=line_end, quoting=quoting)
        writer.writerows([header, *rows] if header else rows)
        return file.getvalue() if last_line_end else file.getvalue().removesuffix(line_end)

    @cached_property
    def content(self) -> bytes:
        return self.text().encode()

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def column(self, name) -> np.ndarray:
        j = COLUMNS.index(name)
        return np.array([np.nan if row[j] == "?" else float(row[j]) for row in self.cells])


def make_lookalike() -> Lookalike:
    """Draw values with two decimals and the true data's counts of missing values."""
    rng = np.random.default_rng(5)
    columns = []
    for name in COLUMNS:
        if name == "communityname":
            column = [f"Town{i}city" for i in range(N_ROWS)]
        elif name in ("state", "county", "community", "fold"):
            column = [str(v) for v in rng.integers(1, {"state": 57, "fold": 11}.get(name, 900), N_ROWS)]
        else:
            column = [f"{v / 100:g}" for v in rng.integers(0, 101, N_ROWS)]
        for i in rng.permutation(N_ROWS)[: MISSING.get(name, 0)]:
            column[i] = "?"
        columns.append(column)
    return Lookalike([list(row) for row in zip(*columns, strict=True)])


@pytest.fixture(scope="session")
def lookalike() -> Lookalike:
    return make_lookalike()


@pytest.fixture
def accepted(lookalike, monkeypatch, tmp_path) -> Lookalike:
    """The look-alike taken for the data, on a machine that has no file and no network."""
    monkeypatch.setattr(content, "SHA256", lookalike.sha256)
    monkeypatch.setattr(source, "MIRRORS", ())
    monkeypatch.delenv("SUBNETLAB_DATA", raising=False)
    monkeypatch.setenv("SUBNETLAB_CACHE", str(tmp_path / "cache"))
    return lookalike
