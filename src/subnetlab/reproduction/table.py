"""The figures by name. A new one is a plan, a file with its `Figure`, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import figure_2a, figure_2b, figure_2c

if TYPE_CHECKING:
    from .figure import Figure

FIGURES: dict[str, Figure] = {
    "2a": figure_2a.FIGURE,
    "2b": figure_2b.FIGURE,
    "2c": figure_2c.FIGURE,
}
