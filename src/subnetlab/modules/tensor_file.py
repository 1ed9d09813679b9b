"""Files of tensors (safetensors) that are written piece by piece: whoever writes holds one piece, not the network.

A file may carry a checksum of everything else in it, as one of the texts of its header. The header comes first and the
checksum is known last, so it is written over zeros of the same length, before the file takes its place.
"""

from __future__ import annotations

import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ..atomic import atomic_file, checked_path, in_folder
from ..engines.distributed.group import PeerLostError
from .messages import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO, Any

    from .messages import Form
    from .workers import Workers

PIECE = 1 << 24  # bytes: the most of one piece
CHECKSUM = "checksum"
_UNKNOWN = "0" * 8  # as long as every checksum

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def pieces_of(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield a tensor's numbers, row by row, in pieces."""
    yield from tensor.detach().reshape(-1).split(max(1, PIECE // tensor.element_size()))


def bytes_of(piece: torch.Tensor) -> memoryview:
    """Return the bytes of numbers, shape (...,)."""
    flat = piece.detach().cpu().reshape(-1).contiguous()
    # a row of one number or of none counts as contiguous whatever its stride is, but torch then refuses its bytes
    return flat.as_strided(flat.shape, (1,)).view(torch.uint8).numpy().data


def write_tensors(
    workers: Workers,
    path: str | Path,
    tensors: Mapping[str, torch.Tensor],
    shapes: Mapping[str, Sequence[int]],
    metadata: Mapping[str, str],
    *,
    name: str,
    checksum: bool = False,
    before: Callable[[], None] = lambda: None,
    writers: Sequence[int] = (0,),
) -> None:
    """Write tensors to a file that safetensors reads, whole or not there: all workers together, by the hand of some.

    Parameters
    ----------
    workers : Workers
    path : path
    tensors : mapping from name to tensor
        What is here of them.
    shapes : mapping from name to sequence of int
        Of whole tensors, for those that live by rows; the others are on every worker.
    metadata : mapping from str to str
    name : str
        The owner and the argument that errors of the path begin with.
    checksum : bool, default False
        Add to the metadata what `read_tensors` holds the file against.
    before : callable, optional
        What a worker that writes does first.
    writers : sequence of int, optional
        The workers that write the file, each to its own disk.

    Raises
    ------
    OSError
        If the file cannot be written; an older file stays as it was. Of several workers, all raise a JobError.
    TypeError
        If the path is none, or safetensors cannot hold numbers of some tensor's type.
    PeerLostError
        If a worker is lost.
    """
    path = checked_path(path, name)
    forms = _longest_first({n: (tuple(shapes.get(n, tensor.shape)), tensor.dtype) for n, tensor in tensors.items()})
    header = _header(forms, {**metadata, CHECKSUM: _UNKNOWN} if checksum else metadata)
    pieces = workers.pieces({n: tensors[n] for n in forms}, shapes, writers)
    with written_together(pieces, workers.agree):
        if workers.rank in writers:
            in_folder(path, name)
            before()
            with atomic_file(path) as file:
                write = _write_with_checksum if checksum else _write
                write(file, header, map(bytes_of, pieces))


def read_tensors(file: Any) -> dict[str, torch.Tensor]:
    """Return the tensors of a file that safetensors has opened.

    Raises
    ------
    ValueError
        If the file carries a checksum, and it is not that of the tensors and the metadata.
    """
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata = file.metadata() or {}
    if CHECKSUM not in metadata:  # released versions wrote none
        return tensors
    forms = _longest_first({name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()})
    found = zlib.crc32(_header(forms, {**metadata, CHECKSUM: _UNKNOWN}))
    for name in forms:
        found = zlib.crc32(bytes_of(tensors[name]), found)
    if metadata[CHECKSUM] != _text(found):
        raise ValueError(
            f"its checksum must be {_text(found)}, got {metadata[CHECKSUM]}: some of its bytes have changed"
        )
    return tensors


def _write(file: IO[bytes], header: bytes, content: Iterable[memoryview]) -> None:
    file.write(header)
    for piece in content:
        file.write(piece)


def _write_with_checksum(file: IO[bytes], header: bytes, content: Iterable[memoryview]) -> None:
    file.write(header)
    checksum = zlib.crc32(header)
    for piece in content:
        checksum = zlib.crc32(piece, checksum)
        file.write(piece)
    name = f'"{CHECKSUM}": "'.encode()  # nowhere else: inside a text its quotes would be escaped
    file.seek(header.index(name) + len(name))
    file.write(_text(checksum).encode())


def _text(checksum: int) -> str:
    return f"{checksum:0{len(_UNKNOWN)}x}"


def _longest_first(forms: Mapping[str, Form]) -> dict[str, Form]:
    """Return the order in which a file holds tensors: all are aligned."""
    return dict(sorted(forms.items(), key=lambda item: (-item[1][1].itemsize, item[0])))


@contextmanager
def written_together(pieces: Iterable[object], agree: Callable[[Exception | None], None]) -> Iterator[None]:
    """Let some workers write in the block what all of them move, and all go on alike, or fail, after it.

    Parameters
    ----------
    pieces : iterator
        All workers run through it to its end, also those that write nothing, or cannot.
    agree : callable
        Raises the error of one worker on all of them.
    """
    error = None
    try:
        yield
    except PeerLostError:  # an OSError, too
        raise
    except OSError as failed:
        error = failed
    for _ in pieces:
        pass
    agree(error)


def _header(forms: Mapping[str, Form], metadata: Mapping[str, str]) -> bytes:
    """Return the length of a JSON text, and the text, which says where the numbers are that follow it.

    It is the same bytes in every version, for the checksum's sake.
    """
    entries: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name, (shape, dtype) in forms.items():
        if dtype not in _DTYPES:
            raise TypeError(f"ModuleTraining: {name} must be of a type that safetensors can hold, got {dtype}")
        start, end = end, end + size_of(forms[name])
        entries[name] = {"dtype": _DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
