"""The mask laws by name, for files and command lines."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from .all_neurons import AllNeurons
from .balanced import Balanced
from .bernoulli import Bernoulli
from .categorical import Categorical
from .fixed import FixedMasks
from .shares import Ordered, Rolling

if TYPE_CHECKING:
    from .law import MaskLaw

LAWS: dict[str, type[MaskLaw]] = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "balanced": Balanced,
    "ordered": Ordered,
    "rolling": Rolling,
    "all": AllNeurons,
    "fixed": FixedMasks,
}


def law_settings(name: str) -> set[str]:
    """Return what the law of that name is made from."""
    return {field.name for field in fields(cast("Any", LAWS[name]))}


def plain_laws() -> tuple[str, ...]:
    """Return the names of the laws that are made from plain settings: what a command, a page or a plan can say.

    Examples
    --------
    >>> plain_laws()
    ('bernoulli', 'categorical', 'balanced', 'ordered', 'rolling', 'all')
    """
    return tuple(name for name in LAWS if "masks" not in law_settings(name))
