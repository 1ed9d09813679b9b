"""A file of the first worker on the disks of the others, so that machines need not share a folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import atomic_file
from ..engines.distributed.worker import Exchange
from .tensor_file import PIECE, written_together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..engines.distributed.group import Group


def copied(group: Group, path: Path) -> None:
    """Give a copy of the first worker's file to each worker that has none of this name, or another one.

    All workers call it together. Where the first worker has no file, nothing happens.

    Raises
    ------
    JobError
        On all workers, if a file cannot be read or written.
    PeerLostError
        If a worker is lost.
    """
    found, error = ("", 0), None
    try:
        if path.is_file():
            found = _sha256(path), path.stat().st_size
    except OSError as failed:
        error = failed
    group.agree(error)
    everybodys = group.tell_all_json(found)
    (wanted, size), needy = everybodys[0], [theirs[0] != everybodys[0][0] for theirs in everybodys]
    if not wanted or not any(needy):
        return
    pieces = _pieces(group, path, size, needy)
    with written_together(pieces, group.agree):
        if needy[group.rank]:
            with atomic_file(path) as file:
                for piece in pieces:
                    file.write(piece.data)
            if _sha256(path) != wanted:
                raise OSError(f"{path}: the first worker's file changed while it was copied")


def _pieces(group: Group, path: Path, size: int, needy: list[bool]) -> Iterator[np.ndarray]:
    """Send a file from the first worker, and yield it where it is needed."""
    file = path.open("rb") if group.rank == 0 else None
    try:
        for start in range(0, size, PIECE):
            length = min(PIECE, size - start)
            shapes: list[list[tuple[int, ...]]] = [[] for _ in needy]
            outgoing: list[list[np.ndarray]] = [[] for _ in needy]
            if file is not None:
                piece = np.zeros(length, np.uint8)
                file.readinto(piece.data)  # a file that has become shorter is noticed by its hash
                outgoing = [[piece] if needs else [] for needs in needy]
            elif needy[group.rank]:
                shapes[0] = [(length,)]
            arrived = group.exchange(Exchange(outgoing, shapes, np.dtype(np.uint8)))
            if needy[group.rank]:
                yield arrived[0][0]
    finally:
        if file is not None:
            file.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
