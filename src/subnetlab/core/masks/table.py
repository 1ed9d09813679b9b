"""The mask laws by name, for files and command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
