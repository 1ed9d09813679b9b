"""Graphs run operation by operation in float64, with the same random numbers for both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from .engines import ORIGIN
from .errors import CutError
from .inlining import autocast_entered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import BoolArray
    from .cutting import Cut
    from .network import Network

_DOUBLE = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
}
_DROPOUTS = {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout"}
_NO_CHANCE = {"dropout_p": 0.0, "dropout": 0.0, "training": False}  # arguments without which nothing is random
_BATCH_STATISTICS = {"training", "use_input_stats"}  # of normalisations that have running ones as well


def in_double(tensor: Tensor) -> Tensor:
    """Return a tensor of real or complex numbers in the longer format, others as they are."""
    return tensor.to(_DOUBLE.get(tensor.dtype, tensor.dtype))


class Run(fx.Interpreter):
    """Runs a network's graph in float64; random numbers of the whole network serve both engines, dropout drops nothing.

    Parameters
    ----------
    network : Network
    cut : Cut
    masks : mapping
    drawn : dict from name to Tensor
        What the masked engine drew; filled by it.
    whole : bool
        Whether this is the masked engine.
    """

    def __init__(
        self,
        network: Network,
        cut: Cut,
        masks: Mapping[str, BoolArray],
        drawn: dict[str, Tensor],
        whole: bool,
    ) -> None:
        super().__init__(network, garbage_collect_values=True, graph=network._subnetlab.graph)
        self.extra_traceback = False
        self.current: fx.Node | None = None
        self.values: dict[str, Tensor] | None = None
        self._cut, self._masks, self._drawn, self._whole = cut, masks, drawn, whole

    def run_node(self, n: fx.Node) -> Any:
        """Run one operation."""
        self.current = n
        result = self._random(n) if _is_random(n) else super().run_node(n)
        if self.values is not None and isinstance(result, Tensor) and ORIGIN in n.meta:
            self.values[n.meta[ORIGIN].name] = result.detach().clone()
        return result

    def fetch_args_kwargs_from_env(self, n: fx.Node) -> Any:
        """Return the arguments of an operation, types of numbers in float64."""
        args, kwargs = super().fetch_args_kwargs_from_env(n)
        kwargs = dict(kwargs)
        value = n.meta.get("val")
        if isinstance(value, Tensor) and value.dtype in _DOUBLE and _takes_default_type(n):
            kwargs.setdefault("dtype", value.dtype)
        return _with_types(args), _with_types(kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an operation; automatic casts to shorter types stay off."""
        if target is autocast_entered:
            args = (args[0], args[1], False, args[3])
        return super().call_function(target, args, kwargs)

    def _random(self, n: fx.Node) -> Any:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        name = str(n.target).split(".")[1].rstrip("_")
        if name in _DROPOUTS:
            return args[0] if name != "native_dropout" else (args[0], torch.ones_like(args[0]))
        if _NO_CHANCE.keys() & _arguments(n.target):
            args = tuple(_NO_CHANCE.get(a, value) for a, value in zip(_arguments(n.target), args, strict=False))
            return n.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]
        if self._whole:
            result = n.target(*args, **kwargs)  # pyright: ignore[reportCallIssue]
            self._drawn[n.meta[ORIGIN].name] = result.detach().clone()
            return result
        kept = self._cut.kept(self._drawn[n.meta[ORIGIN].name], n.meta[ORIGIN], self._masks)
        return args[0].copy_(kept) if str(n.target).split(".")[1].endswith("_") else kept


class Evaluation(Run):
    """Runs a network's graph in float64 as in evaluation mode: no dropout, normalisation by running statistics.

    Parameters
    ----------
    network : Network
    cut : Cut

    Raises
    ------
    CutError
        If something else is random.
    """

    def __init__(self, network: Network, cut: Cut) -> None:
        super().__init__(network, cut, {}, {}, whole=True)
        for n in network._subnetlab.graph.nodes:
            name = str(n.target).split(".")[1].rstrip("_") if _is_random(n) else ""
            if name and name not in _DROPOUTS and not _NO_CHANCE.keys() & _arguments(n.target):
                raise CutError(f"cut: the forward draws random numbers in evaluation mode, too ({n.name})")

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an operation; one that has running statistics uses them."""
        names = _arguments(target)
        given = dict(zip(names, args, strict=False))
        if _BATCH_STATISTICS & given.keys() and given.get("running_mean") is not None:
            args = tuple(False if name in _BATCH_STATISTICS else value for name, value in given.items())
        return super().call_function(target, args, kwargs)


def _arguments(target: Any) -> dict[str, None]:
    """Return the names of an operation's arguments, in order."""
    schema = getattr(target, "_schema", None)
    return {} if schema is None else dict.fromkeys(argument.name for argument in schema.arguments)


def _is_random(n: fx.Node) -> bool:
    return isinstance(n.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in n.target.tags


def _takes_default_type(n: fx.Node) -> bool:
    """Return whether an operation makes a tensor of nothing but sizes."""
    if not isinstance(n.target, torch._ops.OpOverload) or any(
        isinstance(a.meta.get("val"), Tensor) for a in n.all_input_nodes
    ):
        return False
    return any(argument.name == "dtype" and argument.kwarg_only for argument in n.target._schema.arguments)


def _with_types(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(_with_types, value))
    if isinstance(value, dict):
        return {key: _with_types(item) for key, item in value.items()}
    return _DOUBLE.get(value, value) if isinstance(value, torch.dtype) else value
