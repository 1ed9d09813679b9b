"""The network as a list of operations: torch.export in training mode, with the user's names for what it stores."""

from __future__ import annotations

import inspect
import io
import logging
import random
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from .errors import CutError, first_line
from .inlining import inlined, without_dead_code
from .structure import Inputs, as_call, batch_of_two, check_second, input_leaves, taken_apart, varying_dimensions
from .unreadable import why_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .structure import Rebuild

CONSTANT = "_constant_"


@dataclass(frozen=True)
class Graph:
    """An exported network.

    Parameters
    ----------
    graph : fx.Graph
        Placeholders are the leaves of the inputs; what the network stores is read by ``get_attr``.
    tensors : mapping from name to Tensor
        Parameters, buffers and constants that are read, each once. Constants alone have numbers; the module has those
        of the others, and may let go of them.
    aliases : mapping from name to name
        Further names of a tensor that is stored under several.
    inputs : Inputs
    rebuild : callable
        Puts an output together from the graph's results.
    """

    graph: fx.Graph
    tensors: Mapping[str, Tensor]
    aliases: Mapping[str, str]
    inputs: Inputs
    rebuild: Rebuild


class _Flat(nn.Module):
    """The network with results as a flat tuple, so that any type of output can be exported.

    A buffer that forward replaces is written into instead: torch.export loses what is assigned to parts of a network.
    """

    def __init__(self, model: nn.Module, found: Callable[[Rebuild], None]) -> None:
        super().__init__()
        self.model = model
        self._found = found  # torch before 2.11 refuses lists among the attributes that grow

    def forward(self, args: Any, kwargs: Any) -> Any:
        before = [(part, name, buffer) for part in self.model.modules() for name, buffer in part._buffers.items()]
        results: list[Any] = []
        self._found(taken_apart(self.model(*args, **kwargs), results))
        for part, name, buffer in before:
            if buffer is not None and (replaced := part._buffers.get(name)) is not None and replaced is not buffer:
                part._buffers[name] = buffer.copy_(replaced.detach())
        return tuple(results)


def export(model: nn.Module, example_input: Any, second_example: Any = None) -> Graph:
    """Return the network's graph in training mode.

    The first dimension of every tensor is the batch and may vary; what else varies differs in a second example.

    Parameters
    ----------
    model : nn.Module
        Left as it was: mode, buffers, gradients, attributes, random state.
    example_input, second_example
        A tensor, a tuple of arguments, or a dict of keyword arguments.

    Raises
    ------
    CutError
        If the network cannot be exported, with what to do about it.
    """
    if not isinstance(model, nn.Module):
        raise CutError(f"cut: model must be a torch.nn.Module, got {type(model).__name__}")
    _check_kinds(model)
    args, kwargs = batch_of_two(*as_call(example_input))
    second = None if second_example is None else as_call(second_example, "second_example")
    varying = varying_dimensions((args, kwargs), second)
    found: list[Rebuild] = []
    before = _other_random_states()
    with as_it_was(model), torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _quietly():
        warnings.simplefilter("ignore")
        if not model.training:
            model.train()
        program = _exported(_Flat(model, found.append), (args, kwargs), varying)
        if _is_of_another_type(model, (args, kwargs)) and (failure := _fails_by_itself(model, (args, kwargs))):
            raise CutError(failure)
    if _other_random_states() != before:
        raise CutError(
            f"cut: the forward of {type(model).__name__} draws from Python's or NumPy's random numbers, which a graph "
            "would fix: draw with torch"
        )
    graph = _named(program, model, Inputs(inspect.signature(model.forward), args, kwargs, [], []), found[-1])
    if second is not None:
        check_second(graph.inputs.shapes, second)
    return graph


