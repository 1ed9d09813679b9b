"""The statements by name: one line per theorem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..surroundings import undisturbed
from .corollaries import corollary1, corollary2, corollary3
from .hypothesis1 import hypothesis1
from .record import CONSTANTS, Constants, Promise
from .theorem1 import theorem1
from .theorem2 import theorem2
from .theorem3 import theorem3
from .theorem4 import theorem4
from .theorem5 import theorem5

if TYPE_CHECKING:
    from collections.abc import Callable

    from .setting import TheorySetting

THEOREMS: dict[str, Callable[[TheorySetting, Constants], Promise]] = {
    "theorem1": theorem1,
    "theorem2": theorem2,
    "hypothesis1": hypothesis1,
    "theorem3": theorem3,
    "corollary1": corollary1,
    "corollary2": corollary2,
    "corollary3": corollary3,
    "theorem4": theorem4,
    "theorem5": theorem5,
}


@undisturbed()
def all_promises(setting: TheorySetting) -> dict[str, tuple[Promise, Promise]]:
    """Return every statement with the paper's and with the repaired constants, side by side.

    Examples
    --------
    >>> import numpy as np, subnetlab as sl
    >>> setting = sl.theory_setting(np.eye(3), np.ones(3), sl.gradient_descent(5, "theory"), width=1000)
    >>> paper, repaired = all_promises(setting)["theorem3"]
    >>> paper.floor, repaired.floor, paper.met
    (0.0, 0.0, False)
    """
    paper, repaired = CONSTANTS
    return {name: (theorem(setting, paper), theorem(setting, repaired)) for name, theorem in THEOREMS.items()}
