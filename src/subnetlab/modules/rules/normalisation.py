"""Normalisations: by channel over the batch (channels stay units), or over the channels (which freezes them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..atoms import axis_size, regroup
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Labelled, Operation

_BY_CHANNEL = ("weight", "bias", "running_mean", "running_var")


@register_rule("aten.batch_norm", "aten.instance_norm")
def batch_norm(op: Operation) -> Labelled:
    """Label a normalisation of every channel by itself."""
    axes = op.axes("input")
    op.freeze((*axes[:1], *axes[2:]), "normalises over it")
    for argument in _BY_CHANNEL:
        if op.is_tensor(argument):
            op.agree(op.axes(argument)[0], axes[1])
    return axes


@register_rule("aten.group_norm")
def group_norm(op: Operation) -> Labelled:
    """Label channels = (groups, channels of a group): whole groups may be units."""
    batch, channels, *space = axes = op.axes("input")
    groups = op.number("num_groups") or 1
    outer, inner = regroup([channels], [groups, axis_size(channels) // groups])
    op.freeze([batch, inner, *space], "normalises over it")
    op.resize("num_groups", [outer])
    for argument in ("weight", "bias"):
        if op.is_tensor(argument):
            op.agree(op.axes(argument)[0], channels)
    return axes


@register_rule("aten.layer_norm", "aten.rms_norm", "aten._fused_rms_norm", "aten.native_layer_norm")
def layer_norm(op: Operation) -> Labelled:
    """Label a normalisation over the last axes."""
    axes = op.axes("input")
    normalised = axes[len(axes) - len(op["normalized_shape"]) :]
    op.freeze(normalised, "normalises over it")
    for argument in ("weight", "bias"):
        if op.is_tensor(argument):
            for a, b in zip(op.axes(argument), normalised, strict=True):
                op.agree(a, b)
    if isinstance(op.node.meta.get("val"), list | tuple):
        rest = [op.fresh(s, "statistics of a normalisation") for s in op.sizes[1]]
        return [axes, *[tuple(rest)] * (len(op.sizes) - 1)]
    return axes


@register_rule("aten._weight_norm", "aten._weight_norm_interface")
def weight_norm(op: Operation) -> Labelled:
    """Label weights v / |v| times a length g for each entry along one axis."""
    v, g = op.axes("v"), op.axes("g")
    dimension = op["dim"] % len(v)
    op.freeze([axis for d, axis in enumerate(v) if d != dimension], "takes the norm over it")
    for a, b in zip(v, g, strict=False):
        op.agree(a, b)
    return [v, g] if isinstance(op.node.meta.get("val"), list | tuple) else v
