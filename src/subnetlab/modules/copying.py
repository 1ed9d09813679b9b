"""Files on the disks of several workers, so that machines need not share a folder."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import atomic_file
from ..engines.distributed.worker import Exchange
from .tensor_file import PIECE, written_together

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..engines.distributed.group import Group


def newest_file(group: Group, path: Path, held: Path | None, rounds: int) -> tuple[Path | None, int]:
    """Give every worker what the newest file of any of them holds; all workers call it together.

    Parameters
    ----------
    group : Group
    path : Path
        Where a copy goes on the workers that hold something else, or nothing.
    held : Path, optional
        The newest file here.
    rounds : int
        Completed rounds that it holds.

    Returns
    -------
    path or None
        The file with the newest content here: ``held``, or the copy. None if no worker has a file.
    int
        The worker whose file it is: the first one that has this many rounds.

    Raises
    ------
    JobError
        On all workers, if a file cannot be read or written.
    PeerLostError
        If a worker is lost.
    """
    mine, error = (-1, "", 0), None
    try:
        if held is not None:
            mine = rounds, _sha256(held), held.stat().st_size
    except OSError as failed:
        error = failed
    group.agree(error)
    everybodys = group.tell_all_json(mine)
    source = max(range(group.size), key=lambda worker: (everybodys[worker][0], -worker))
    newest, wanted, size = everybodys[source]
    if newest < 0:
        return None, source
    needy = [theirs[1] != wanted for theirs in everybodys]
    if not any(needy):
        return held, source
    pieces = _pieces(group, held if group.rank == source else None, source, size, needy)
    with written_together(pieces, group.agree):
        if needy[group.rank]:
            with atomic_file(path) as file:
                for piece in pieces:
                    file.write(piece.data)
            if _sha256(path) != wanted:
                raise OSError(f"{path}: the file of worker {source} changed while it was copied")
    return path if needy[group.rank] else held, source


def on_two_disks(group: Group, folder: Path) -> Sequence[int]:
    """Return the first worker, and the first one that sees another folder, if there is one; all call it together."""
    name = str(group.tell_all_json(f".seen-{token_hex(8)}")[0])
    try:
        if group.rank == 0:
            with suppress(OSError):  # whoever writes a file there will say why it cannot
                (folder / name).touch()
        group.tell_all(np.zeros(1))  # now it is there
        sees = group.tell_all_json(os.path.exists(folder / name))  # False, too, where it cannot be looked at
    finally:
        if group.rank == 0:
            with suppress(OSError):
                (folder / name).unlink()
    return (0, *[worker for worker in range(1, group.size) if not sees[worker]][:1])


def _pieces(group: Group, held: Path | None, source: int, size: int, needy: list[bool]) -> Iterator[np.ndarray]:
    """Send a file from one worker, and yield it where it is needed."""
    file = None if held is None else held.open("rb")
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
                shapes[source] = [(length,)]
            arrived = group.exchange(Exchange(outgoing, shapes, np.dtype(np.uint8)))
            if needy[group.rank]:
                yield arrived[source][0]
    finally:
        if file is not None:
            file.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
