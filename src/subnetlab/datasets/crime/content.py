"""Communities and Crime: from bytes to numbers that are known to be right.

Mirrors differ byte for byte: line endings, marks of missing values, quoting, a header, blank lines. The
numbers and the order of the rows may not differ: rows are drawn by position, so that one seed gives the same
rows everywhere. The hash is that of the table as UCI serves it: 1,994 lines that end in LF, "?" for a missing
value, each number in its shortest form.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...input_file import FileContentError, decode_text
from ..delimited import is_missing, number, read_lines
from .columns import COLUMNS, IDENTIFIERS, MISSING, N_ROWS, PREDICTIVE, TARGET

if TYPE_CHECKING:
    from ...core.arrays import FloatArray
    from ..delimited import Line

SHA256 = "d90d85bd66bad9a00fa0ed6c15ac017b5966d528e55ba2940ad028d071353f95"

_RANGES = {"state": (1, 56), "county": (1, 999), "community": (1, 99999), "fold": (1, 10)}
_NAME = COLUMNS.index("communityname")
MOST_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class CrimeTable:
    """The verified content.

    Parameters
    ----------
    features : ndarray, shape (1994, 122)
        The predictive columns, NaN where a value is missing.
    target : ndarray, shape (1994,)
    text : str
        The table in UCI's form.
    sha256 : str
        Of that text.
    """

    features: FloatArray
    target: FloatArray
    text: str
    sha256: str


def parse_crime(content: bytes, owner: str) -> CrimeTable:
    """Return the table that the bytes of a file or of a zip archive hold.

    Parameters
    ----------
    content : bytes
    owner : str
        The file, for messages.

    Raises
    ------
    FileContentError
        If the content is not that of the data set; the message says where it departs.
    """
    lines = list(read_lines(decode_text(_unzipped(content, owner), owner), ",", owner))
    for line in lines:
        if len(line.cells) != len(COLUMNS):
            raise FileContentError(
                f"{owner}: every line must have {len(COLUMNS)} values between commas, "
                f"got {len(line.cells)} in line {line.number}"
            )
    lines = _without_header(lines, owner)
    if len(lines) != N_ROWS:
        raise FileContentError(f"{owner}: must have {N_ROWS} rows, got {len(lines)}")
    values = {name: _column(lines, j, owner) for j, name in enumerate(COLUMNS) if j != _NAME}
    text = _uci_form(lines)
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != SHA256:
        raise FileContentError(
            f"{owner}: has the right shape, but values, names or the order of rows differ from UCI's "
            f"data set 183: the content must hash to {SHA256}, got {found}"
        )
    features = np.column_stack([values[name] for name in PREDICTIVE])
    return CrimeTable(features, values[TARGET], text, found)


def _unzipped(content: bytes, owner: str) -> bytes:
    """Return the content, or communities.data out of the archive that UCI serves."""
    if content.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                member = archive.getinfo("communities.data")
                if member.file_size <= MOST_BYTES:
                    return archive.read(member)
        except KeyError:
            raise FileContentError(f"{owner}: the archive must hold communities.data, got none") from None
        except Exception as error:  # of many kinds: zlib.error, BadZipFile, NotImplementedError
            raise FileContentError(f"{owner}: must be a whole zip archive, got: {error}") from None
    elif len(content) <= MOST_BYTES:
        return content
    raise FileContentError(f"{owner}: must be at most {MOST_BYTES} bytes long, got a longer file")


def _without_header(lines: list[Line], owner: str) -> list[Line]:
    """Drop a first line of column names; mirrors write some of them with more words or other case."""
    if not lines or number(lines[0].cells[-1]) is not None:
        return lines
    for given, name in zip(lines[0].cells, COLUMNS, strict=True):
        if not given.lower().startswith(name.lower()):
            raise FileContentError(f"{owner}: the header must name the column {name!r}, got {given!r}")
    return lines[1:]


def _column(lines: list[Line], j: int, owner: str) -> FloatArray:
    """Return one column as numbers in its range, with its known count of missing values."""
    name = COLUMNS[j]
    low, high = _RANGES.get(name, (0, 1))
    cells = [line.cells[j] for line in lines]
    values: dict[str, float] = {}  # of the few different cells
    for cell in set(cells):
        value = number(cell)
        if value is None or not (low <= value <= high or np.isnan(value)):
            raise FileContentError(
                f"{owner}: column {name!r} must hold numbers in [{low}, {high}], "
                f"got {cell!r} in line {lines[cells.index(cell)].number}"
            )
        if name in IDENTIFIERS and value % 1 > 0:
            raise FileContentError(f"{owner}: column {name!r} must hold whole numbers, got {cell!r}")
        values[cell] = value
    column = np.array([values[cell] for cell in cells])
    missing, expected = int(np.isnan(column).sum()), MISSING.get(name, 0)
    if missing != expected:
        raise FileContentError(f"{owner}: column {name!r} must lack {expected} values, got {missing} missing")
    return column


def _uci_form(lines: list[Line]) -> str:
    """Return the table as UCI serves it."""
    columns = [[line.cells[j] for line in lines] for j in range(len(COLUMNS))]
    for j, cells in enumerate(columns):
        if j != _NAME:
            shortest = {cell: "?" if is_missing(cell) else format(float(cell), ".15g") for cell in set(cells)}
            columns[j] = [shortest[cell] for cell in cells]
    return "".join(",".join(cells) + "\n" for cells in zip(*columns, strict=True))
