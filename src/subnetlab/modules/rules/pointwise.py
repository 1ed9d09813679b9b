"""Operations that treat every entry alike: aligned axes agree, and nothing between a unit's making and use is lost.

An operation that torch tags as pointwise needs no line here.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from ..atoms import axis_size, take
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Axes, Labelled, Operation

_SUMS = {"add", "sub", "rsub", "lerp", "addcmul", "addcdiv", "subtract", "__ior__"}


@register_rule(
    "torch.pointwise", "aten.where", "aten.masked_fill", "aten.copy", "aten.dropout", "aten.alpha_dropout",
    "aten.floor_divide", "aten.log_sigmoid", "aten.__and__", "aten.__or__", "aten.__xor__",
    "aten.true_divide", "aten.complex", "aten.polar", "aten.hardswish",
)  # fmt: skip
def pointwise(op: Operation) -> Labelled:
    """Unite the axes that broadcasting aligns; a sum of two activations is noted: it makes a residual stream."""
    result: list = [((),)] * len(op.sizes[0])
    operands = [op.axes(argument) for argument in op.tensors()]
    for axes in operands:
        for dimension, axis in zip(range(-1, -len(axes) - 1, -1), reversed(axes), strict=True):
            if axis_size(axis) == 1:
                continue
            if axis_size(result[dimension]) == 1:
                result[dimension] = axis
            else:
                op.agree(result[dimension], axis)
    if op.name.split(".")[1].rstrip("_") in _SUMS:
        for first, second in combinations(op.tensors(), 2):
            op.add(first, second)
    labels: Axes = tuple(result)
    return [labels] * len(op.sizes) if isinstance(op.node.meta.get("val"), list | tuple) else labels


@register_rule(
    "aten.clone", "aten.contiguous", "aten.detach", "aten.alias", "aten.to", "aten._to_copy",
    "aten.lift_fresh_copy", "aten.lift_fresh", "aten.view_dtype", "aten.type_as", "aten.float", "aten.double",
    "aten.half", "aten.bfloat16", "aten.relu", "aten.relu6", "aten.selu", "aten.celu", "aten.hardtanh",
    "aten.rrelu", "aten.feature_dropout", "aten.feature_alpha_dropout", "aten.native_dropout",
    "aten.bernoulli", "aten.zeros_like", "aten.ones_like", "aten.full_like", "aten.empty_like",
    "aten.rand_like", "aten.randn_like", "aten.randint_like", "aten.normal", "aten.uniform",
    "aten.exponential", "aten.fill", "aten.zero", "aten.requires_grad", "aten.nan_to_num", "aten.conj",
    "aten.resolve_conj", "aten.resolve_neg", "aten.positive", "aten.data", "aten.real", "aten.imag",
    "aten.isclose", "aten.trunc_normal", "aten.pin_memory", "aten.square", "aten.threshold",
    # torch before 2.11 has no tag for some of these
    "aten.leaky_relu", "aten.elu", "aten.hardshrink", "aten.hardsigmoid", "aten.mish", "aten.softplus",
    "aten.softshrink", "aten.isfinite", "aten.rad2deg",
)  # fmt: skip
def unary(op: Operation) -> Labelled:
    """Keep the labels of the first tensor."""
    axes = op.axes(op.tensors()[0])
    return [axes] * len(op.sizes) if isinstance(op.node.meta.get("val"), list | tuple) else axes


@register_rule("aten.prelu")
def prelu(op: Operation) -> Labelled:
    """Unite the channels (the second axis) with a slope for each."""
    axes = op.axes("self")
    if len(axes) > 1:
        op.agree(op.axes("weight")[0], axes[1])
    else:
        op.freeze(op.axes("weight"), "has one slope for all")
    return axes


@register_rule("aten.glu")
def glu(op: Operation) -> Labelled:
    """Unite the two halves, of which one is the other's gate."""
    axes = list(op.axes("self"))
    (dimension,) = op.dims("dim", len(axes))
    half = axis_size(axes[dimension]) // 2
    first, second = take(axes[dimension], 0, half), take(axes[dimension], half, half)
    op.agree(first, second)
    axes[dimension] = first
    return tuple(axes)
