"""The mask laws by name, for files and command lines."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from .all_neurons import AllNeurons
from .bernoulli import Bernoulli
from .categorical import Categorical
from .fixed import FixedMasks

if TYPE_CHECKING:
    from .law import MaskLaw

LAWS: dict[str, type[MaskLaw]] = {
    "all": AllNeurons,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "fixed": FixedMasks,
}


def law_settings(name: str) -> set[str]:
    """Return what the law of that name is made from."""
    return {field.name for field in fields(cast("Any", LAWS[name]))}


def law_by_name(name: str, **settings: Any) -> MaskLaw:
    """Return the law of that name with those of the settings that it has.

    Examples
    --------
    >>> law_by_name("categorical", n_subnetworks=4, selection_prob=0.5)
    Categorical(n_subnetworks=4, probabilities=None)
    """
    known = law_settings(name)
    return LAWS[name](**{setting: value for setting, value in settings.items() if setting in known})
