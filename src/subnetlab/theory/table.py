"""The statements by name: one line per theorem."""

from __future__ import annotations

import inspect
from collections import UserDict
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from ..core.presets import gradient_descent, independent_subnets, multi_sample_dropout
from ..surroundings import undisturbed
from .corollaries import corollary1, corollary2, corollary3
from .hypothesis1 import hypothesis1
from .record import CONSTANTS, Constants, Promise
from .setting import theory_setting
from .theorem1 import theorem1
from .theorem2 import theorem2
from .theorem3 import theorem3
from .theorem4 import theorem4
from .theorem5 import theorem5

if TYPE_CHECKING:
    from collections.abc import Callable

    from .setting import TheorySetting

    Statement: TypeAlias = Callable[[TheorySetting, Constants], Promise]


class Statements(UserDict[str, "Statement"]):
    """Statements by name; a statement that is added is first tried on three small settings.

    Raises
    ------
    TypeError, ValueError
        On adding, if it cannot be called with a setting and the name of the constants, or what it returns is no
        `Promise` for them.
    """

    def __init__(self, of_the_paper: dict[str, Statement]) -> None:
        super().__init__()
        self.data.update(of_the_paper)

    def __setitem__(self, name: str, statement: Statement) -> None:
        if not isinstance(name, str) or not callable(statement):
            raise TypeError(f"theory: a statement must be a function under a name, got {statement!r} under {name!r}")
        try:
            inspect.signature(statement).bind(None, "paper")
        except TypeError as error:
            raise TypeError(f"theory: {name} must take a setting and the name of the constants ({error})") from error
        for scheme in (
            gradient_descent(3, 0.1),
            multi_sample_dropout(2, 0.5, 3, 0.1),
            independent_subnets(2, 3, 2, 0.1),
        ):
            setting = theory_setting(np.eye(3), np.ones(3), scheme, width=1000)
            for constants in CONSTANTS:
                promised(name, statement, setting, constants)
        super().__setitem__(name, statement)

    # UserDict joins the dictionaries inside without a look at what is added.
    def __or__(self, other: Any) -> Statements:
        joined = Statements(self.data)
        joined.update(other)
        return joined

    def __ror__(self, other: Any) -> Statements:
        joined = Statements({})
        joined.update(other)
        joined.data.update(self.data)
        return joined

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self


def promised(name: str, statement: Statement, setting: TheorySetting, constants: Constants) -> Promise:
    """Return what the statement says of the setting.

    Raises
    ------
    TypeError, ValueError
        If that is no `Promise` of these constants, gives no reason where it does not apply, or its bound is not one
        number for each round, or is negative although all hypotheses are met.
    """
    promise: Any = statement(setting, constants)
    if not isinstance(promise, Promise):
        raise TypeError(f"theory: {name} must return a Promise, got {type(promise).__name__}")
    if promise.constants != constants:
        raise ValueError(f"theory: {name} must return a Promise of constants {constants!r}, got {promise.constants!r}")
    if not promise.applies and not promise.reason:
        raise ValueError(f"theory: {name} must say why it does not apply, got no reason")
    wanted = (setting.rounds + 1,)
    if promise.bound is not None and np.shape(promise.bound) != wanted:
        raise ValueError(f"theory: {name} must have a bound of shape {wanted}, got {np.shape(promise.bound)}")
    if promise.met and promise.bound is not None and (least := promise.bound.min()) < 0:  # formulas may, out of bounds
        raise ValueError(f"theory: {name} must have a bound of at least 0 where its hypotheses are met, got {least:g}")
    return promise


THEOREMS = Statements(
    {
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
)


OF_THE_PAPER = tuple(THEOREMS)
"""Other statements were added by a user and are shown after these."""


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
    return {
        name: (promised(name, statement, setting, paper), promised(name, statement, setting, repaired))
        for name, statement in THEOREMS.items()
    }