def _check_kinds(model: nn.Module) -> None:
    """Refuse by name what torch.export would refuse in words of its own."""
    if hasattr(model, "_orig_mod"):
        raise CutError("cut: model must be the plain module, got one that torch.compile returned: pass its _orig_mod")
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise CutError(f"cut: model must be the plain module, got {type(model).__name__}: pass its .module")
    for name, part in model.named_modules():
        what = f"{type(part).__name__} at {name}" if name else type(part).__name__
        if isinstance(part, torch.jit.ScriptModule):
            raise CutError(
                f"cut: model must be of plain modules, got TorchScript ({what}): torch.export cannot read it"
            )
        if ".quantized" in type(part).__module__:
            raise CutError(f"cut: model must have parameters that can be trained, got a quantised layer ({what})")
    for name, tensor in stored(model):
        if nn.parameter.is_lazy(tensor):
            raise CutError(f"cut: model must have all its sizes, got a lazy {name}: call the model once before")


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep torch from printing graphs and warnings about what becomes one sentence of ours."""
    logger = logging.getLogger("torch")
    children = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("torch.")]
    levels = [(known, known.disabled) for known in (logger, *children)]
    for known, _ in levels:
        known.disabled = True
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        for known, disabled in levels:
            known.disabled = disabled


def _exported(flat: _Flat, example: tuple[Any, ...], dynamic: Any) -> Any:
    from torch.fx.experimental import _config

    oblivious = {"backed_size_oblivious": True} if hasattr(_config, "backed_size_oblivious") else {}
    try:
        with _config.patch(**oblivious):  # a batch of one row is as good as any other  # pyright: ignore
            return torch.export.export(flat, example, dynamic_shapes=dynamic, strict=False)
    except Exception as error:  # whatever torch raises, of many types
        raise CutError(_fails_by_itself(flat.model, example) or why_unreadable(flat.model, error)) from error


def _other_random_states() -> tuple[Any, ...]:
    """Return the states of the generators that torch.export knows nothing of."""
    _, words, position, *_ = tuple(np.random.get_state(legacy=True))  # noqa: NPY002
    return random.getstate(), np.asarray(words).tobytes(), position


def _is_of_another_type(model: nn.Module, example: tuple[Any, ...]) -> bool:
    """Return whether an example has floating numbers of another type than the network, which torch.export lets pass."""
    own = {tensor.dtype for _, tensor in stored(model) if tensor.is_floating_point() and not tensor.is_meta}
    leaves = [leaf for leaf in input_leaves(example) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    return bool(own) and any(leaf.dtype not in own for leaf in leaves)


def _fails_by_itself(model: nn.Module, example: tuple[Any, ...]) -> str | None:
    """Return what to say if the network cannot even compute the example, None if it can."""
    try:
        with torch.no_grad():  # into copies of the buffers, which training mode may change
            buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            torch.func.functional_call(model, buffers, *example)
    except Exception as error:  # whatever the user's code raises
        return (
            f"cut: {type(model).__name__} fails on the example itself ({type(error).__name__}: {first_line(error)}): "
            "example_input must be what its forward takes"
        )
    return None


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Put back every attribute of every module, its mode and its gradients."""
    before = [(module, dict(module.__dict__)) for module in model.modules()]
    tables = [
        (module, name, dict(module.__dict__[name]))
        for module, _ in before
        for name in ("_parameters", "_buffers", "_modules")
        if name in module.__dict__
    ]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for module, attributes in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)
        for module, name, table in tables:
            module.__dict__[name].clear()
            module.__dict__[name].update(table)
        for parameter, gradient in gradients:
            parameter.grad = gradient


def _named(program: Any, model: nn.Module, inputs: Inputs, rebuild: Rebuild) -> Graph:
    """Read parameters and buffers by the user's names, each tensor by its first one."""
    names = {}
    aliases = {}
    for name, tensor in stored(model):
        first = names.setdefault(id(tensor), name)
        if first != name:
            aliases[name] = first
    signature = program.graph_signature
    held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    constants = dict(signature.inputs_to_lifted_tensor_constants)
    tensors: dict[str, Tensor] = {}
    graph = fx.Graph()
    copies: dict[fx.Node, Any] = {}
    own = dict(stored(model))
    for node in program.graph.nodes:
        if _is_position_table(node):
            name = f"{CONSTANT}{node.name}"
            tensors[name] = node.target(*node.args, **node.kwargs)
            table = graph.get_attr(name)
            table.meta = dict(node.meta)
            copies[node] = graph.call_function(torch.ops.aten.clone.default, (table,))  # it may be changed in place
            copies[node].meta = dict(node.meta)
            continue
        if node.op != "placeholder":
            inlined(program.graph_module, node, graph, copies)
            continue
        if node.name in held:
            name = held[node.name].removeprefix("model.")
            name = aliases.get(name, name)
            tensors[name] = own[name].detach().to("meta")
        elif node.name in constants:
            name = CONSTANT + constants[node.name].replace(".", "_")
            tensors[name] = program.constants[constants[node.name]]
        else:
            copies[node] = graph.node_copy(node, copies.__getitem__)
            inputs.shapes.append(node.meta["val"].shape if isinstance(node.meta["val"], Tensor) else node.meta["val"])
            continue
        copies[node] = graph.get_attr(name)
        copies[node].meta = dict(node.meta)
    inputs.guards.extend(_guards(program))
    without_dead_code(graph)
    _read_before_written(graph)
    return Graph(graph, tensors, aliases, inputs, rebuild)


def _read_before_written(graph: fx.Graph) -> None:
    """Read what is stored, and written into at last (see `_Flat`), from a copy: backward may need what was read."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        buffer: Any = node.args[0] if node.target is torch.ops.aten.copy_.default else node
        reads = [user for user in buffer.users if user is not node]
        if buffer is not node and buffer.op == "get_attr" and all(place[user] < place[node] for user in reads):
            with graph.inserting_after(buffer):
                read = graph.call_function(torch.ops.aten.clone.default, (buffer,))
            read.meta = dict(buffer.meta)
            for user in reads:
                user.replace_input_with(buffer, read)


def _is_position_table(node: fx.Node) -> bool:
    """Return whether a node makes a tensor of numbers that are known: it is stored, and cut like any other."""
    name = str(node.target).split(".")
    made = node.op == "call_function" and name[0] == "aten" and name[1:2] in (["arange"], ["linspace"], ["eye"])
    return made and not node.all_input_nodes


def stored(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer under all of its names."""
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _guards(program: Any) -> Sequence[tuple[str, Any]]:
    """Return what the network's code relied on, as conditions of (args, kwargs)."""
    codes = getattr(program, "_guards_code", None) or []
    scope = {"torch": torch, "__builtins__": {"max": max, "min": min, "len": len, "isinstance": isinstance}}
    return [(code.replace("L['", "").replace("']", ""), eval(f"lambda L: ({code})", scope)) for code in codes]
