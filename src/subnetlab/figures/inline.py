"""Pictures as elements of a page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from matplotlib.figure import Figure

from .style import publication_style

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

_LEFT_OUT = ("metadata", "style")  # a style inside a page would be that of the whole page
_LARGER = 1.35  # text of 7 points is for paper
_ENDS = "stroke-linejoin: round; stroke-linecap: butt"  # what matplotlib's style says


def svg_element(draw: Callable[[Axes], Any]) -> str:
    """Return a drawing as an SVG element that can stand inside an HTML page; the same drawing gives the same text.

    Comments, which hold the words that are drawn, are left out.

    Parameters
    ----------
    draw : callable
        Draws into axes in inches, whose limits then say how large the picture is.

    Examples
    --------
    >>> svg_element(lambda ax: ax.set(xlim=(0, 2), ylim=(0, 1)))[:43]
    '<svg viewBox="0 0 144 72" width="2.7in" sty'
    """
    buffer = io.StringIO()
    with publication_style():
        figure = Figure()
        axes = figure.add_axes((0, 0, 1, 1))
        draw(axes)
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        figure.set_size_inches(right - left, top - bottom)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    named = set(re.findall(r"#([\w-]+)", text))  # other names would be those of the page's elements
    root = ElementTree.fromstring(text)
    for element in root.iter():
        for child in [child for child in element if _local(child.tag) in _LEFT_OUT]:
            element.remove(child)
        element.tag = _local(element.tag)
        kept = {_local(name): value for name, value in element.items() if name != "id" or value in named}
        element.attrib.clear()
        element.attrib.update(sorted(kept.items()))
    root.attrib.pop("version", None)
    root.attrib.pop("height", None)  # follows from width and viewBox
    root.set("width", f"{_LARGER * (right - left):.4g}in")
    root.set("style", _ENDS)
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """Return a name without its namespace: HTML knows which elements are SVG."""
    return name.rpartition("}")[2]
