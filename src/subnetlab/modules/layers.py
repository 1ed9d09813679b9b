"""The layers of a cut network in order: what feeds which, and which units lie between them; for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .atoms import expand, leaves
from .blocks import unit_of_parameters
from .groups import module_name

if TYPE_CHECKING:
    from torch import fx

    from ..core.units import Axis as UnitsAxis
    from .cutting import Cut
    from .operation import Axes

_SIGNS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "matmul": "@",
    "bmm": "@",
    "scaled_dot_product_attention": "attention",
}


@dataclass(frozen=True)
class Layer:
    """What a picture shows as one: an input, a module with weights, an operation that joins, or the output.

    Parameters
    ----------
    name : str
        Of the module, the argument of forward, or the operation.
    kind : {"input", "module", "join", "output"}
    sources : tuple of (int, str or None)
        The layers that feed it by their places in the list, each with the group whose units flow there.
    group : str, optional
        The group that carries what it puts out; None if that is whole.
    produces : bool
        Whether the units, or the whole axis, are made here by weights.
    reason : str
        Why what it puts out is whole; empty where there is nothing to say.
    weight : tuple of Axis
        The axes of the first parameter that it uses.
    block : int, optional
        The residual block that it belongs to, if blocks are units.
    """

    name: str
    kind: str
    sources: tuple[tuple[int, str | None], ...]
    group: str | None = None
    produces: bool = False
    reason: str = ""
    weight: tuple[UnitsAxis, ...] = ()
    block: int | None = None


def layers_of(cut: Cut) -> list[Layer]:
    """Return the layers of a cut in the order of the graph.

    Operations without weights and with a single source, an activation or a reshape, belong to the layer before them.

    Examples
    --------
    >>> import torch, subnetlab as sl
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> [(layer.name, layer.sources) for layer in layers_of(sl.cut(model, torch.zeros(3, 4)))]
    [('input', ()), ('0', ((0, None),)), ('2', ((1, '0'),)), ('output', ((2, None),))]
    """
    return _Reader(cut).layers


class _Reader:
    def __init__(self, cut: Cut) -> None:
        self._cut, self._labels = cut, cut.labels
        self._parameters = {name for name, _ in cut.model.named_parameters()}
        self._productions = {p.node: p for p in cut.labels.productions}
        self._blocks = unit_of_parameters(cut.blocks)
        self._layer_of: dict[fx.Node, int] = {}  # the layer whose result a node is
        self.layers: list[Layer] = []
        for node in cut.graph.graph.nodes:
            self._visit(node)

    def _visit(self, node: fx.Node) -> None:
        sources = {self._layer_of[n]: self._group(n) for n in node.all_input_nodes if n in self._layer_of}
        flows = tuple(sources.items())
        if node.op == "placeholder":
            if self._labels.is_tensor(node):
                self._put(node, Layer(self._cut.graph.inputs.name_of(node.name), "input", ()))
        elif node.op == "output":
            self.layers.append(Layer("output", "output", flows))
        elif flows and self._labels.of(node) is not None:  # no arithmetic with sizes
            self._call(node, flows)

    def _call(self, node: fx.Node, flows: tuple[tuple[int, str | None], ...]) -> None:
        weight = self._weight(node)
        known = flows[0][0]
        same = len(flows) == 1 and weight is not None and self.layers[known].name == module_name(weight)
        if weight is not None and (node in self._productions or not same):
            self._put(node, self._module(node, weight, flows))
        elif weight is None and len(flows) > 1:
            operation = str(node.target).split(".")[1].rstrip("_") if "." in str(node.target) else node.name
            self._put(node, Layer(_SIGNS.get(operation, operation), "join", flows, self._group(node)))
        else:
            self._layer_of[node] = known

    def _put(self, node: fx.Node, layer: Layer) -> None:
        self._layer_of[node] = len(self.layers)
        self.layers.append(layer)

    def _module(self, node: fx.Node, weight: str, flows: tuple[tuple[int, str | None], ...]) -> Layer:
        name = module_name(weight)
        production = self._productions.get(node)
        axes: Axes = (production.axis,) if production else self._labels.tensors[weight]
        group = self._group_of(axes)
        whole = [self._cut.whole.get(leaf) or leaf.reason or "" for leaf in leaves(axes)]
        reason = "" if group else next(filter(None, whole), "")
        block = self._blocks.get(weight)
        return Layer(name, "module", flows, group, production is not None, reason, self._cut.units.axes[weight], block)

    def _weight(self, node: fx.Node) -> str | None:
        """Return the first parameter that a call uses, also one that it uses in another shape."""
        fixed = [n for n in node.all_input_nodes if self._labels.is_fixed(n) and self._labels.is_tensor(n)]
        return next((name for name in map(self._labels.stored_name, fixed) if name in self._parameters), None)

    def _group(self, node: fx.Node) -> str | None:
        return self._group_of(self._labels.of(node)) if self._labels.is_tensor(node) else None

    def _group_of(self, axes: Axes) -> str | None:
        atoms = (atom for axis in axes for part in expand(axis) for atom in part)
        return next((self._cut.names[atom] for atom in atoms if atom in self._cut.names), None)
