"""One look for all figures: fonts that matplotlib ships, colours that colour-blind readers can tell apart, ticks.

Ticks of logarithmic axes can be read however short or long the axis is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from matplotlib.axis import Axis

Table: TypeAlias = "dict[str, Sequence[Any]]"
"""The numbers that a figure draws: columns of equal length, by name."""

COLUMN_WIDTH = 3.25  # inches: a column of a two-column page
TEXT_WIDTH = 5.5  # inches: the text of a one-column page

# Okabe and Ito (2008)
VERMILLION, BLUE, BLACK, GREY = "#D55E00", "#0072B2", "#000000", "#9A9A9A"
ORANGE, SKY, GREEN, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#CC79A7"

_SETTINGS = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 9,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 0.8,
    "hatch.linewidth": 0.5,
    "axes.unicode_minus": True,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.hashsalt": "subnetlab",  # element names that do not change from run to run
    "svg.fonttype": "path",  # looks the same on machines without the font
    "pdf.fonttype": 42,  # TrueType embedded: journals refuse type 3
}
_MANTISSAS = ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))  # from fine to coarse


def publication_style() -> AbstractContextManager[None]:
    """Return a context in which figures are made and saved, free of the user's own matplotlib settings."""
    return matplotlib.style.context(_SETTINGS, after_reset=True)


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of that size in inches that belongs to no window and to no pyplot."""
    return Figure(figsize=(width, height), layout="constrained")


def freeze_layout(figure: Figure) -> None:
    """Place everything once, so that all formats agree and saving again moves nothing."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def set_log_ticks(axis: Axis, low: float, high: float, *, most: int) -> None:
    """Put at most ``most`` labelled ticks on a logarithmic axis from ``low`` to ``high``, unlabelled ones between."""
    ticks = log_ticks(low, high, most)
    plain = all(1e-3 <= tick < 1e4 for tick in ticks)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if plain else power_of_ten(value)))
    between = 3 <= high / low <= 1e6
    axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=12) if between else NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers in [low, high]: the most that are no more than ``most``.

    Examples
    --------
    >>> log_ticks(0.4, 30.0, 6)
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    >>> log_ticks(1e-9, 1e9, 4)
    [1e-05, 1.0, 100000.0]
    >>> log_ticks(1.1, 1.9, 5)
    [1.2, 1.4, 1.6, 1.8]
    """
    if high < 3 * low:
        spaced = MaxNLocator(nbins=most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        ticks = [float(f"{tick:.12g}") for tick in spaced]
        return [tick for tick in ticks if low <= tick <= high]
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for mantissas in _MANTISSAS:
        ticks = [float(f"{m}e{e}") for e in range(first, last + 1) for m in mantissas]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            return ticks
    stride = math.ceil((last - first + 1) / most)
    decades = [float(f"1e{e}") for e in range(first, last + 1) if e % stride == 0]
    return [tick for tick in decades if low <= tick <= high]


def power_of_ten(value: float) -> str:
    r"""Return the number as a power of ten in mathtext, with a factor where it needs one.

    Examples
    --------
    >>> print(power_of_ten(1e6), power_of_ten(2e-7))
    $10^{6}$ $2{\times}10^{-7}$
    """
    mantissa, exponent = f"{value:.11e}".split("e")
    power = f"10^{{{int(exponent)}}}"
    return f"${power}$" if float(mantissa) == 1 else f"${float(mantissa):g}{{\\times}}{power}$"
