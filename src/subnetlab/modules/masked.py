"""The masked engine, which defines the answer: the whole network, units times the mask where weights consume them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .atoms import axis_size
from .blocks import BLOCKS
from .consumers import multiply_branches, multiply_consumed
from .graph import CONSTANT
from .network import Network, Parts, compiled
from .sliced import resized

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor

    from .cutting import Cut


class MaskedNetwork(Network):
    """The whole network with a number for every unit: 0 for those that a mask leaves out. Made by `Cut.masked`."""

    def __init__(self, cut: Cut, numbers: Mapping[str, np.ndarray]) -> None:
        graph, copies = resized(cut.labels, axis_size)
        constants = multiply_consumed(cut, graph, copies, numbers, weights=False)
        multiply_branches(cut, graph, copies, numbers.get(BLOCKS, ()))
        tensors = {name: tensor.detach().clone() for name, tensor in {**cut.graph.tensors, **cut.state()}.items()}
        constants |= {name: tensors.pop(name) for name in list(tensors) if name.startswith(CONSTANT)}
        super().__init__(Parts("masked network", cut.graph, graph, compiled(graph), constants), cut.model, tensors)

    def fill(self, state: Mapping[str, Tensor]) -> None:
        """Copy a whole network's state into the parameters and buffers."""
        self._copy(state)
