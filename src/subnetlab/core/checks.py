"""Checks of scalar arguments; every error names the owner, the argument, the rule and the value."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from typing import Any

import numpy as np

MOST_THREADS = 1024  # of one process: far more end it where the system runs out of them


def whole_number(owner: str, name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """Return ``value`` as an int of at least ``least``, and at most ``most`` if there is such a limit.

    Raises
    ------
    TypeError
        If the value is no whole number (a bool is none).
    ValueError
        If it is below ``least`` or above ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{owner}: {name} must be a whole number, got {value!r}")
    number = int(value)
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {value}")
    if most is not None and number > most:
        raise ValueError(f"{owner}: {name} must be at most {most}, got {value}")
    return number


def seed_number(owner: str, value: Any) -> int:
    """Return ``value`` as a seed: a whole number in [0, 2**64)."""
    seed = whole_number(owner, "seed", value, least=0)
    if seed >= 2**64:
        raise ValueError(f"{owner}: seed must be below 2**64, got {value}")
    return seed


def memory(owner: str, name: str, what: str, n_bytes: int) -> None:
    """Raise ValueError if ``what`` the argument asks for can never fit into this machine's memory.

    To say so beforehand spares a wait: without, an array of terabytes is asked for, or filled until the system kills.
    """
    if hasattr(os, "sysconf") and n_bytes > (there := os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")):
        raise ValueError(
            f"{owner}: {name} must give {what} that fit into the memory of this machine, {there // 10**9:,} GB, "
            f"got {n_bytes // 10**9:,} GB"
        )


def finite_number(owner: str, name: str, value: Any) -> float:
    """Return ``value`` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{owner}: {name} must be finite, got {value}")
    return float(value)


def positive_number(owner: str, name: str, value: Any, *, least: float = 0.0, most: float = math.inf) -> float:
    """Return ``value`` as a finite float above zero, at least ``least`` and at most ``most``."""
    number = finite_number(owner, name, value)
    if number <= 0:
        raise ValueError(f"{owner}: {name} must be above 0, got {value}")
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least:g}, got {value:g}")
    if number > most:
        raise ValueError(f"{owner}: {name} must be at most {most:g}, got {value:g}")
    return number


def probability(owner: str, name: str, value: Any) -> float:
    """Return ``value`` as a probability in (0, 1]."""
    number = finite_number(owner, name, value)
    if not 0 < number <= 1:
        raise ValueError(f"{owner}: {name} must be in (0, 1], got {value}")
    return number


def flag(owner: str, name: str, value: Any) -> bool:
    """Return ``value``, a bool of Python or of NumPy, as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} must be a bool, got {type(value).__name__}")
    return bool(value)


def instance(owner: str, name: str, value: Any, kind: Any) -> None:
    """Raise TypeError unless ``value`` is a ``kind``: a class, or classes joined by ``|``."""
    if not isinstance(value, kind):
        names = " or ".join(k.__name__ for k in getattr(kind, "__args__", (kind,)))
        raise TypeError(f"{owner}: {name} must be a {names}, got {type(value).__name__}")


def function(owner: str, name: str, value: Any, *, optional: bool = False) -> None:
    """Raise TypeError unless ``value`` can be called; if it is ``optional``, None is as good."""
    if not (callable(value) or (optional and value is None)):
        raise TypeError(f"{owner}: {name} must be callable, got {value!r}")


def one_of(owner: str, name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of the ``allowed`` words."""
    if value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"{owner}: {name} must be one of {words}, got {value!r}")
    return str(value)
