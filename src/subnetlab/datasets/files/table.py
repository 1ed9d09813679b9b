"""The formats by the ending of the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arrays import read_npy, read_npz
from .parquet import read_parquet
from .text import read_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from .contents import FileContents

READERS: dict[str, Callable[[IO[bytes], str | int | None, str], FileContents]] = {
    ".csv": read_text,
    ".tsv": read_text,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
}
