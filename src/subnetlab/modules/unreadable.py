"""Why torch.export cannot read a network, in one sentence that names the layer at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .errors import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def why_unreadable(model: nn.Module, error: Exception) -> str:
    """Return what to say of an error that torch.export raised, and what to do about it."""
    kind, text = type(error).__name__, str(error)
    layer = _at_work(model, error)
    where = _described(model, layer)
    if "DataDependent" in kind or "data-dependent" in text or "Could not guard" in text:
        if isinstance(layer, _BatchNorm) and layer.momentum is None:
            return (
                f"cut: {where} must have a number as momentum, got None: a graph cannot count the batches of a mean "
                "over all of them; set momentum=0.1, and measure with recalibrate=True, which takes such a mean"
            )
        places = [t.strip() for t in text.splitlines() if t.strip().startswith('File "')]
        ours = [place for place in places if _FOLDER not in place and torch.__path__[0] not in place]
        line = f" ({ours[-1]})" if ours else ""
        return (
            f"cut: the forward of {where} decides by the values of a tensor, which a graph cannot hold{line}: use "
            "torch.where, or cut the part of the network that does not decide"
        )
    why = f"{kind}: {first_line(error)}"
    return f"cut: torch.export cannot read the forward of {where} ({why}): cut a part that it can read"


_FOLDER = __file__.rpartition("unreadable")[0]


def _at_work(model: nn.Module, error: BaseException) -> nn.Module:
    """Return the innermost module of the network that was being called; the network if the error does not tell."""
    parts = set(model.modules())
    found = model
    for frame in _frames(error):
        caller = frame.f_locals.get("self")
        if isinstance(caller, nn.Module) and caller in parts:
            found = caller
    return found


def _frames(error: BaseException | None) -> Iterator[FrameType]:
    """Yield the calls that led to an error, the innermost last, and then those of the error that it was raised on."""
    while error is not None:
        step = error.__traceback__
        while step is not None:
            yield step.tb_frame
            step = step.tb_next
        error = error.__cause__ or error.__context__


def _described(model: nn.Module, layer: nn.Module) -> str:
    """Return the type of a layer, and its name in the network."""
    name = next(name for name, part in model.named_modules() if part is layer)
    return f"{type(layer).__name__} at {name}" if name else type(layer).__name__
