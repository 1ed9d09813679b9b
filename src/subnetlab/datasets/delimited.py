"""Cells of a text table, whatever its line endings, quoting, blank lines and marks of missing values."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

MISSING_MARKS = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})


class Line(NamedTuple):
    """One line that is not blank, with its number in the file, from 1."""

    number: int
    cells: list[str]


def decode(content: bytes, owner: str) -> str:
    """Return the bytes as text.

    Raises
    ------
    ValueError
        If they are no UTF-8 (a byte order mark is dropped).
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{owner}: must be text in UTF-8, got byte {error.start} that is not") from None


def read_lines(text: str, delimiter: str, owner: str) -> list[Line]:
    r"""Return the lines that are not blank, their cells stripped of blanks and quotes.

    Raises
    ------
    ValueError
        If a quote does not end.

    Examples
    --------
    >>> [line.cells for line in read_lines('1, "2"\r\r3,?\r\n\n', ",", "example")]
    [['1', '2'], ['3', '?']]
    """
    reader = csv.reader(
        io.StringIO(text, newline=None), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True
    )
    lines: list[Line] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells not in ([], [""]):
                lines.append(Line(reader.line_num, cells))
    except csv.Error as error:
        raise ValueError(f"{owner}: line {reader.line_num} must be a line of a delimited table, got: {error}") from None
    return lines


def is_missing(cell: str) -> bool:
    """Return whether the cell marks a missing value.

    Examples
    --------
    >>> [is_missing(cell) for cell in ("?", "NA", "NaN", "", "0")]
    [True, True, True, True, False]
    """
    return cell.lower() in MISSING_MARKS


def number(cell: str) -> float | None:
    """Return the cell as a float, NaN if it marks a missing value, None if it is no number."""
    if is_missing(cell):
        return float("nan")
    if "_" in cell:  # float() takes 1_000; no file means that
        return None
    try:
        return float(cell)
    except ValueError:
        return None
