"""The document: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from .figure import script_data
from .library import vega
from .markup import Markup, definitions, joined, paragraph, text
from .style import chart_config, colour_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK = "<!-- subnetlab report -->"
"""By which a page is known as one of ours, that may be written again."""


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own; ``name`` is its id."""

    name: str
    heading: str
    content: Markup


@dataclass(frozen=True)
class Page:
    """What a page says.

    Parameters
    ----------
    kind : str
        What it is a page of.
    heading : str
    lede : Markup
        What was found, in one or two sentences.
    facts : mapping
        What a reader must know of the setting, by name.
    sections : sequence of Section
    """

    kind: str
    heading: str
    lede: Markup
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

    assets = files("subnetlab.report") / "assets"
    sections = (
        Markup(
            f'<section id="{text(section.name)}" aria-labelledby="{text(section.name)}-heading">'
            f'<h2 id="{text(section.name)}-heading">{text(section.heading)}</h2>\n{section.content}\n</section>'
        )
        for section in page.sections
    )
    links = (
        Markup(f'<li><a href="#{text(section.name)}">{text(section.heading)}</a></li>') for section in page.sections
    )
    return Template((assets / "page.html").read_text(encoding="utf-8")).substitute(
        mark=MARK,
        title=text(f"{page.heading} ({page.kind})"),
        colours=colour_variables(),
        style=(assets / "page.css").read_text(encoding="utf-8"),
        kind=text(page.kind),
        heading=text(page.heading),
        lede=paragraph(page.lede, "lede"),
        facts=definitions(page.facts, "facts"),
        links=joined(links, ""),
        sections=joined(sections),
        footer=text(
            f"Made by subnetlab {__version__}. One file, complete: it opens offline and asks nobody for anything."
        ),
        config=script_data(chart_config()),
        library=vega().replace("</script", "<\\/script"),  # may stand inside a script element
        script=(assets / "page.js").read_text(encoding="utf-8"),
    )
