"""The formats by the ending of the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arrays import read_npy, read_npz
from .parquet import read_parquet
from .text import read_csv, read_tsv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .contents import FileContents

READERS: dict[str, Callable[[Path, str | int | None, str], FileContents]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
}
