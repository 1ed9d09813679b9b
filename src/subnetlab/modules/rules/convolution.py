"""Convolutions: (groups, channels of a group) on the input, (groups, filters of a group) on the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..atoms import Atom, Axis, axis_size, regroup, single_part
from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Argument, Axes, Labelled, Operation


def _within(groups: Axis, channels: Axis) -> Axis:
    """Return groups x channels as a label of what is summed over or computed, which the groups themselves are not."""
    if axis_size(groups) == 1:
        return channels
    return ((Atom(axis_size(groups), "groups of a convolution"), *single_part(channels)),)


def _convolve(op: Operation, source: Argument, *, transposed: bool) -> Labelled:
    inputs, weight = op.axes(source), op.axes("weight")
    spatial = len(weight) - 2
    batch, channels, space = inputs[: -spatial - 1], inputs[-spatial - 1], inputs[-spatial:]
    groups = op.number("groups") or 1
    op.freeze([*space, *weight[2:]], "mixes positions")
    weight_groups, inner = ((),), weight[0]
    per_group = channels
    if groups > 1:
        weight_groups, inner = regroup([weight[0]], [groups, axis_size(weight[0]) // groups])
        input_groups, per_group = regroup([channels], [groups, axis_size(channels) // groups])
        op.agree(weight_groups, input_groups)
        op.resize("groups", [weight_groups])
    contracted, filters = (inner, weight[1]) if transposed else (weight[1], inner)
    op.agree(per_group, contracted)
    dimension = len(inputs) - spatial - 1
    op.consume(source, dimension, _within(weight_groups, per_group), "weight", 0 if transposed else 1, contracted)
    if axis_size(filters) > 1:
        op.produce(_within(weight_groups, filters), "weight")
    out: Axis = filters if groups == 1 else regroup([weight_groups, filters], [groups * axis_size(filters)])[0]
    if op.is_tensor("bias"):
        op.agree(op.axes("bias")[0], out)
    result: Axes = (*batch, out, *(op.fresh(s, f"{op.where} mixes positions") for s in op.sizes[0][-spatial:]))
    return result


@register_rule("aten.conv1d", "aten.conv2d", "aten.conv3d")
def convolution(op: Operation) -> Labelled:
    """Label a convolution, grouped and depthwise ones too: whole groups may be units."""
    return _convolve(op, "input", transposed=False)


@register_rule("aten.conv_transpose1d", "aten.conv_transpose2d", "aten.conv_transpose3d")
def transposed_convolution(op: Operation) -> Labelled:
    """Label a transposed convolution, whose weights begin with the input's channels."""
    return _convolve(op, "input", transposed=True)


@register_rule("aten.convolution")
def general_convolution(op: Operation) -> Labelled:
    """Label a convolution that says by an argument which of the two it is."""
    return _convolve(op, "input", transposed=bool(op["transposed"]))


@register_rule("aten.channel_shuffle", "aten.native_channel_shuffle")
def channel_shuffle(op: Operation) -> Labelled:
    """Label channels = (groups, channels) that become (channels, groups)."""
    batch, channels, *space = op.axes("self")
    groups = op.number("groups") or 1
    outer, inner = regroup([channels], [groups, axis_size(channels) // groups])
    op.freeze([outer], "deals its entries out")
    return (batch, *regroup([inner, outer], [axis_size(channels)]), *space)


@register_rule("aten.col2im")
def fold(op: Operation) -> Labelled:
    """Label (channels, positions) whose positions are added up in places of an image."""
    *batch, joined, places = op.axes("self")
    *_, channels, height, width = op.sizes[0]
    out, positions = regroup([joined], [channels, axis_size(joined) // channels])
    op.freeze([positions, places], "mixes positions")
    return (*batch, out, *(op.fresh(s, f"{op.where} mixes positions") for s in (height, width)))


@register_rule("aten.pixel_shuffle")
def pixel_shuffle(op: Operation) -> Labelled:
    """Label channels = (channels, factor x factor): the factors go into the positions."""
    *batch, channels, height, width = op.axes("self")
    *_, c, h, w = op.sizes[0]
    op.freeze([height, width], "mixes positions")
    out, factors = regroup([channels], [c, axis_size(channels) // c])
    op.freeze([factors], "turns it into positions")
    return (*batch, out, *(op.fresh(s, f"{op.where} mixes positions") for s in (h, w)))


@register_rule("aten.pixel_unshuffle", "aten.im2col")
def pixel_unshuffle(op: Operation) -> Labelled:
    """Label channels that become (channels, neighbouring positions)."""
    *batch, channels, height, width = op.axes("self")
    op.freeze([height, width], "mixes positions")
    _, *space = sizes = op.sizes[0][len(batch) :]
    positions = op.fresh(sizes[0] // axis_size(channels), f"{op.where} makes it of positions")
    joined = regroup([channels, positions], sizes[:1])
    return (*batch, *joined, *(op.fresh(s, f"{op.where} mixes positions") for s in space))
