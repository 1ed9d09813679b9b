"""The parts of a page as records: what they say, and no HTML.

A template prints a part by the macro of its name in templates/parts.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .templates import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import altair as alt

Component: TypeAlias = Literal["static", "rounds", "grid"]
"""Which script of assets/ draws a figure."""


class Part:
    """What a page is made of."""

    def __html__(self) -> str:
        """Return the element; a template that prints a part calls it."""
        return getattr(environment().get_template("parts.html").module, type(self).__name__.lower())(self)


Cell: TypeAlias = str | Part


@dataclass(frozen=True)
class Paragraph(Part):
    """A paragraph, of a class if one is given."""

    words: str
    kind: str = ""


@dataclass(frozen=True)
class Heading(Part):
    """A heading inside a section."""

    words: str


@dataclass(frozen=True)
class Preformatted(Part):
    """Text as a terminal shows it."""

    words: str


@dataclass(frozen=True)
class Definitions(Part):
    """Names and their values."""

    items: Mapping[str, object]
    kind: str = "settings"


@dataclass(frozen=True)
class Table(Part):
    """A table whose first column names its rows.

    Parameters
    ----------
    caption : str
    header : sequence of str
        The names of the columns.
    rows : iterable of sequence of str or Part
        As long as the header; or groups of such rows by name.
    kind : str, optional
        A class.

    Examples
    --------
    >>> Table("T", ["a", "<b>"], [["1", "2"]]).__html__().count("scope")
    3
    """

    caption: str
    header: Sequence[str]
    rows: Iterable[Sequence[Cell]] | Mapping[str, Iterable[Sequence[Cell]]]
    kind: str = ""


@dataclass(frozen=True)
class Folded(Part):
    """Parts that are shown on demand, and on paper."""

    summary: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Outcome(Part):
    """An outcome, HOLDS for example: a word, and a colour besides."""

    word: str

    @property
    def tone(self) -> str:
        """Whether it is good or bad news, or neither."""
        good, bad = self.word in ("HOLDS", "KEPT", "MET"), self.word in ("FAILS", "BROKEN", "NOT MET")
        return "good" if good else "bad" if bad else "open"


@dataclass(frozen=True)
class Picture(Part):
    """A drawing with colours of its own."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Slider(Part):
    """A slider over so many stops, from 0; the page's script writes what a stop means."""

    name: str
    label: str
    stops: int
    at: int = 0
    shown: object = ""


@dataclass(frozen=True)
class Choice(Part):
    """A list to choose from; values are positions."""

    name: str
    label: str
    options: Sequence[object]
    at: int = 0


@dataclass(frozen=True)
class Tick(Part):
    """A box to tick."""

    name: str
    label: str
    on: bool


@dataclass(frozen=True)
class Key:
    """A line of a legend: a mark of the chart, its meaning, and the box to tick that it needs, if any."""

    mark: Literal["triangle", "circle", "square", "line", "dashed", "dotted", "band", "rule", "outline", "ring"]
    colour: str
    meaning: str
    of: str = ""


@dataclass(frozen=True)
class PageFigure(Part):
    """A figure: charts, the numbers that they draw, what can be set, and what is seen in words.

    Parameters
    ----------
    name : str
        Its id in the document.
    component : {"static", "rounds", "grid"}
    charts : mapping of str to altair chart
        In the order in which they stand.
    data : mapping
        What the page's script needs, JSON-able.
    caption : str
    controls : sequence of Part
        What stands before the charts.
    keys : sequence of Key
        The legend.
    """

    name: str
    component: Component
    charts: Mapping[str, alt.TopLevelMixin]
    data: Mapping[str, Any]
    caption: str
    controls: Sequence[Part] = ()
    keys: Sequence[Key] = field(default_factory=tuple)

    @property
    def content(self) -> dict[str, Any]:
        """What the script reads: specifications and numbers."""
        return {"specs": {name: chart.to_dict() for name, chart in self.charts.items()}, **self.data}
