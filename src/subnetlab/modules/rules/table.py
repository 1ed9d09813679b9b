"""The table of rules: what each operation of an exported graph means for the labels of its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch

from ...core import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..operation import Labelled, Operation

    Rule: TypeAlias = Callable[[Operation], Labelled]

_RULES: dict[str, Rule] = {}


def register_rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of operations: a function from an `Operation` to the labels of its result.

    Parameters
    ----------
    *names : str
        Such as "aten.relu" or, for an operation of one's own, "mylibrary.scale_rows". A name without an overload
        stands for all overloads, and for the variant in place.

    Raises
    ------
    TypeError, ValueError
        If no name is given, one is not "library.operation", or the rule cannot be called.

    Examples
    --------
    An operation of one's own that treats every entry alike keeps the labels of its argument:

    >>> import torch, subnetlab as sl
    >>> @torch.library.custom_op("doc_example::halved", mutates_args=())
    ... def halved(x: torch.Tensor) -> torch.Tensor:
    ...     return x / 2
    >>> _ = halved.register_fake(torch.empty_like)
    >>> @sl.register_rule("doc_example.halved")
    ... def rule(op):
    ...     return op.axes("x")
    """
    if not names or any(not isinstance(name, str) or len(name.split(".")) not in (2, 3) for name in names):
        raise ValueError(f"register_rule: names must be like 'library.operation', got {names}")

    def put(rule: Rule) -> Rule:
        checks.function("register_rule", "rule", rule)
        for name in names:
            _RULES[name] = rule
        return rule

    return put


def rule_of(target: object) -> Rule | None:
    """Return the rule of a node's target: of the overload, the operation, or the operation that is not in place."""
    if not isinstance(target, torch._ops.OpOverload):
        return None
    name = str(target)
    operation = name.rsplit(".", 1)[0]
    for known in (name, operation, operation.removesuffix("_")):
        if known in _RULES:
            return _RULES[known]
    plain = getattr(getattr(torch.ops, target.namespace, None), operation.split(".")[1].removesuffix("_"), None)
    overloads = [target, *(getattr(plain, overload) for overload in plain.overloads())] if plain else [target]
    return _RULES["torch.pointwise"] if any(torch.Tag.pointwise in o.tags for o in overloads) else None
