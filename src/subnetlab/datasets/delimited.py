"""Cells of a text table, whatever its line endings, quoting, blank lines and marks of missing values."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from ..input_file import FileContentError

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING_MARKS = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})


class Line(NamedTuple):
    """One line that is not blank, with its number in the file, from 1."""

    number: int
    cells: list[str]


class LineError(FileContentError):
    """What is wrong with one line of a table.

    Parameters
    ----------
    message : str
    line : int
        Its number in the file, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_lines(text: str, delimiter: str, owner: str, *, lines_above: int = 0) -> Iterator[Line]:
    r"""Yield the lines that are not blank, their cells stripped of blanks and quotes.

    Parameters
    ----------
    text : str
    delimiter : str
        Between the cells; inside quotes it is a character like any.
    owner : str
        The file, for messages.
    lines_above : int, default 0
        The lines of the file above the text, for the numbers of the lines.

    Raises
    ------
    LineError
        If a quote does not end, or does not end its cell.

    Examples
    --------
    >>> [line.cells for line in read_lines('1, "2"\r\r3,?\r\n\n', ",", "example")]
    [['1', '2'], ['3', '?']]
    """
    reader = csv.reader(
        io.StringIO(text, newline=None), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True
    )
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells not in ([], [""]):
                yield Line(lines_above + reader.line_num, cells)
    except csv.Error as error:
        number = lines_above + reader.line_num
        message = f"{owner}: line {number} must be a line of a delimited table, got: {error}"
        raise LineError(message, number) from None


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
