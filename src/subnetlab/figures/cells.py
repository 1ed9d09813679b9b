"""The cells of a heatmap: their colours, the numbers in them, and those without a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Patch, Rectangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

    from ..core.arrays import FloatArray

_COLOURS = "YlGnBu"  # light for small; in order for colour-blind readers and in grey print
_DIVERGED: dict[str, Any] = {"facecolor": "white", "edgecolor": "#808080", "hatch": "////////", "linewidth": 0}
_LARGEST_FONT = 7.0  # points
_SMALLEST_FONT = {3: 5.5, 2: 4.2}  # by the number of digits: rather two digits than three tiny ones
_DIGIT_WIDTH, _POINT_WIDTH = 0.5, 0.25  # of the font size


def colour_scale(values: FloatArray, *, log: bool) -> Normalize:
    """Return the scale over all values that are not nan."""
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (1.0, 1.0)
    if low == high:  # a scale needs a length
        low, high = (low / 1.05, high * 1.05) if log else (low - 0.5, high + 0.5)
    return LogNorm(low, high) if log else Normalize(low, high)


@dataclass(frozen=True)
class Cells:
    """The cells of one panel as drawn."""

    ax: Axes
    mesh: QuadMesh
    values: FloatArray  # (R, C), nan where diverged

    @property
    def known(self) -> FloatArray:
        """The values that are not nan, in one row."""
        return self.values[~np.isnan(self.values)]


def draw_cells(ax: Axes, values: FloatArray, scale: Normalize) -> Cells:
    """Draw the cells, the first row at the bottom; nan is hatched."""
    rows, columns = values.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    mesh = ax.pcolormesh(*edges, values, cmap=_COLOURS, norm=scale, edgecolors="white", linewidth=0.4)
    for i, j in np.argwhere(np.isnan(values)):
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, **_DIVERGED))
    return Cells(ax, mesh, values)


def diverged_patch() -> Patch:
    """Return the entry of the legend that names the hatched cells."""
    return Patch(label="diverged", **_DIVERGED)


def short_number(value: float, digits: int) -> str:
    """Return the value with that many significant digits, no wider than needed.

    Examples
    --------
    >>> [short_number(v, 3) for v in (0.5, 12.34, 123.4, 12345.0, 0.0000123)]
    ['0.500', '12.3', '123', '1.23e4', '1.23e-5']
    """
    mantissa, _, exponent = f"{value:#.{digits}g}".partition("e")
    return mantissa.rstrip(".") + (f"e{int(exponent)}" if exponent else "")


def write_numbers(panels: Sequence[Cells]) -> None:
    """Write the values into the cells of all panels in one size, with 3 digits, 2, or none if they do not fit.

    The layout must be final: the size follows from that of the cells.
    """
    for digits, smallest in _SMALLEST_FONT.items():
        size = min(_LARGEST_FONT, *(_fitting_size(cells, digits) for cells in panels))
        if size >= smallest:
            for cells in panels:
                _write(cells, digits, size)
            return


def _fitting_size(cells: Cells, digits: int) -> float:
    widest = max((_text_width(short_number(value, digits)) for value in cells.known.tolist()), default=1.0)
    box = cells.ax.get_window_extent()
    rows, columns = cells.values.shape
    points = 72.0 / cells.ax.figure.dpi
    return min(0.9 * box.width * points / columns / widest, 0.6 * box.height * points / rows)


def _text_width(text: str) -> float:
    points = text.count(".")
    return _DIGIT_WIDTH * (len(text) - points) + _POINT_WIDTH * points


def _write(cells: Cells, digits: int, size: float) -> None:
    brightness = cells.mesh.to_rgba(cells.values)[:, :, :3] @ (0.2126, 0.7152, 0.0722)
    for i, j in np.argwhere(~np.isnan(cells.values)):
        colour = "black" if brightness[i, j] > 0.5 else "white"
        text = short_number(float(cells.values[i, j]), digits)
        cells.ax.text(j, i, text, ha="center", va="center", fontsize=size, color=colour)
