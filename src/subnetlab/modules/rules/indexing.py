"""Operations that look entries up by numbers or by masks: what is looked up in is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..atoms import axis_size
from .joining import consecutive
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Labelled, Operation


@register_rule("aten.embedding")
def embedding(op: Operation) -> Labelled:
    """Look rows up: their columns are kept, and come from a table of embeddings if the input says which rows."""
    rows, columns = op.axes("weight")
    op.freeze([rows], "looks it up by numbers")
    op.produce(columns, "weight", embedding=not op.is_fixed("indices"))
    return (*op.axes("indices"), columns)


@register_rule("aten.embedding_bag")
def embedding_bag(op: Operation) -> Labelled:
    """Sum rows that are looked up."""
    rows, columns = op.axes("weight")
    op.freeze([rows], "looks it up by numbers")
    for argument in op.tensors():
        if argument != "weight":
            op.freeze(op.axes(argument), "looks up by it")
    op.produce(columns, "weight", embedding=True)
    reason = f"{op.where} looks it up by numbers"
    return [
        tuple(columns if i == 0 and d == 1 else op.fresh(s, reason) for d, s in enumerate(sizes))
        for i, sizes in enumerate(op.sizes)
    ]


@register_rule("aten.index_put")
def index_put(op: Operation) -> Labelled:
    """Set the entries that a mask of the same shape selects, all to one value; other forms freeze."""
    axes, indices = op.axes("self"), op["indices"]
    if len(indices) == 1 and _is_mask(op, 0) and all(axis_size(axis) == 1 for axis in op.axes("values")):
        mask = op.axes(("indices", 0))
        for a, b in zip(axes, mask, strict=False):
            op.agree(a, b)
        return axes
    return op.freeze_all("sets entries by numbers")


def _is_mask(op: Operation, place: int) -> bool:
    return op[("indices", place)].meta["val"].dtype in (torch.bool, torch.uint8)


@register_rule("aten.index")
def index(op: Operation) -> Labelled:
    """Look entries up along some axes; the others are kept."""
    axes = op.axes("self")
    indices = list(op["indices"])
    used = [i for i, item in enumerate(indices) if item is not None]
    if any(_is_mask(op, i) for i in used):
        return op.freeze_all("looks it up by a mask")
    if len(used) == 1 and (numbers := op.constant(("indices", used[0]))) is not None and numbers.ndim == 1:
        first = int(numbers[0]) % axis_size(axes[used[0]])
        if torch.equal(numbers % axis_size(axes[used[0]]), torch.arange(first, first + len(numbers))):
            return consecutive(op, "self", used[0], first, len(numbers))
    op.freeze([axes[i] for i in used], "looks it up by numbers")
    for i in used:
        op.freeze(op.axes(("indices", i)), "looks up by it")
    rank = max(len(op.axes(("indices", i))) for i in used)
    rest = [axis for i, axis in enumerate(axes) if i not in used]
    place = used[0] if used == list(range(used[0], used[-1] + 1)) else 0
    looked_up = [op.fresh(s, f"{op.where} looks it up by numbers") for s in op.sizes[0][place : place + rank]]
    return (*rest[:place], *looked_up, *rest[place:])


@register_rule(
    "aten.index_select", "aten.gather", "aten.scatter", "aten.scatter_add", "aten.index_add",
    "aten.index_copy", "aten.index_fill", "aten.scatter_reduce", "aten.take_along_dim",
)  # fmt: skip
def along_one_axis(op: Operation) -> Labelled:
    """Look entries up along one axis; the others are kept where all tensors share them."""
    axes = op.axes("self")
    if op["dim"] is None:
        return op.freeze_all("looks it up by numbers")
    (dimension,) = op.dims("dim", len(axes))
    result = op.sizes[0]
    for argument in op.tensors():
        other = op.axes(argument)
        if len(other) != len(axes):
            op.freeze(other, "looks up by it")
            continue
        for d, axis in enumerate(other):
            if d == dimension or axis_size(axis) != axis_size(axes[d]):
                op.freeze([axis, axes[d]], "looks it up by numbers")
            else:
                op.agree(axis, axes[d])
    return tuple(
        axis if d != dimension and axis_size(axis) == size else op.fresh(size, f"{op.where} looks it up by numbers")
        for d, (axis, size) in enumerate(zip(axes, result, strict=True))
    )
