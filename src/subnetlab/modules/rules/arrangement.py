"""Operations that give the same entries other axes: view and its kin regroup atoms, permute reorders axes.

Last, tensors that are made of sizes alone: constant ones may be of any length, others tell their entries apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..atoms import axis_size, regroup
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Labelled, Operation

_aten = torch.ops.aten


@register_rule("aten.view", "aten.reshape", "aten._unsafe_view", "aten._reshape_alias", "aten.view_copy")
def view(op: Operation) -> Labelled:
    """Regroup the atoms of all axes."""
    if "size" not in op.arguments and "shape" not in op.arguments:  # view.dtype
        axes = op.axes("self")
        return (
            axes if [axis_size(a) for a in axes] == list(op.sizes[0]) else op.freeze_all("changes the type of entries")
        )
    axes = tuple(regroup(op.axes("self"), op.sizes[0]))
    op.resize("size" if "size" in op.arguments else "shape", axes)
    return axes


@register_rule("aten.view_as", "aten.reshape_as")
def view_as(op: Operation) -> Labelled:
    """Regroup as another tensor is grouped."""
    axes = tuple(regroup(op.axes("self"), op.sizes[0]))
    for a, b in zip(axes, op.axes("other"), strict=True):
        op.agree(a, b)
    return axes


@register_rule("aten.flatten")
def flatten(op: Operation) -> Labelled:
    """Join consecutive axes."""
    return tuple(regroup(op.axes("self"), op.sizes[0]))


@register_rule("aten.unflatten")
def unflatten(op: Operation) -> Labelled:
    """Factor one axis."""
    (d,) = op.dims("dim", len(op.axes("self")))
    axes = tuple(regroup(op.axes("self"), op.sizes[0]))
    op.resize("sizes", axes[d : d + len(op["sizes"])])
    return axes


@register_rule("aten.expand", "aten.broadcast_to")
def expand(op: Operation) -> Labelled:
    """Give axes of one entry any length."""
    axes = op.axes("self")
    missing = len(op.sizes[0]) - len(axes)
    result = tuple(
        axis if axis_size(axis) == size else op.fresh(size)
        for axis, size in zip([((),)] * missing + list(axes), op.sizes[0], strict=True)
    )
    op.resize("size", result)
    return result


@register_rule("aten.expand_as")
def expand_as(op: Operation) -> Labelled:
    """Broadcast to the axes of another tensor."""
    axes, other = op.axes("self"), op.axes("other")
    for a, b in zip(reversed(axes), reversed(other), strict=False):
        op.agree(a, b)
    return other


@register_rule("aten.permute")
def permute(op: Operation) -> Labelled:
    """Reorder the axes."""
    axes = op.axes("self")
    return tuple(axes[d] for d in op.dims("dims", len(axes)))


@register_rule("aten.transpose", "aten.swapaxes", "aten.swapdims")
def transpose(op: Operation) -> Labelled:
    """Exchange two axes."""
    axes = list(op.axes("self"))
    names = [n for n in op.arguments if n != "self"]
    (i,), (j,) = (op.dims(name, len(axes)) for name in names)
    axes[i], axes[j] = axes[j], axes[i]
    return tuple(axes)


@register_rule("aten.t", "aten.mT", "aten.mH", "aten.adjoint", "aten.numpy_T", "aten.matrix_H")
def t(op: Operation) -> Labelled:
    """Exchange the last two axes (`T`: reverse all)."""
    axes = op.axes("self")
    if op.name.startswith("aten.numpy_T"):
        return axes[::-1]
    return (*axes[:-2], *axes[-2:][::-1])


@register_rule("aten.movedim", "aten.moveaxis")
def movedim(op: Operation) -> Labelled:
    """Move axes to other places."""
    axes = op.axes("self")
    source, destination = op.dims("source", len(axes)), op.dims("destination", len(axes))
    moved = dict(zip(destination, source, strict=True))
    rest = iter(d for d in range(len(axes)) if d not in source)
    return tuple(axes[moved[d] if d in moved else next(rest)] for d in range(len(axes)))


@register_rule("aten.unsqueeze")
def unsqueeze(op: Operation) -> Labelled:
    """Add an axis of one entry."""
    axes = list(op.axes("self"))
    (d,) = op.dims("dim", len(axes) + 1)
    axes.insert(d, ((),))
    return tuple(axes)


@register_rule("aten.squeeze")
def squeeze(op: Operation) -> Labelled:
    """Drop axes of one entry: those that have one in the whole network, not those that are cut down to one."""
    axes = op.axes("self")
    dims = op.dims("dim", len(axes)) if "dim" in op.arguments else range(len(axes))
    dropped = [d for d in dims if axis_size(axes[d]) == 1]
    if op.name.split(".")[1].endswith("_"):
        op.freeze([axis for d, axis in enumerate(axes) if d in dims], "drops axes in place")
    else:
        op.replace(_aten.squeeze.dims, axes, lambda length: (op["self"], dropped))
    return tuple(axis for d, axis in enumerate(axes) if d not in dropped)


@register_rule("aten.view_as_real")
def view_as_real(op: Operation) -> Labelled:
    """Add an axis of two numbers."""
    return (*op.axes("self"), op.fresh(2, f"{op.where} tells its entries apart"))


@register_rule("aten.view_as_complex")
def view_as_complex(op: Operation) -> Labelled:
    """Drop the last axis, of two numbers."""
    axes = op.axes("self")
    op.freeze(axes[-1:], "joins its entries")
    return axes[:-1]


@register_rule("aten.diagonal")
def diagonal(op: Operation) -> Labelled:
    """Freeze the two axes of which the diagonal is taken."""
    axes = op.axes("self")
    (i,), (j,) = op.dims("dim1", len(axes)), op.dims("dim2", len(axes))
    op.freeze([axes[i], axes[j]], "takes the diagonal")
    rest = [axis for d, axis in enumerate(axes) if d not in (i, j)]
    return (*rest, op.fresh(op.sizes[0][-1], f"{op.where} takes the diagonal"))


@register_rule("aten.broadcast_tensors")
def broadcast_tensors(op: Operation) -> Labelled:
    """Broadcast tensors to each other: aligned axes agree."""
    result = [op.fresh(1) for _ in op.sizes[0]]
    for axes in map(op.axes, op.tensors()):
        for d, axis in zip(range(-1, -len(axes) - 1, -1), reversed(axes), strict=True):
            op.agree(result[d], axis)
            result[d] = axis if axis_size(axis) != 1 else result[d]
    return [tuple(result)] * len(op.sizes)


@register_rule(
    "aten.zeros", "aten.ones", "aten.full", "aten.empty", "aten.rand", "aten.randn", "aten.randint",
    "aten.new_zeros", "aten.new_ones", "aten.new_full", "aten.new_empty", "aten.new_empty_strided",
)  # fmt: skip
def constant(op: Operation) -> Labelled:
    """Give every axis a new atom, and the sizes their lengths."""
    axes = tuple(op.fresh(size) for size in op.sizes[0])
    if op.name.startswith("aten.new_empty_strided"):
        return op.freeze_all("has strides of its own")
    op.resize("size", axes)
    return axes


@register_rule(
    "aten.arange", "aten.linspace", "aten.eye", "aten.tril_indices", "aten.triu_indices", "aten.one_hot",
    "aten.hann_window", "aten.scalar_tensor", "aten.randperm", "aten.logspace", "aten.bartlett_window",
)  # fmt: skip
def positions(op: Operation) -> Labelled:
    """Freeze what tells its entries apart."""
    return op.freeze_all("tells its entries apart")


@register_rule(
    "aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu", "aten.lstm_cell", "aten.gru_cell",
    "aten.rnn_tanh_cell", "aten.rnn_relu_cell",
)  # fmt: skip
def recurrent(op: Operation) -> Labelled:
    """Freeze recurrent layers: their operation takes gates and layers as one list."""
    return op.freeze_all("is left whole: write the cell with linear layers to cut it")
