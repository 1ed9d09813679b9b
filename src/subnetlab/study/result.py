"""What a cell gives, and its bytes in the store.

The bytes are a pure function of the result's content, without the time it took, so that two studies of one plan
are equal bit by bit.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from .. import __version__
from ..input_file import FileContentError, check_unpacked

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

ResultStatus: TypeAlias = Literal["ok", "diverged", "failed"]

_STATUSES = get_args(ResultStatus)
_HEADER_LENGTH = 4  # bytes
_LONGEST_HEADER = 1_000_000  # bytes
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
    version : str, optional
        The version of subnetlab that made it; None means the one that encodes it, or one that did not say.
    """

    status: ResultStatus
    message: str = ""
    step_size: float | None = None
    rounds: int = 0
    seconds: float = 0.0
    finals: dict[str, float] = field(default_factory=dict)
    curves: dict[str, FloatArray] = field(default_factory=dict)
    version: str | None = None


def last_line(message: str) -> str:
    """Return the line of a failed cell's message that names the error."""
    lines = message.strip().splitlines()
    return lines[-1] if lines else "no reason known"


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
        "version": result.version or __version__,
        "curves": [[name, a.dtype.str, a.shape] for name, a in result.curves.items()],
    }
    text = json.dumps(header).encode()
    planes = [np.ascontiguousarray(a).reshape(-1, 1).view(np.uint8).T.tobytes() for a in result.curves.values()]
    return zlib.compress(b"".join([len(text).to_bytes(_HEADER_LENGTH, "little"), text, *planes]), _COMPRESSION)


def decode(payload: bytes, seconds: float = 0.0, *, curves: bool = True) -> CellResult:
    """Return the result that `encode` wrote.

    Parameters
    ----------
    payload : bytes
    seconds : float
    curves : bool, default True
        Whether the curves are unpacked, too.

    Raises
    ------
    DamagedResultError
        If the bytes cannot be read, or claim curves larger than compression explains: a few bytes can claim any size,
        so it is checked before memory is taken.
    """
    try:
        stream = zlib.decompressobj()
        length = int.from_bytes(stream.decompress(payload, _HEADER_LENGTH), "little")
        if not 0 < length <= _LONGEST_HEADER:
            raise ValueError(f"its header must take at most {_LONGEST_HEADER} bytes, got {length}")
        header = json.loads(stream.decompress(stream.unconsumed_tail, length))
        listed = header.pop("curves")
        result = CellResult(**header, seconds=seconds)
        _check(result)
        shapes = [(str(name), np.dtype(kind), tuple(map(int, shape))) for name, kind, shape in listed]
        sizes = [kind.itemsize * math.prod(shape) for _, kind, shape in shapes]
        if any(kind.kind != "f" or min(shape, default=0) < 0 for _, kind, shape in shapes):
            raise ValueError("its curves must be arrays of floats")
        check_unpacked(sum(sizes), len(payload), "its curves")
        if not curves:
            return result
        rest = stream.decompress(stream.unconsumed_tail, sum(sizes) + 1)
        if len(rest) != sum(sizes) or not stream.eof:
            raise ValueError(f"its curves must take {sum(sizes)} bytes, got others")
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedResultError(f"a stored result cannot be read ({error})") from error
    place = 0
    for (name, kind, shape), size in zip(shapes, sizes, strict=True):
        planes = np.frombuffer(rest, np.uint8, size, place).reshape(kind.itemsize, -1)
        result.curves[name] = planes.T.copy().view(kind).reshape(shape)
        place += size
    return result


def _check(result: CellResult) -> None:
    """Raise TypeError or ValueError if a stored header holds what `encode` never writes."""
    numbers = [*result.finals.values(), result.rounds, 0.0 if result.step_size is None else result.step_size]
    texts = [*result.finals, result.message, "" if result.version is None else result.version]
    if result.status not in _STATUSES or result.rounds < 0:
        raise ValueError("its status and its rounds must be those of a result")
    if not all(isinstance(number, (int, float)) for number in numbers) or not all(isinstance(t, str) for t in texts):
        raise TypeError("its values must be numbers and texts")
