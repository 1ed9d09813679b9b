"""CSV and TSV: a table of numbers, whatever separates its cells and whatever a program wrote above it.

A separator inside quotes is text, and so may be one in a name without quotes; the file is therefore read by the first
separator that makes it a table of numbers. Where none does, the one that came furthest says what is wrong.
"""

from __future__ import annotations

import re
from array import array
from itertools import chain
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from ...input_file import FileContentError, decode_text
from ..delimited import LineError, is_missing, number, read_lines
from .contents import LARGEST_EXACT, Table, in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contents import Kind

_SEPARATORS = ("\t", ";", "|", ",")  # commas last: they also stand in names and in numbers
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # what programs write for Excel


class _Part(NamedTuple):
    """A text and the number of lines of the file above it."""

    text: str
    lines_above: int


def read_text(file: IO[bytes], kind: Callable[[str], Kind], owner: str) -> Table:
    """Read a table with tabs, semicolons, bars or commas; a first line with a cell that is no number is the header.

    Raises
    ------
    FileContentError
        If it is no table of numbers, and of text where ``kind`` says so.
    """
    text = decode_text(file.read(), owner).replace("\r\n", "\n").replace("\r", "\n")
    separators, parts = _beginnings(text, owner)
    return _first_table(separators, parts, kind, owner)


def _beginnings(text: str, owner: str) -> tuple[tuple[str, ...], list[_Part]]:
    """Return the separators to try, and the table without the comments above it, before that with the last of them.

    The last comment may be the header: ``#id,height,price``.
    """
    separators, position, above = _SEPARATORS, 0, 0
    comment = None
    while position < len(text):
        end = text.find("\n", position) + 1 or len(text)
        line = text[position:end].strip("\n ")
        if above == 0 and (named := _SEPARATOR_LINE.fullmatch(line)):
            if named[1] not in _SEPARATORS:
                raise FileContentError(
                    f"{owner}: the first line, {line!r}, must name a tab, a semicolon, a bar or a comma as separator"
                )
            separators = (named[1],)
        elif line.startswith("#"):
            comment = _Part(text[position:], above)
        elif line.strip():
            break
        position, above = end, above + 1
    table = _Part(text[position:], above)
    return separators, [table] if comment is None else [comment, table]


def _first_table(separators: tuple[str, ...], parts: list[_Part], kind: Callable[[str], Kind], owner: str) -> Table:
    """Return the first table of numbers with two columns or more."""
    errors: list[LineError] = []
    for part in parts:
        errors.clear()  # a comment is no table, and need not be
        for separator in separators:
            try:
                table = _read(part, separator, kind, owner)
            except LineError as error:
                errors.append(error)
            else:
                if table is not None:
                    return table
    if errors:
        raise max(errors, key=lambda error: error.line)
    raise FileContentError(f"{owner}: must have two columns or more, features and a target, got 1")


def _read(part: _Part, separator: str, kind: Callable[[str], Kind], owner: str) -> Table | None:
    """Return the table, None if the separator is not in its first line."""
    lines = read_lines(part.text, separator, owner, lines_above=part.lines_above)
    first = next(lines, None)
    if first is None:
        raise FileContentError(f"{owner}: must have rows, got an empty file")
    width = len(first.cells)
    if width == 1:
        second = next(lines, first)
        if len(second.cells) > 1:
            rule = f"{owner}: the first line must be the header or a row (remove titles)"
            raise LineError(f"{rule}, got one cell above {len(second.cells)}", second.number)
        return None
    header = any(number(cell) is None for cell in first.cells)
    names = tuple((header and cell) or str(j) for j, cell in enumerate(first.cells))
    kinds = [kind(name) for name in names]
    codes: list[dict[str, int]] = [{} for _ in names]
    values, inexact = array("d"), dict.fromkeys(names, False)
    for line in lines if header else chain([first], lines):
        if len(line.cells) != width:
            raise LineError(
                f"{owner}: every line must have as many cells as the first, {width}, got {len(line.cells)} "
                f"in line {line.number}",
                line.number,
            )
        for j, (name, cell) in enumerate(zip(names, line.cells, strict=True)):
            if kinds[j] != "number":
                named = kinds[j] == "text" and not is_missing(cell)
                code = codes[j].setdefault(cell, len(codes[j])) if named else 0
                values.append(float("nan") if kinds[j] == "text" and not named else code)
                continue
            value = number(cell)
            if value is None:
                raise LineError(
                    f"{owner}: column {name!r} must hold numbers (name columns of text in drop or "
                    f"categorical, write decimal points), got {cell!r} in line {line.number}",
                    line.number,
                )
            if LARGEST_EXACT <= abs(value) < float("inf") and cell.lstrip("+-").isdecimal():
                inexact[name] |= int(cell) != int(value)
            values.append(value)
    if not values:
        raise LineError(f"{owner}: must have rows beneath its header, got none", first.number)
    matrix = np.frombuffer(values).reshape(-1, width)
    categories: dict[str, tuple[str, ...]] = {}
    if "text" in kinds:
        matrix = matrix.copy()
    for j, name in enumerate(names):
        if kinds[j] == "text":
            categories[name], matrix[:, j] = in_order(codes[j], matrix[:, j], name, owner)
    return Table(names, matrix, tuple(name for name in names if inexact[name]), categories=categories)
