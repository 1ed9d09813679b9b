"""The files that the explorer serves, made once: the page, its scripts, its style, the charting library."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..library import check_installed, vega
from ..words import title_of
from .settings import stops_of

if TYPE_CHECKING:
    from ..parts import PageFigure, Part
    from .settings import Value
    from .subject import Subject

_SCRIPTS = ("figures.js", "rounds.js", "explore.js")


@dataclass(frozen=True)
class File:
    """What answers one address."""

    kind: str
    content: bytes


def page_files(subject: Subject) -> dict[str, File]:
    """Return every file of the page by its address.

    Raises
    ------
    ImportError
        If altair or vl-convert is not installed.
    """
    check_installed("explore")
    from ..style import chart_config, style_sheet
    from ..templates import asset, environment

    stops = stops_of(subject.settings)
    defaults = asdict(subject.settings())
    page = environment().get_template("explore.html")
    content = page.render(
        subject=subject,
        controls=[_control(name, offered, defaults[name]) for name, offered in stops.items()],
        figures=_figures(subject),
        stops=stops,
        config=chart_config(),
        scripts=("vega.js", *_SCRIPTS),
    )
    return {
        "/": File("text/html", content.encode(errors="backslashreplace")),
        "/explore.css": File("text/css", (style_sheet() + asset("explore.css")).encode()),
        "/vega.js": File("text/javascript", vega().encode()),
        **{f"/{name}": File("text/javascript", asset(name).encode()) for name in _SCRIPTS},
    }


def _figures(subject: Subject) -> list[PageFigure]:
    from ..layers import live_layers
    from ..rounds_figure import live_rounds

    return [
        live_rounds("inside", subject.measure, subject.said, predicted=subject.predicted),
        *(live_layers(name, said, subject.groups) for name, said in subject.layers.items()),
    ]


def _control(name: str, stops: tuple[Value, ...], default: Value) -> Part:
    from ..parts import Choice, Slider

    label, at = title_of(name), stops.index(default)
    if all(isinstance(stop, str) for stop in stops):
        return Choice(name, label, stops, at)
    return Slider(name, label, len(stops), at, default)
