"""What the units of a group are called: neurons, channels, heads, features. For readers; nothing depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .atoms import leaves

if TYPE_CHECKING:
    from .groups import Class
    from .labels import Labels

_ATTENTION = ("aten.softmax", "aten._softmax", "aten.scaled_dot_product_attention")
_SUMS = ("aten.linear", "aten.matmul", "aten.mm", "aten.bmm", "aten.addmm", "aten.baddbmm", "aten.einsum", "aten.mv")


def unit_name(c: Class, repeat: int, labels: Labels) -> str:
    """Return the plural of what the units of a class are: by the operation that makes them, and attention over them.

    Parameters
    ----------
    c : Class
    repeat : int
        Consecutive entries of each unit.
    labels : Labels
    """
    if c.kind != "units":
        return "features"
    if repeat > 1 and any(_shares_out(c, node.target, axes) for node, axes in labels.tensor_nodes()):
        return "heads"
    made_by = str(c.producers[0].node.target)
    if "conv" in made_by:
        entries = "channels"
    elif made_by.startswith(_SUMS):
        entries = "neurons"
    else:
        return "units"
    return f"groups of {entries}" if repeat > 1 else entries


def _shares_out(c: Class, operation: object, axes: tuple) -> bool:
    """Return whether an operation attends for each of the units apart: one that told them apart would freeze them."""
    return str(operation).startswith(_ATTENTION) and c.atom in leaves(axes)
