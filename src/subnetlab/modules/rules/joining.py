"""Operations that join tensors, or take parts of them: an axis as a concatenation of labelled parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..atoms import Axis, axis_of, axis_size, regroup, take
from .table import register_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..operation import Argument, Axes, Labelled, Operation

_aten = torch.ops.aten
_PARTS_AT_MOST = 256


@register_rule("aten.cat", "aten.concat", "aten.concatenate")
def cat(op: Operation) -> Labelled:
    """Join the labels along one axis; the others agree."""
    operands = [axes for axes in map(op.axes, op.tensors()) if axes_of_tensor(axes)]
    first, *others = operands
    (dimension,) = op.dims("dim", len(first))
    for axes in others:
        for d, (a, b) in enumerate(zip(first, axes, strict=True)):
            if d != dimension:
                op.agree(a, b)
    joined = tuple(part for axes in operands for part in axes[dimension])
    return (*first[:dimension], joined, *first[dimension + 1 :])


def axes_of_tensor(axes: Axes) -> bool:
    """Return whether a tensor has entries: `cat` skips old-style empty ones."""
    return not (len(axes) == 1 and axis_size(axes[0]) == 0)


@register_rule("aten.stack")
def stack(op: Operation) -> Labelled:
    """Unite all axes, and put a new one between them."""
    first, *others = map(op.axes, op.tensors())
    (dimension,) = op.dims("dim", len(first) + 1)
    for axes in others:
        for a, b in zip(first, axes, strict=True):
            op.agree(a, b)
    new = op.fresh(len(others) + 1, f"{op.where} tells its entries apart")
    return (*first[:dimension], new, *first[dimension:])


def _parts(op: Operation, argument: Argument, dimension: int, sizes: list[int]) -> list[Axes]:
    axes = op.axes(argument)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    pieces = [take(axes[dimension], start, size) for start, size in zip(starts, sizes, strict=True)]
    return [(*axes[:dimension], piece, *axes[dimension + 1 :]) for piece in pieces]


@register_rule(
    "aten.chunk", "aten.split", "aten.split_with_sizes", "aten.tensor_split", "aten.unsafe_chunk",
    "aten.unsafe_split", "aten.hsplit", "aten.unsafe_split_with_sizes",
)  # fmt: skip
def split(op: Operation) -> Labelled:
    """Take consecutive parts; their lengths are written out where they are cut."""
    (source,) = op.tensors()
    axes = op.axes(source)
    if "dim" not in op.arguments:
        return op.freeze_all("has no rule for this form")
    (dimension,) = op.dims("dim", len(axes))
    whole = axes[dimension]
    sizes = [s[dimension] for s in op.sizes]
    if sum(sizes) != axis_size(whole):
        return op.freeze_all("takes parts of sizes that are not known")
    results = _parts(op, source, dimension, sizes)
    pieces = [labels[dimension] for labels in results]

    def arguments(length: Callable[[Axis], int]) -> tuple:
        return op[source], [length(piece) for piece in pieces], dimension

    op.replace(_aten.split_with_sizes.default, pieces, arguments)
    return results


@register_rule("aten.slice", "aten.narrow")
def slice_(op: Operation) -> Labelled:
    """Take consecutive entries; a step, or a border that varies, freezes the axis."""
    axes = op.axes("self" if op.is_tensor("self") else "input")
    source = "self" if op.is_tensor("self") else "input"
    (dimension,) = op.dims("dim", len(axes))
    whole = axes[dimension]
    size, kept = axis_size(whole), op.sizes[0][dimension]
    if kept == size:
        return axes
    start = op["start"] if op["start"] is not None else 0
    if not isinstance(start, int) or op["step"] not in (None, 1) or not 0 < kept < size or _symbolic(op, dimension):
        op.freeze([whole], "takes some of its entries")
        piece = op.fresh(kept, f"{op.where} takes some of its entries")
        return (*axes[:dimension], piece, *axes[dimension + 1 :])
    return consecutive(op, source, dimension, max(start + size, 0) if start < 0 else start, kept)


def consecutive(op: Operation, source: Argument, dimension: int, start: int, kept: int) -> Axes:
    """Label ``kept`` entries from ``start`` on, as a slice whose borders move with what is cut."""
    axes = op.axes(source)
    before = take(axes[dimension], 0, start) if start else ((),)
    piece = take(axes[dimension], start, kept)

    def arguments(length: Callable[[Axis], int]) -> tuple:
        first = length(before) if start else 0
        return op[source], dimension, first, first + length(piece)

    op.replace(_aten.slice.Tensor, [before, piece], arguments)
    return (*axes[:dimension], piece, *axes[dimension + 1 :])


def _symbolic(op: Operation, dimension: int) -> bool:
    return not isinstance(op.node.meta["val"].shape[dimension], int) or not isinstance(
        op[op.tensors()[0]].meta["val"].shape[dimension], int
    )


@register_rule("aten.select", "aten.unbind")
def select(op: Operation) -> Labelled:
    """Take single entries, which tells them apart."""
    (source,) = op.tensors()
    axes = op.axes(source)
    (dimension,) = op.dims("dim", len(axes))
    op.freeze([axes[dimension]], "takes some of its entries")
    rest = (*axes[:dimension], *axes[dimension + 1 :])
    return [rest] * len(op.sizes) if isinstance(op.node.meta.get("val"), list | tuple) else rest


@register_rule("aten.constant_pad_nd", "aten.pad")
def pad(op: Operation) -> Labelled:
    """Join constant entries to an axis; a mode that repeats entries freezes it."""
    axes = list(op.axes("self"))
    amounts = op["pad"]
    constant = op["mode"] in (None, "constant")
    lengths: list[Axis | None] = []
    for i in range(0, len(amounts), 2):
        d = len(axes) - 1 - i // 2
        before, after = amounts[i : i + 2]
        plain = constant and all(isinstance(n, int) and n >= 0 for n in (before, after))
        if (before, after) == (0, 0):
            lengths += [None, None]
        elif plain and isinstance(op.node.meta["val"].shape[d], int):
            left, right = axis_of(before), axis_of(after)
            axes[d] = (*(left if before else ()), *axes[d], *(right if after else ()))
            lengths += [left if before else None, right if after else None]
        else:
            op.freeze([axes[d]], "changes its length")
            axes[d] = op.fresh(op.sizes[0][d], f"{op.where} changes its length")
            lengths += [None, None]
    op.resize("pad", lengths)
    return tuple(axes)


@register_rule("aten.repeat", "aten.tile")
def repeat(op: Operation) -> Labelled:
    """Put copies of an axis one after another."""
    axes = op.axes("self")
    new = len(op.sizes[0]) - len(axes)
    result: list[Axis] = []
    for size, axis in zip(op.sizes[0], [((),)] * new + list(axes), strict=True):
        copies = op.fresh(size // max(axis_size(axis), 1), f"{op.where} makes copies")
        result += [axis] if size == axis_size(axis) else regroup([copies, axis], [size])
    return tuple(result)


@register_rule("aten.repeat_interleave")
def repeat_interleave(op: Operation) -> Labelled:
    """Put copies of every entry beside it."""
    if not isinstance(op["repeats"], int) or op["dim"] is None:
        return op.freeze_all("takes numbers that are not known")
    axes = list(op.axes("self"))
    (d,) = op.dims("dim", len(axes))
    copies = op.fresh(op["repeats"], f"{op.where} makes copies")
    (axes[d],) = regroup([axes[d], copies], [op.sizes[0][d]])
    if op["output_size"] is not None:
        op.resize("output_size", [axes[d]])
    return tuple(axes)
