"""Whole tensors at the workers that write them, a piece at a time: they never come together in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from .messages import exchanged
from .tensor_file import PIECE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..engines.distributed.worker import Steps
    from .messages import Form
    from .workers import Together


class _Piece(NamedTuple):
    """Some of the numbers of a tensor that live at one worker."""

    name: str
    worker: int
    first: int
    end: int


def collected(
    workers: Together,
    tensors: Mapping[str, torch.Tensor],
    shapes: Mapping[str, Sequence[int]],
    writers: Sequence[int],
) -> Iterator[torch.Tensor]:
    """Yield the numbers of whole tensors on some workers, one after another; see `Workers.pieces`."""
    for batch in _batches(workers, tensors, shapes):
        yield from workers.group.drive(_brought(workers, tensors, batch, writers))


def _batches(
    workers: Together, tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]]
) -> Iterator[list[_Piece]]:
    """Yield what comes together at a time, the same on every worker: small tensors do not travel one by one."""
    batch: list[_Piece] = []
    room = PIECE
    for name, tensor in tensors.items():
        size = tensor.element_size()
        for worker in range(workers.size):
            first, end = 0, _numbers_at(workers, worker, tensor, shapes.get(name))
            while first < end:
                batch.append(_Piece(name, worker, first, min(end, first + max(1, room // size))))
                first = batch[-1].end
                room -= (first - batch[-1].first) * size
                if room <= 0:
                    yield batch
                    batch, room = [], PIECE
    if batch:
        yield batch


def _numbers_at(workers: Together, worker: int, tensor: torch.Tensor, shape: Sequence[int] | None) -> int:
    """Return how many numbers of a tensor come from a worker: where it is on all of them, all from worker 0."""
    if shape is None:
        return 0 if worker else tensor.numel()
    first, end = workers.rows_of(shape, worker)
    return (end - first) * torch.Size(shape[1:]).numel()


def _brought(
    workers: Together, tensors: Mapping[str, torch.Tensor], batch: Sequence[_Piece], writers: Sequence[int]
) -> Steps[list[torch.Tensor]]:
    def numbers(worker: int) -> list[tuple[torch.Tensor, int, int]]:
        return [(tensors[piece.name], piece.first, piece.end) for piece in batch if piece.worker == worker]

    here = [tensor.detach().reshape(-1)[first:end] for tensor, first, end in numbers(workers.rank)]
    writes = workers.rank in writers
    outgoing = [here if worker in writers else [] for worker in range(workers.size)]
    awaited: list[list[Form]] = [[] for _ in range(workers.size)]
    for a in range(workers.size) if writes else ():
        awaited[a] = [((end - first,), tensor.dtype) for tensor, first, end in numbers(a)]
    arrived = yield from exchanged(outgoing, awaited, torch.device("cpu"))
    rest = list(map(iter, arrived))
    return [next(rest[piece.worker]) for piece in batch] if writes else []
