"""Regions that torch exports as graphs of their own (no_grad, autocast, checkpoint), written out in place."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from .errors import CutError

if TYPE_CHECKING:
    Copies = dict[fx.Node, Any]


def grad_enabled_before(enabled: bool) -> bool:
    """Switch gradients on or off, and return what they were."""
    before = torch.is_grad_enabled()
    torch._C._set_grad_enabled(enabled)
    return before


def grad_enabled_again(before: bool) -> None:
    """Switch gradients back."""
    torch._C._set_grad_enabled(before)


def autocast_entered(device: str, dtype: torch.dtype, enabled: bool, cache: bool) -> Any:
    """Enter a region of automatic casts, and return it."""
    region = torch.autocast(device, dtype=dtype, enabled=enabled, cache_enabled=cache)
    region.__enter__()
    return region


def autocast_left(region: Any) -> None:
    """Leave a region of automatic casts."""
    region.__exit__(None, None, None)


def inlined(owner: torch.nn.Module, node: fx.Node, graph: fx.Graph, copies: Copies) -> None:
    """Copy a node into ``graph``; one that stands for a region becomes the region's nodes."""
    name = getattr(node.target, "_name", "") if node.op == "call_function" else ""
    if node.op == "get_attr" and isinstance(_attribute(owner, str(node.target)), fx.GraphModule):
        return  # a region, copied where it is called
    if name == "wrap_with_set_grad_enabled":
        enabled, body, *arguments = node.args
        with_switch = (grad_enabled_before, (enabled,), grad_enabled_again)
    elif name == "wrap_with_autocast":
        *settings, body = node.args[:5]
        arguments = list(node.args[5:])
        with_switch = (autocast_entered, _autocast_settings(settings), autocast_left)
    elif name == "tag_activation_checkpoint":
        body, *arguments = node.args
        with_switch = None
    elif node.target is operator.getitem and isinstance(results := copies[node.all_input_nodes[0]], tuple | list):
        place: Any = node.args[1]
        copies[node] = results[place]  # of a region
        return
    elif any(argument not in copies for argument in node.all_input_nodes):  # other regions
        raise CutError(f"cut: {node.target} holds graphs of its own, which cannot be cut: cut the network without it")
    else:
        copies[node] = graph.node_copy(node, copies.__getitem__)
        return
    region = _attribute(owner, str(body.target))  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    switch = graph.call_function(with_switch[0], with_switch[1]) if with_switch else None
    copies[node] = _body(region, [copies.get(a, a) if isinstance(a, fx.Node) else a for a in arguments], graph)
    if with_switch:
        graph.call_function(with_switch[2], (switch,))


def _autocast_settings(settings: list[Any]) -> tuple[Any, ...]:
    device, dtype, enabled, cache = settings
    return device, dtype, enabled, True if cache is None else cache


def _attribute(owner: torch.nn.Module, name: str) -> Any:
    for part in name.split("."):
        owner = getattr(owner, part, None)  # pyright: ignore[reportAssignmentType]
    return owner


def _body(region: fx.GraphModule, arguments: list[Any], graph: fx.Graph) -> Any:
    """Copy the nodes of a region, and return its results."""
    copies: Copies = {}
    places = iter(arguments)
    for node in region.graph.nodes:
        if node.op == "placeholder":
            copies[node] = next(places)
        elif node.op == "output":
            return fx.map_arg(node.args[0], copies.__getitem__)
        else:
            inlined(region, node, graph, copies)
    raise AssertionError("a region without an output")


_CHECKS = ("_assert", "sym_constrain", "_check")
_UPDATES = ("batch_norm", "instance_norm")  # change running statistics, though their schema does not say so


def without_dead_code(graph: fx.Graph) -> None:
    """Take out the checks of sizes and types that export writes into the graph, and results that nothing uses."""
    for node in reversed(list(graph.nodes)):
        if not node.users and (node.op == "get_attr" or (node.op == "call_function" and _can_go(node))):
            graph.erase_node(node)


def _can_go(node: fx.Node) -> bool:
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return getattr(target, "__module__", "") in ("_operator", "math") or "sym_" in getattr(target, "__name__", "")
    name = str(target).split(".")[1]
    return name.startswith(_CHECKS) or not (target._schema.is_mutable or name.startswith(_UPDATES))
