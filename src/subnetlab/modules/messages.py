"""Tensors as messages between workers: a list of them is one array of bytes, whose shapes both sides know."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from ..engines.distributed.worker import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..engines.distributed.worker import Steps

_ALIGNED = 16  # bytes between the beginnings of tensors in a message
Form: TypeAlias = "tuple[tuple[int, ...], torch.dtype]"


def exchanged(
    outgoing: Iterable[Sequence[torch.Tensor]], awaited: Sequence[Sequence[Form]], device: torch.device
) -> Steps[list[list[torch.Tensor]]]:
    """Exchange lists of tensors, each list as one message; return what arrived from every worker."""
    sizes = [[(sum(_room(form) for form in forms),)] for forms in awaited]
    arrived = yield Exchange([[_packed(tensors)] for tensors in outgoing], sizes, np.dtype(np.uint8))
    return [_unpacked(message[0], forms, device) for message, forms in zip(arrived, awaited, strict=True)]


def size_of(form: Form) -> int:
    """Return the bytes of a tensor's numbers."""
    shape, dtype = form
    return prod(shape) * dtype.itemsize


def _room(form: Form) -> int:
    return -(-size_of(form) // _ALIGNED) * _ALIGNED


def _packed(tensors: Sequence[torch.Tensor]) -> np.ndarray:
    message = np.zeros(sum(_room((tuple(t.shape), t.dtype)) for t in tensors), np.uint8)
    start = 0
    for tensor in tensors:
        if tensor.numel():
            data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            torch.from_numpy(message[start : start + len(data)]).copy_(data)
        start += _room((tuple(tensor.shape), tensor.dtype))
    return message


def _unpacked(message: np.ndarray, forms: Sequence[Form], device: torch.device) -> list[torch.Tensor]:
    tensors, start = [], 0
    for shape, dtype in forms:
        size = size_of((shape, dtype))
        data = torch.from_numpy(message[start : start + size]).view(dtype) if size else torch.empty(0, dtype=dtype)
        tensors.append(data.reshape(shape).to(device))
        start += _room((shape, dtype))
    return tensors
