"""What a theorem says about given data and settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..core import checks

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

Constants: TypeAlias = Literal["paper", "repaired"]
CONSTANTS: tuple[Constants, ...] = ("paper", "repaired")


@dataclass(frozen=True)
class Condition:
    """One hypothesis of a theorem: ``value`` must be at least, or at most, ``limit``.

    Parameters
    ----------
    name : str
        What is compared.
    value, limit : float
        Numbers, which may be infinite.
    relation : {">=", "<=", ">"}

    Raises
    ------
    TypeError, ValueError
        If a field breaks its rule.
    """

    name: str
    value: float
    limit: float
    relation: Literal[">=", "<=", ">"]

    def __post_init__(self) -> None:
        checks.instance("Condition", "name", self.name, str)
        _number("Condition", "value", self.value)
        _number("Condition", "limit", self.limit)
        checks.one_of("Condition", "relation", self.relation, (">=", "<=", ">"))

    @property
    def met(self) -> bool:
        """Whether the hypothesis holds."""
        if self.relation == "<=":
            return self.value <= self.limit
        return self.value >= self.limit if self.relation == ">=" else self.value > self.limit

    @property
    def margin(self) -> float:
        """By what factor the hypothesis is met, below 1 if it is not; for a limit of 0 the value itself."""
        if self.limit == 0:
            return self.value
        first, second = (self.limit, self.value) if self.relation == "<=" else (self.value, self.limit)
        return math.inf if second == 0 else first / second


@dataclass(frozen=True, eq=False)
class Promise:
    """A theorem applied: its hypotheses, and what it promises if they are met.

    Parameters
    ----------
    statement : str
        "Theorem 3", for example.
    constants : {"paper", "repaired"}
        As printed, or with the errors of docs/derivations/repairs.md put right.
    applies : bool
        Whether the theorem is about such a scheme at all.
    reason : str
        Why it does not apply; empty if it does.
    conditions : tuple of Condition
    rate : float, optional
        The factor that the distance to the floor loses per round (per local step in Hypothesis 1).
    floor : float, optional
        The error that remains.
    bound : ndarray, shape (K + 1,), optional
        The bound of E |y - u_k|^2 over the rounds.
    initial_error : float, optional
        |y - u_0|^2, or its expectation.
    probability : float, optional
        With which the promise holds, over the initial network and the masks.
    notes : tuple of str
    proven : bool, optional
        Whether the promise follows from its hypotheses by a proof without gaps (docs/derivations); False if its printed
        proof is broken, None where nothing is said, as of statements of a user's own.

    Raises
    ------
    TypeError, ValueError
        If a field breaks its rule: statements of a user's own are refused here, before a verdict reads them.
    """

    statement: str
    constants: Constants
    applies: bool
    reason: str = ""
    conditions: tuple[Condition, ...] = ()
    rate: float | None = None
    floor: float | None = None
    bound: FloatArray | None = None
    initial_error: float | None = None
    probability: float | None = None
    notes: tuple[str, ...] = ()
    proven: bool | None = None

    def __post_init__(self) -> None:
        for name in ("statement", "reason"):
            checks.instance("Promise", name, getattr(self, name), str)
        checks.one_of("Promise", "constants", self.constants, CONSTANTS)
        checks.flag("Promise", "applies", self.applies)
        if self.proven is not None:
            checks.flag("Promise", "proven", self.proven)
        _all_of("conditions", self.conditions, Condition)
        _all_of("notes", self.notes, str)
        for name in ("rate", "floor", "initial_error", "probability"):
            if getattr(self, name) is not None:
                _number("Promise", name, getattr(self, name))
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError(f"Promise: probability must be in [0, 1], got {self.probability}")
        if self.bound is not None:
            _curve("bound", self.bound)

    def __repr__(self) -> str:
        if not self.applies:
            return f"Promise({self.statement}, {self.constants} constants: does not apply, {self.reason})"
        unmet = sum(not condition.met for condition in self.conditions)
        hypotheses = f"{unmet} of {len(self.conditions)} hypotheses not met" if unmet else "all hypotheses met"
        limits = "" if self.rate is None or self.floor is None else f", rate {self.rate:.6g}, floor {self.floor:.4g}"
        return f"Promise({self.statement}, {self.constants} constants: {hypotheses}{limits})"

    @property
    def met(self) -> bool:
        """Whether the theorem applies and every hypothesis is met; `proven` says whether the promise follows then."""
        return self.applies and all(condition.met for condition in self.conditions)

    @property
    def earned(self) -> str:
        """What the hypotheses earn, as half a sentence."""
        if not self.applies:
            return f"it does not apply: {self.reason}"
        unmet = sum(not condition.met for condition in self.conditions)
        if unmet:
            return f"{unmet} of its {len(self.conditions)} hypotheses are not met, so it promises nothing here"
        if self.proven is False:
            return "its hypotheses are met, but its printed proof is broken, so the bound is not proven"
        return "its hypotheses are met"

    @property
    def vacuous(self) -> bool | None:
        """Whether the bound never falls below the initial error, so that it says nothing; None without a bound."""
        if self.bound is None or self.initial_error is None:
            return None
        return bool(self.bound.min() >= self.initial_error)

    def rounds_needed(self, excess: float) -> float:
        """Return the rounds after which the bound is at most ``floor + excess``; infinite if it never is.

        The Reproducibility Statement's K = log(error_0 / excess) / log(1 / rate).

        Parameters
        ----------
        excess : float
            Above 0.
        """
        if excess <= 0:
            raise ValueError(f"Promise: excess must be above 0, got {excess}")
        if self.rate is None or self.bound is None or self.floor is None:
            return math.inf
        start = float(self.bound[0]) - self.floor
        if start <= excess:
            return 0.0
        return math.inf if self.rate >= 1 else math.log(start / excess) / -math.log1p(self.rate - 1)


def not_applicable(statement: str, constants: Constants, reason: str) -> Promise:
    """Return the record of a theorem that is not about the case."""
    return Promise(statement, constants, applies=False, reason=reason)


def _number(owner: str, name: str, value: Any) -> None:
    """Raise unless ``value`` is a number; widths that no network reaches are infinite, so infinity is one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    if math.isnan(value):
        raise ValueError(f"{owner}: {name} must be a number, got NaN")


def _all_of(name: str, values: Any, kind: type) -> None:
    """Raise unless ``values`` is a tuple, or a list, of ``kind``; a text is none of its letters."""
    checks.instance("Promise", name, values, tuple | list)
    for value in values:
        checks.instance("Promise", f"each of {name}", value, kind)


def _curve(name: str, values: Any) -> None:
    """Raise unless ``values`` is an array of one real number for each round."""
    checks.instance("Promise", name, values, np.ndarray)
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise TypeError(
            f"Promise: {name} must be a vector of real numbers, got shape {values.shape} of dtype {values.dtype}"
        )
    if np.isnan(values).any():
        raise ValueError(f"Promise: {name} must be a number in every round, got NaN")
