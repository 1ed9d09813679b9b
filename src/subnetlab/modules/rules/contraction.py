"""Sums over an axis of products: linear layers, matrix products, einsum.

Every axis of every operand has a letter, as in einsum. Equal letters agree. A letter that is summed over, between an
activation and weights, is consumed; a letter that only the weights have is produced. Where no operand depends on the
input, the first one counts as the activation.
Attention as one operation comes last: heads stay apart, everything else is mixed or scaled by its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..atoms import axis_size, regroup
from .table import register_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..atoms import Axis
    from ..operation import Argument, Axes, Labelled, Operation

    Letters = Sequence[object]
    Places = list[tuple[Argument, int]]


def contract(op: Operation, operands: Sequence[tuple[Argument, Letters]], result: Letters) -> Axes:
    """Label a product that is summed over the letters that the result lacks.

    Parameters
    ----------
    op : Operation
    operands : sequence of (argument, letters)
    result : letters
        None for an axis that no operand has.
    """
    varies = [argument for argument, _ in operands if not op.is_fixed(argument)]
    weights = {argument for argument, _ in operands if argument not in (varies or [operands[0][0]])}
    places: dict[object, Places] = {}
    for argument, letters in operands:
        for dimension, letter in enumerate(letters):
            places.setdefault(letter, []).append((argument, dimension))
    for letter, where in places.items():
        where[:] = [p for p in where if axis_size(op.axes(p[0])[p[1]]) != 1] or where[:1]  # others are broadcast
        first, *others = [op.axes(argument)[d] for argument, d in where]
        for other in others:
            op.agree(first, other)
        used = [place for place in where if place[0] in weights]
        rest = [place for place in where if place[0] not in weights]
        if letter in result:
            if not rest:
                op.produce(first, used[0][0])
        elif len(used) == len(rest) == 1:
            ((data, dimension),), ((weight, weight_dimension),) = rest, used
            op.consume(data, dimension, first, weight, weight_dimension, first)
        else:
            op.freeze([first], "sums over it without weights of its own")
    return tuple(_label(op, places, letter) for letter in result)


def _label(op: Operation, places: dict[object, Places], letter: object) -> Axis:
    argument, dimension = places[letter][0]
    return op.axes(argument)[dimension]


@register_rule("aten.linear")
def linear(op: Operation) -> Labelled:
    """Label ``input @ weight.T + bias``."""
    *batch, _ = range(len(op.axes("input")))
    out = contract(op, [("input", [*batch, "in"]), ("weight", ["out", "in"])], [*batch, "out"])
    if op.is_tensor("bias"):
        op.agree(op.axes("bias")[-1], out[-1])
    return out


def _matrix_letters(op: Operation, left: Argument, right: Argument) -> tuple[Letters, Letters, Letters]:
    """Return the letters of ``left @ right``, batch dimensions counted from the right."""
    n, k = len(op.axes(left)), len(op.axes(right))
    batch = [-d for d in range(max(n, k) - 2, 0, -1)]
    rows, columns = ["row"] if n > 1 else [], ["column"] if k > 1 else []
    a = [*(batch[len(batch) - (n - 2) :] if n > 2 else []), *rows, "inner"]
    b = [*(batch[len(batch) - (k - 2) :] if k > 2 else []), "inner", *columns]
    return a, b, [*batch, *rows, *columns]


def _product(op: Operation, left: Argument, right: Argument) -> Axes:
    a, b, result = _matrix_letters(op, left, right)
    return contract(op, [(left, a), (right, b)], result)


@register_rule("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten.dot", "aten.inner", "aten.vdot")
def matmul(op: Operation) -> Labelled:
    """Label the product of two vectors, matrices or batches of them."""
    left, right = op.tensors()
    if op.name.startswith("aten.inner") and min(len(op.axes(left)), len(op.axes(right))) > 1:
        return op.freeze_all("has no rule for matrices")
    return _product(op, left, right)


@register_rule("aten.addmm", "aten.baddbmm", "aten.addmv")
def addmm(op: Operation) -> Labelled:
    """Label ``self + left @ right``."""
    bias, left, right = op.tensors()
    out = _product(op, left, right)
    op.add_product(bias, out)
    for a, b in zip(reversed(op.axes(bias)), reversed(out), strict=False):
        op.agree(a, b)
    return out


@register_rule("aten.outer", "aten.ger")
def outer(op: Operation) -> Labelled:
    """Label the outer product."""
    a, b = op.tensors()
    return contract(op, [(a, ["row"]), (b, ["column"])], ["row", "column"])


@register_rule("aten.bilinear")
def bilinear(op: Operation) -> Labelled:
    """Label ``input1 @ weight[o] @ input2``."""
    *batch, _ = range(len(op.axes("input1")))
    operands = [("input1", [*batch, "i"]), ("weight", ["o", "i", "j"]), ("input2", [*batch, "j"])]
    out = contract(op, operands, [*batch, "o"])
    if op.is_tensor("bias"):
        op.agree(op.axes("bias")[0], out[-1])
    return out


@register_rule("aten.einsum")
def einsum(op: Operation) -> Labelled:
    """Label an einsum by its own letters; dots are dimensions counted from the right."""
    equation = op["equation"].replace(" ", "")
    left, arrow, right = equation.partition("->")
    arguments = op.tensors()
    operands = []
    dots: list[Any] = []
    for argument, text in zip(arguments, left.split(","), strict=True):
        before, ellipsis, after = text.partition("...")
        n = len(op.axes(argument)) - len(before) - len(after)
        middle = [-d for d in range(n, 0, -1)] if ellipsis else []
        dots = max(dots, middle, key=len)
        operands.append((argument, [*before, *middle, *after]))
    letters = [letter for _, ls in operands for letter in ls]
    if any(len(set(ls)) != len(ls) for _, ls in operands):
        return op.freeze_all("takes a diagonal")
    if arrow:
        before, ellipsis, after = right.partition("...")
        result = [*before, *(dots if ellipsis else []), *after]
    else:
        result = [*dots, *sorted(x for x in set(letters) - set(dots) if letters.count(x) == 1)]
    return contract(op, operands, result)


@register_rule("aten.tensordot")
def tensordot(op: Operation) -> Labelled:
    """Label a product that is summed over given dimensions."""
    a, b = list(range(len(op.axes("self")))), [-1 - d for d in range(len(op.axes("other")))]
    for i, j in zip(op.dims("dims_self", len(a)), op.dims("dims_other", len(b)), strict=True):
        b[j] = a[i]
    result = [letter for letter in a if letter not in b] + [letter for letter in b if letter < 0]
    return contract(op, [("self", a), ("other", b)], result)


@register_rule("aten.scaled_dot_product_attention")
def scaled_dot_product_attention(op: Operation) -> Labelled:
    """Label (..., heads, tokens, entries); grouped queries have heads = (heads of the keys, queries of each)."""
    query, key, value = (op.axes(argument) for argument in ("query", "key", "value"))
    op.freeze([query[-1], key[-1]], "scales by its size")
    op.freeze([query[-2], key[-2], value[-2]], "mixes tokens")
    op.agree(query[-1], key[-1])
    op.agree(key[-2], value[-2])
    batch = list(query[:-2])
    if op["enable_gqa"] and axis_size(query[-3]) != axis_size(key[-3]):
        kv = axis_size(key[-3])
        outer, _ = regroup([query[-3]], [kv, axis_size(query[-3]) // kv])
        op.agree(outer, key[-3])
        op.agree(outer, value[-3])
    for other in (key[:-2], value[:-2]):
        for a, b in zip(reversed(batch), reversed(other), strict=False):
            op.agree(a, b)
    if op.is_tensor("attn_mask"):
        *outer_axes, tokens, seen = op.axes("attn_mask")
        op.freeze([tokens, seen], "mixes tokens")
        for a, b in zip(reversed(batch), reversed(outer_axes), strict=False):
            op.agree(a, b)
    operands = (query[:-2], key[:-2], value[:-2])
    outer_axes = [
        next(a for axes in operands for a in axes[-place:][:1] if len(axes) >= place and axis_size(a) == size)
        for place, size in zip(range(len(op.sizes[0]) - 2, 0, -1), op.sizes[0][:-2], strict=True)
    ]
    return (*outer_axes, query[-2], value[-1])
