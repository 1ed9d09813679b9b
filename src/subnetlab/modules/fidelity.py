"""The exported graph held to the user's own module: results and gradients of the whole network, on the example."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .errors import VerificationError
from .structure import like, taken_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .cutting import Cut
    from .network import Network

FLOAT32_TOLERANCE = 1e-3  # of the graph and the network, which call the same operations


def difference_from_own(cut: Cut, seed: int) -> float:
    """Return how far the results of the graph are from those of the user's own module, on the example.

    Both are called twice, because forward may keep what its next call reads, and their gradients are compared: what
    torch.export does not see (numbers in attributes, a backward of one's own, hooks) would go unnoticed otherwise.

    Raises
    ------
    VerificationError
        If results or gradients differ.
    """
    if not cut.model.training:
        cut.model.train()
    masked = cut.masked({name: np.ones(size, dtype=bool) for name, size in cut.units.groups.items()})
    state = _with_hooks(cut)
    worst = 0.0
    results: list[Tensor] = []
    found: list[Tensor] = []
    with _buffers_kept(cut):
        for number in range(2):
            results, found = _called(cut, state, masked, seed)
            pairs = zip(results, found, strict=True)
            off = max((difference_of(a.detach(), b.detach()) for a, b in pairs), default=0.0)
            if off > FLOAT32_TOLERANCE:
                why = ": it keeps numbers in attributes, which the graph fixes; keep them in buffers" * number
                raise VerificationError(f"verify: the exported graph differs from the network by {off:.1e}{why}")
            worst = max(worst, off)
        _compare_gradients(cut, state, results, masked, found)
    return worst


def _called(cut: Cut, state: dict[str, Tensor], masked: Network, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return the results of the user's module and of the graph for the example, with the same random numbers."""
    inputs = cut.graph.inputs
    own, graph = (like((inputs.args, inputs.kwargs), _copied) for _ in range(2))
    results: list[Any] = []
    found: list[Any] = []
    try:
        torch.manual_seed(seed)
        # tied names are in the state, so that it is this dict which takes the buffers that forward replaces
        taken_apart(torch.func.functional_call(cut.model, state, *own, tie_weights=False), results)
        torch.manual_seed(seed)
        taken_apart(masked(*graph[0], **graph[1]), found)
    except Exception as error:
        raise VerificationError(f"verify: the example fails: {type(error).__name__}: {error}") from error
    if len(results) != len(found):
        raise VerificationError(f"verify: the graph has {len(found)} results, the network {len(results)}")
    return results, found


def _with_hooks(cut: Cut) -> dict[str, Tensor]:
    """Return a copy of the network's state, under all names, whose parameters have the hooks of the user's."""
    state = {name: tensor.detach().clone() for name, tensor in cut.state().items()}
    for name, parameter in cut.model.named_parameters():
        if parameter.requires_grad:
            state[name].requires_grad_()
            for hook in (parameter._backward_hooks or {}).values():
                state[name].register_hook(hook)
    return state | {alias: state[first] for alias, first in cut.graph.aliases.items()}


@contextmanager
def _buffers_kept(cut: Cut) -> Iterator[None]:
    """Put the numbers in buffers back: a backward that calls forward again (checkpointing) changes the user's own."""
    before = [(buffer, buffer.detach().clone()) for buffer in cut.model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, numbers in before:
                if not torch.equal(buffer, numbers):
                    buffer.copy_(numbers)


def _compare_gradients(
    cut: Cut, state: Mapping[str, Tensor], results: list[Tensor], masked: Network, found: list[Tensor]
) -> None:
    names = [name for name, parameter in cut.model.named_parameters() if parameter.requires_grad]
    graph = dict(masked.named_parameters())
    own = _gradients("network", results, [state[name] for name in names])
    exported = _gradients("exported graph", found, [graph[name] for name in names])
    top = max((float(gradient.abs().max()) for gradient in own if gradient.numel()), default=0.0)
    for name, a, b in zip(names, own, exported, strict=True):
        off = difference_of(a, b, floor=1e-2 * top)
        if off > max(FLOAT32_TOLERANCE, 32 * torch.finfo(a.dtype).eps):
            raise VerificationError(
                f"verify: the gradients of {name} differ by {off:.1e} from the network's own, which has hooks or a "
                "backward of its own that torch.export does not keep; torch.library.register_autograd gives a backward "
                "to an operation that it does"
            )


def _gradients(of: str, results: list[Tensor], leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradients of all results together, weighted by numbers that are always the same.

    Raises
    ------
    VerificationError
        If the backward pass fails, as it does where an operation overwrites what another one needs.
    """
    outputs = [result for result in results if result.requires_grad]
    if not outputs or not leaves:
        return [torch.zeros_like(leaf) for leaf in leaves]
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(o.shape, generator=generator).to(o.device, o.dtype) for o in outputs]
    try:
        found = torch.autograd.grad(outputs, leaves, weights, allow_unused=True)
    except RuntimeError as error:
        raise VerificationError(f"verify: the gradients of the {of} fail: {error}") from error
    return [gradient_of(leaf, gradient) for leaf, gradient in zip(leaves, found, strict=True)]


def gradient_of(leaf: Tensor, gradient: Tensor | None) -> Tensor:
    """Return a gradient with all its entries: zero where there is none, as of embeddings with sparse gradients."""
    if gradient is None:
        return torch.zeros_like(leaf)
    return gradient.to_dense() if gradient.layout != torch.strided else gradient


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def difference_of(a: Tensor, b: Tensor, floor: float = 0.0) -> float:
    """Return the largest difference relative to the largest entry; infinite for other shapes."""
    if a.shape != b.shape:
        return float("inf")
    if not a.numel():
        return 0.0
    if counts(a):
        return 0.0 if torch.equal(a, b) else float("inf")
    finite = torch.isfinite(a)
    if not torch.equal(finite, torch.isfinite(b)):
        return float("inf")
    a, b = a[finite], b[finite]
    if not a.numel():
        return 0.0
    return float((a - b).abs().max()) / max(float(a.abs().max()), floor, 1e-300)


def counts(tensor: Tensor) -> bool:
    """Return whether a tensor holds whole numbers or truth values, which have no gradient."""
    return not (tensor.is_floating_point() or tensor.is_complex())
