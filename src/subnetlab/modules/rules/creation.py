"""Tensors that are made of sizes alone: constant ones may be of any length, others tell their entries apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .table import register_rule

if TYPE_CHECKING:
    from ..operation import Labelled, Operation


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


@register_rule("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu", "aten.lstm_cell", "aten.gru_cell")
def recurrent(op: Operation) -> Labelled:
    """Freeze recurrent layers: their operation takes gates and layers as one list."""
    return op.freeze_all("is left whole: write the cell with linear layers to cut it")
