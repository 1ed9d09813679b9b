"""What a cell gives, and its bytes in the store.

The bytes are a pure function of the result's content, without the time it took, so that two studies of one plan
are equal bit by bit.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..input_file import FileContentError

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

ResultStatus: TypeAlias = Literal["ok", "diverged", "failed"]

_HEADER_LENGTH = 4  # bytes
_COMPRESSION = 6


class DamagedResultError(FileContentError):
    """Stored bytes that are not the ones that were written."""


@dataclass(frozen=True, eq=False)
class CellResult:
    """The result of one cell.

    Parameters
    ----------
    status : {"ok", "diverged", "failed"}
        A diverged cell is a result: its curves hold the completed rounds.
    message : str
        Why it diverged or failed.
    step_size : float or None
        eta as a number.
    rounds : int
        Completed rounds.
    seconds : float
        Wall-clock time of the training.
    finals : dict of str to float
        The last value of each curve, float64.
    curves : dict of str to ndarray
        The history by the names in `History`.
    """

    status: ResultStatus
    message: str = ""
    step_size: float | None = None
    rounds: int = 0
    seconds: float = 0.0
    finals: dict[str, float] = field(default_factory=dict)
    curves: dict[str, FloatArray] = field(default_factory=dict)


def encode(result: CellResult) -> bytes:
    """Return the result, without its time, as compressed bytes.

    The bytes of floats are sorted by significance first: neighbours on a curve share their leading bytes.
    """
    header = {
        "status": result.status,
        "message": result.message,
        "step_size": result.step_size,
        "rounds": result.rounds,
        "finals": result.finals,
        "curves": [[name, a.dtype.str, a.shape] for name, a in result.curves.items()],
    }
    text = json.dumps(header).encode()
    planes = [np.ascontiguousarray(a).reshape(-1, 1).view(np.uint8).T.tobytes() for a in result.curves.values()]
    return zlib.compress(b"".join([len(text).to_bytes(_HEADER_LENGTH, "little"), text, *planes]), _COMPRESSION)


def decode(payload: bytes, seconds: float = 0.0) -> CellResult:
    """Return the result that `encode` wrote.

    Raises
    ------
    DamagedResultError
        If the bytes cannot be read.
    """
    try:
        raw = memoryview(zlib.decompress(payload))
        end = _HEADER_LENGTH + int.from_bytes(raw[:_HEADER_LENGTH], "little")
        header = json.loads(bytes(raw[_HEADER_LENGTH:end]))
        curves: dict[str, FloatArray] = {}
        for name, dtype, shape in header.pop("curves"):
            kind = np.dtype(dtype)
            size = kind.itemsize * math.prod(shape)
            planes = np.frombuffer(raw[end : end + size], np.uint8).reshape(kind.itemsize, -1)
            curves[name] = planes.T.copy().view(kind).reshape(shape)
            end += size
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise DamagedResultError(f"a stored result cannot be read ({error})") from error
    return CellResult(**header, seconds=seconds, curves=curves)
