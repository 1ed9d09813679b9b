"""The document: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .library import vega
from .parts import Definitions
from .style import chart_config, style_sheet
from .templates import asset, environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .parts import Part

MARK = "<!-- subnetlab report -->"
"""By which a page is known as one of ours, that may be written again."""


@dataclass(frozen=True)
class Section:
    """Parts of the page under a heading of their own; ``name`` is its id."""

    name: str
    heading: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """What a page says.

    Parameters
    ----------
    kind : str
        What it is a page of.
    heading : str
    lede : str
        What was found, in one or two sentences.
    facts : mapping
        What a reader must know of the setting, by name.
    sections : sequence of Section
    """

    kind: str
    heading: str
    lede: str
    facts: Mapping[str, object]
    sections: Sequence[Section]


def document(page: Page) -> str:
    """Return the HTML file; the same page gives the same bytes.

    Raises
    ------
    ImportError
        If altair or vl-convert is not installed.
    """
    from subnetlab import __version__

    return (
        environment()
        .get_template("page.html")
        .render(
            mark=MARK,
            page=page,
            facts=Definitions(page.facts, "facts"),
            version=__version__,
            style=style_sheet(),
            config=chart_config(),
            library=vega(),
            scripts=[asset(name) for name in ("figures.js", "rounds.js", "grid.js")],
        )
    )
