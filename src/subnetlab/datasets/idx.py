"""IDX, the format of MNIST and its kin: a header of type and shape, then bytes; mostly inside gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import IO

import numpy as np

from ..input_file import FileContentError

_GZIP = b"\x1f\x8b"
_BYTES = 8  # the code for numbers of one byte without sign


def read_idx(file: IO[bytes], shape: tuple[int, ...], owner: str) -> np.ndarray:
    r"""Return the array of a file, whose header is checked before any memory is taken.

    Parameters
    ----------
    file : binary file
        At its beginning; compressed by gzip or not.
    shape : tuple of int
        What the file must hold.
    owner : str
        The file, for messages.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    FileContentError
        If it is no such file, is damaged, or holds another shape.

    Examples
    --------
    >>> import io
    >>> read_idx(io.BytesIO(b"\0\0\x08\x01\0\0\0\x03" + b"abc"), (3,), "example")
    array([97, 98, 99], dtype=uint8)
    """
    packed = file.read(2) == _GZIP
    file.seek(0)
    header = idx_header(shape)
    size = math.prod(shape)
    try:
        stream = gzip.GzipFile(fileobj=file) if packed else file
        found = stream.read(len(header))
        content = stream.read(size + 1) if found == header else b""  # one more byte: then gzip compares its checksum
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the machine's fault, not the file's
        raise FileContentError(f"{owner}: must be a whole gzip file, got: {error}") from None
    if found != header:
        raise FileContentError(
            f"{owner}: must be an IDX file of {_words(shape)} bytes, got the header {found.hex(' ')}"
        )
    if len(content) != size:
        problem = "more" if len(content) > size else f"{len(content):,}"
        raise FileContentError(f"{owner}: must hold {size:,} bytes behind its header, got {problem}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def idx_header(shape: tuple[int, ...]) -> bytes:
    r"""Return the header of a file of bytes without sign.

    Examples
    --------
    >>> idx_header((3,))
    b'\x00\x00\x08\x01\x00\x00\x00\x03'
    """
    return bytes([0, 0, _BYTES, len(shape)]) + b"".join(length.to_bytes(4, "big") for length in shape)


def _words(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{length:,}" for length in shape)
