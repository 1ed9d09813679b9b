"""The figures by name; a new figure is one new file and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..core import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from .style import Table

FIGURES: dict[str, str] = {
    "dynamics": ".dynamics:draw_dynamics",
    "heatmap": ".heatmap:draw_heatmap",
    "heatmaps": ".heatmap:draw_heatmaps",
    "promise": ".promise:draw_promise",
}


def figure_function(name: str) -> Callable[..., tuple[Figure, Table]]:
    """Return the function that draws the figure; matplotlib is loaded now.

    Raises
    ------
    ValueError
        If there is no figure of that name.

    Examples
    --------
    >>> figure_function("dynamics").__name__
    'draw_dynamics'
    """
    checks.one_of("figure_function", "name", name, tuple(FIGURES))
    module, function = FIGURES[name].split(":")
    return getattr(import_module(module, __package__), function)
