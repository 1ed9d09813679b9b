"""The document: one HTML file that needs nothing else, its sections, and its figures.

A figure is charts, the numbers that they draw, what can be set, and what is seen in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .library import vega
from .markup import Markup, definitions, joined, paragraph, text
from .style import chart_config, colour_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import altair as alt

MARK = "<!-- subnetlab report -->"
"""By which a page is known as one of ours, that may be written again."""

Component: TypeAlias = Literal["static", "rounds", "explorer"]
"""Which part of assets/page.js draws it."""
_NOTHING = Markup("")


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


@dataclass(frozen=True)
class Key:
    """A line of a legend: a mark of the chart, its meaning, and the box to tick that it needs, if any."""

    mark: Literal["triangle", "circle", "square", "line", "dashed", "dotted", "band", "rule", "outline", "ring"]
    colour: str
    meaning: Markup
    of: str = ""


@dataclass(frozen=True)
class PageFigure:
    """A figure.

    Parameters
    ----------
    name : str
        Its id in the document.
    component : {"static", "rounds", "explorer"}
    charts : mapping of str to altair chart
        In the order in which they stand.
    data : mapping
        What the page's script needs, JSON-able.
    caption : Markup
    controls, below : Markup
        Elements before and behind the charts.
    keys : sequence of Key
        The legend.
    """

    name: str
    component: Component
    charts: Mapping[str, alt.TopLevelMixin]
    data: Mapping[str, Any]
    caption: Markup
    controls: Markup = _NOTHING
    below: Markup = _NOTHING
    keys: Sequence[Key] = field(default_factory=tuple)

    def markup(self) -> Markup:
        """Return the element."""
        plots = "".join(
            f'<div class="plot" data-plot="{name}" role="img" aria-labelledby="{self.name}-caption"></div>'
            for name in self.charts
        )
        content = {"specs": {name: chart.to_dict() for name, chart in self.charts.items()}, **self.data}
        controls = f'<div class="controls">{self.controls}</div>' if self.controls else ""
        return Markup(
            f'<figure id="{self.name}" data-component="{self.component}">{controls}{_legend(self.keys)}'
            f'<div class="plots">{plots}</div>{self.below}'
            f'<figcaption id="{self.name}-caption">{self.caption}</figcaption>\n'
            f'<script type="application/json">{script_data(content)}</script></figure>'
        )


def _legend(keys: Sequence[Key]) -> Markup:
    if not keys:
        return Markup("")
    entries = (
        Markup(
            f'<li data-of="{key.of}"><span class="key {key.mark}" style="--key: {key.colour}"></span>{key.meaning}</li>'
        )
        for key in keys
    )
    return Markup(f'<ul class="legend">{joined(entries, "")}</ul>')


def script_data(content: object) -> str:
    r"""Return JSON that cannot end the script element that holds it.

    Examples
    --------
    >>> script_data({"a": "</script>"})
    '{"a":"\\u003c/script>"}'
    """
    return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
