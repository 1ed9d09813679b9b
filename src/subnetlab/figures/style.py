"""One look for all figures: fonts that matplotlib ships, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib.style
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

Table: TypeAlias = "dict[str, Sequence[Any]]"
"""The numbers that a figure draws: columns of equal length, by name."""

COLUMN_WIDTH = 3.25  # inches: a column of a two-column page
TEXT_WIDTH = 5.5  # inches: the text of a one-column page

# Okabe and Ito (2008)
VERMILLION, BLUE, BLACK, GREY = "#D55E00", "#0072B2", "#000000", "#9A9A9A"
ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"

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
