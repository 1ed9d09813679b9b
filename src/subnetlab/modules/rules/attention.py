"""Attention as one operation: heads stay apart, everything else is mixed or scaled by its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..atoms import axis_size, regroup
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Labelled, Operation


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
