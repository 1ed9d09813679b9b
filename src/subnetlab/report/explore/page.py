"""The files that the explorer serves, made once: the page, its script, its style, the charting library."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from ..library import check_installed, vega
from ..markup import Markup, choice, joined, slider, text
from .settings import CONTROLS, ExploreSettings

if TYPE_CHECKING:
    from ...datasets import Dataset
    from .settings import Control


@dataclass(frozen=True)
class File:
    """What answers one address."""

    kind: str
    content: bytes


def page_files(data: Dataset) -> dict[str, File]:
    """Return every file of the page by its address.

    Raises
    ------
    ImportError
        If altair or vl-convert is not installed.
    """
    check_installed("explore")
    from ..page import script_data
    from ..rounds_figure import INSIDE
    from .charts import IN_THE_DARK, chart_specs

    assets = files("subnetlab.report.explore") / "assets"
    page = Template((assets / "explore.html").read_text(encoding="utf-8")).substitute(
        headline=text(f"{data.name}: {len(data.X):,} rows, {data.X.shape[1]} features, unit rows, full-batch steps"),
        controls=joined(_control(control) for control in CONTROLS),
        page=script_data({"charts": chart_specs(), "stops": _stops(), "inside": INSIDE, "inTheDark": IN_THE_DARK}),
    )
    return {
        "/": File("text/html", page.encode(errors="backslashreplace")),
        "/explore.js": File("text/javascript", (assets / "explore.js").read_bytes()),
        "/explore.css": File("text/css", (assets / "explore.css").read_bytes()),
        "/vega.js": File("text/javascript", vega().encode()),
    }


def _stops() -> dict[str, list[float | str]]:
    return {control.name: list(control.stops) for control in CONTROLS}


def _control(control: Control) -> Markup:
    default = {field.name: field.default for field in fields(ExploreSettings)}[control.name]
    letter = [Markup(f"<i>{text(control.letter)}</i>")] if control.letter else []
    label = joined([text(control.label), *letter], " ")
    at = control.stops.index(default)
    if all(isinstance(stop, str) for stop in control.stops):
        return choice(control.name, label, [str(stop) for stop in control.stops], at)
    return slider(control.name, label, len(control.stops), at, default)
