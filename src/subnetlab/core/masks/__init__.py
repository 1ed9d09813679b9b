"""Mask laws: which neurons form which subnetwork in which round (Section 3).

A law is one file here and one line in `table.LAWS`.
"""

from .all_neurons import AllNeurons
from .balanced import Balanced
from .bernoulli import Bernoulli
from .categorical import Categorical
from .fixed import FixedMasks
from .law import MaskLaw
from .shares import Ordered, Rolling
from .table import LAWS

__all__ = [
    "LAWS",
    "AllNeurons",
    "Balanced",
    "Bernoulli",
    "Categorical",
    "FixedMasks",
    "MaskLaw",
    "Ordered",
    "Rolling",
]
