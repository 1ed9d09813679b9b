"""CSV and TSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..delimited import decode, number, read_lines
from .contents import FileContents, split_target

if TYPE_CHECKING:
    from pathlib import Path

    from ..delimited import Line


def read_csv(file: Path, target: str | int | None, owner: str) -> FileContents:
    """Read a table with commas, or with semicolons if its first line has no comma but has those."""
    text = decode(file.read_bytes(), owner)
    first = text.lstrip().partition("\n")[0]
    return _read(text, ";" if ";" in first and "," not in first else ",", target, owner)


def read_tsv(file: Path, target: str | int | None, owner: str) -> FileContents:
    """Read a table with tabs."""
    return _read(decode(file.read_bytes(), owner), "\t", target, owner)


def _read(text: str, delimiter: str, target: str | int | None, owner: str) -> FileContents:
    """Read a table; a first line with a cell that is no number is the header."""
    lines = read_lines(text, delimiter, owner)
    if not lines:
        raise ValueError(f"{owner}: must have rows, got an empty file")
    width = len(lines[0].cells)
    for line in lines:
        if len(line.cells) != width:
            raise ValueError(
                f"{owner}: every line must have as many cells as the first, {width}, "
                f"got {len(line.cells)} in line {line.number}"
            )
    names = tuple(str(j) for j in range(width))
    if any(number(cell) is None for cell in lines[0].cells):
        names = tuple(cell or str(j) for j, cell in enumerate(lines[0].cells))
        lines = lines[1:]
    if not lines:
        raise ValueError(f"{owner}: must have rows beneath its header, got none")
    return split_target(names, _numbers(lines, names, owner), target, owner)


def _numbers(lines: list[Line], names: tuple[str, ...], owner: str) -> np.ndarray:
    values = np.empty((len(lines), len(names)))
    for i, line in enumerate(lines):
        for j, cell in enumerate(line.cells):
            value = number(cell)
            if value is None:
                raise ValueError(
                    f"{owner}: column {names[j]!r} must hold numbers (remove columns of text, write decimal "
                    f"points), got {cell!r} in line {line.number}"
                )
            values[i, j] = value
    return values
