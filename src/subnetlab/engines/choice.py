"""engine="auto": the engine for a request, from settings and counts alone, never from a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .table import ENGINES

if TYPE_CHECKING:
    from .base import Capability


def choose_engine(needed: set[Capability]) -> str:
    """Return the name of the engine that ``engine="auto"`` means.

    Raises
    ------
    ValueError
        If no engine can do what is needed.
    """
    for name in ("primal", "reference"):
        if needed <= ENGINES[name].capabilities:
            return name
    raise ValueError(f"train: no engine supports {', '.join(sorted(needed))} together")
