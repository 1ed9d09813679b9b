"""The labels of every tensor in a graph: the rules applied from the inputs to the outputs, once.

Once is enough: labels are made of atoms that are shared, so that an atom that is split, united or frozen later changes
all labels that it is part of.
"""

from __future__ import annotations

import operator
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, fx

from .atoms import Axis, axis_of, axis_size, expand, freeze, leaves
from .operation import Consumption, Operation, Production, module_of
from .rules import rule_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .graph import Graph
    from .operation import Axes, Labelled

NO_RULE = "has no rule: register_rule takes one"


class Labels:
    """Labels of the tensors of a graph, and what its operations said about them.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.consumptions: list[Consumption] = []
        self.productions: list[Production] = []
        self.additions: list[Axes] = []
        self.resizes: dict[fx.Node, dict[str, tuple[Axis | None, ...]]] = {}
        self.replacements: dict[fx.Node, tuple[Callable[..., Any], Axes, Callable[..., tuple[Any, ...]]]] = {}
        self.tensors: dict[str, Axes] = {
            name: tuple(axis_of(size) for size in tensor.shape) for name, tensor in graph.tensors.items()
        }
        self._of: dict[fx.Node, Any] = {}
        self._varies: set[fx.Node] = set()  # nodes that depend on the network's input
        self._origins: dict[fx.Node, frozenset[str]] = {}
        self._primes: dict[Any, int] = {}  # for the symbols in sizes
        self._sizes: dict[Any, int] = {}
        for node in graph.graph.nodes:
            self._visit(node)
        self._settle()

    def of(self, value: Any) -> Axes:
        """Return the labels of a tensor."""
        return self._of[value]

    def is_tensor(self, value: Any) -> bool:
        """Return whether a value of the graph is one tensor."""
        return isinstance(value, fx.Node) and isinstance(self._of.get(value), tuple)

    def is_fixed(self, value: Any) -> bool:
        """Return whether a tensor does not depend on the network's input."""
        return value not in self._varies

    def sizes_of(self, node: fx.Node) -> list[tuple[int, ...]]:
        """Return the shapes of a node's results, with a large prime in the place of each symbol.

        Primes make a product of sizes as good as the symbolic one: no accident makes two of them equal.
        """
        value = node.meta.get("val")
        values = value if isinstance(value, list | tuple) else [value]
        return [tuple(map(self.size, v.shape)) for v in values if isinstance(v, Tensor)]

    def size(self, size: Any) -> int:
        """Return a size as a number."""
        if isinstance(size, int):
            return size
        expression = size.node.expr
        if expression not in self._sizes:
            for symbol in sorted(expression.free_symbols, key=str):
                self._primes.setdefault(symbol, _prime_after(10_000 + 100 * len(self._primes)))
            self._sizes[expression] = int(expression.subs(self._primes))
        return self._sizes[expression]

    def stored_name(self, node: fx.Node) -> str:
        """Return the first stored tensor that a node is computed from; the name of the node if there is none."""
        while node.op != "get_attr" and node.all_input_nodes:
            node = node.all_input_nodes[0]
        return str(node.target) if node.op == "get_attr" else node.name

    def origins(self, value: Any) -> frozenset[str]:
        """Return the weights that produced an activation; none for inputs, and for what does not vary."""
        return self._origins.get(value, frozenset())

    def tensor_nodes(self) -> Iterator[tuple[fx.Node, Axes]]:
        """Yield every node that is one tensor, with its labels."""
        for node, axes in self._of.items():
            if isinstance(axes, tuple):
                yield node, axes

    def _visit(self, node: fx.Node) -> None:
        if node.op == "get_attr":
            self._of[node] = self.tensors.get(str(node.target))
        elif node.op == "placeholder":
            self._varies.add(node)
            is_tensor = isinstance(node.meta.get("val"), Tensor)
            reason = f"input of the network ({self.graph.inputs.name_of(node.name)})"
            self._of[node] = tuple(axis_of(s, reason) for s in self.sizes_of(node)[0]) if is_tensor else None
        elif node.op == "output":
            for result in node.all_input_nodes:
                if self.is_tensor(result):
                    freeze(self._of[result], f"output of the network ({module_of(result) or result.name})")
        else:
            self._call(node)

    def _call(self, node: fx.Node) -> None:
        sizes = str(node.target).startswith("aten.sym_")  # no numbers of the input's
        if not sizes and any(argument in self._varies for argument in node.all_input_nodes):
            self._varies.add(node)
        self._origins[node] = frozenset().union(*(self.origins(argument) for argument in node.all_input_nodes))
        if node.target is operator.getitem:
            labels, place = self._of[node.all_input_nodes[0]], cast("int", node.args[1])
            self._of[node] = labels[place] if isinstance(labels, list) else None
            return
        operation = Operation(self, node)
        if not operation.sizes and not operation.tensors():
            self._of[node] = None  # arithmetic with sizes
        elif isinstance(node.target, torch._ops.OpOverload) and str(node.target).startswith("aten.sym_"):
            self._of[node] = None  # the sizes of the whole network, whatever is cut: `sliced` sees to it
        else:
            self._of[node] = self._checked(operation, self._ruled(operation))
        if node in self._varies and any(p.node is node and any(leaves([p.axis])) for p in self.productions[-1:]):
            self._origins[node] = frozenset([self.stored_name(self.productions[-1].weight)])

    @staticmethod
    def _ruled(operation: Operation) -> Labelled:
        rule = rule_of(operation.node.target)
        if rule is None:
            return operation.freeze_all(NO_RULE)
        try:
            return rule(operation)
        except Exception as error:  # a rule, perhaps a user's, that meets what it was not written for
            return operation.freeze_all(f"has a rule that failed: {type(error).__name__}: {error}")

    def _checked(self, operation: Operation, labels: Labelled) -> Labelled | None:
        """Return the labels if they fit the results; a rule that is wrong here must not go unnoticed."""
        several = isinstance(operation.node.meta.get("val"), list | tuple)
        if not operation.sizes:
            return None
        try:
            found: Any = [tuple(map(axis_size, axes)) for axes in (labels if isinstance(labels, list) else [labels])]
        except (TypeError, AttributeError):
            found = f"got {type(labels).__name__} in the place of a tuple of axes,"
        if found != operation.sizes or several != isinstance(labels, list):
            labels = operation.freeze_all(f"has a rule that does not fit: {found} for results of {operation.sizes}")
        if not isinstance(labels, list):
            return labels
        known = iter(labels)  # results that are not tensors have no labels
        return [next(known) if isinstance(v, Tensor) else None for v in operation.node.meta["val"]]  # pyright: ignore[reportReturnType]

    def _settle(self) -> None:
        """Write out all labels until nothing changes: it may freeze what is joined within another factor."""
        for _, axes in self.tensor_nodes():
            for axis in axes:
                expand(axis)


def _prime_after(number: int) -> int:
    return next(n for n in count(number + 1) if all(n % d for d in range(2, int(n**0.5) + 1)))
