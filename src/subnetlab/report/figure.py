"""A figure of the page: charts, the numbers that they draw, what can be set, and what is seen in words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .markup import Markup, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import altair as alt

Component: TypeAlias = Literal["static", "rounds", "explorer"]
"""Which part of assets/page.js draws it."""

_NOTHING = Markup("")


@dataclass(frozen=True)
class Key:
    """A line of a legend: a mark of the chart, its meaning, and the box to tick that it needs, if any."""

    mark: Literal["triangle", "circle", "square", "line", "dashed", "dotted", "band", "rule", "outline", "ring"]
    colour: str
    meaning: Markup
    of: str = ""


@dataclass(frozen=True)
class Figure:
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
