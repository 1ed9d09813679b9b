"""The picture of a cut network: its layers from top to bottom, and the units that flow between them in colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.colors import to_rgb
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from ..modules.blocks import BLOCKS
from ..modules.layers import layers_of
from .results import axes
from .style import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from ..core.units import Axis as UnitsAxis
    from ..core.units import Factor
    from ..modules.cutting import Cut
    from ..modules.layers import Layer

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, SKY, "#CC79A7")  # again from the first where there are more groups
_WHOLE, _FAINT = "#8A8A8A", "#ECECEC"  # of what no mask touches: lines and words; boxes

# inches: the unit of the axes
_ROW, _BOX, _LANE, _GAP = 0.36, 0.22, 0.14, 0.12
_CHARACTER = 0.055  # of the text beside the boxes
_PLAIN: dict[str, Any] = {"parse_math": False}  # names are what they are, also with dollar signs
_LONGEST = 60  # characters of a reason that are shown; `Cut.frozen` has all


@dataclass(frozen=True)
class _Look:
    """Where things are: boxes from ``left`` on, ``width`` wide; shapes, and what is said, beside them."""

    left: float
    width: float
    shapes: float
    words: float

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


def plot_cut(cut: Cut, *, ax: Axes | None, style: Any) -> Axes:
    """Draw a box for each layer, an arrow for each activation, the first weight's shape, and what is cut or why not.

    The upper half of a box has the colour of the units that it uses, the lower half of those that it makes; grey is
    whole. Residual blocks that are units themselves have a frame in colour.
    """
    layers = layers_of(cut)
    colours = {group: _COLOURS[i % len(_COLOURS)] for i, group in enumerate(cut.groups)}
    lanes = lanes_of(layers)
    shapes = [_shape(layer.weight) for layer in layers]
    left = _GAP + _LANE * (1 + max(lanes.values(), default=-1))
    width = max(0.9, 0.16 + 0.062 * max(len(layer.name) for layer in layers if layer.kind != "join"))
    text = left + width + _GAP
    longest = max((sum(len(word) for word, _ in shape) for shape in shapes), default=0)
    look = _Look(left, width, text, text + (longest + 3) * _CHARACTER)
    makers = {layer.group: place for place, layer in reversed(list(enumerate(layers))) if layer.produces}
    said = [_said(cut, layer, first=makers.get(layer.group) == place) for place, layer in enumerate(layers)]
    size = (look.words + _CHARACTER * max(map(len, said)), _ROW * len(layers))
    with axes(ax, style, size) as ax:
        ax.set_axis_off()
        ax.set(xlim=(0, size[0]), ylim=(-_ROW * (len(layers) - 0.5), _ROW / 2))
        for place, layer in enumerate(layers):
            for source, group in layer.sources:
                _draw_flow(ax, look, source, place, lanes.get(source, 0), layers, colours.get(group or "", _WHOLE))
        for place, layer in enumerate(layers):
            draw = _draw_join if layer.kind == "join" else _draw_box
            draw(ax, look, -_ROW * place, layer, colours)
            words = [(word, colours.get(group or "", _WHOLE), group) for word, group in shapes[place]]
            _write(ax, look.shapes, -_ROW * place, words)
            told = colours.get(layer.group or ("" if layer.block is None else BLOCKS), _WHOLE)
            ax.text(look.words, -_ROW * place, said[place], color=told, va="center", fontsize=7, **_PLAIN)
    return ax


def lanes_of(layers: Sequence[Layer]) -> dict[int, int]:
    """Return the lane, counted from the boxes to the left, of each layer that feeds others than the next one.

    Short spans lie inside long ones; spans that share a row have different lanes, unless one ends where the other
    begins.

    Examples
    --------
    >>> from subnetlab.modules.layers import Layer
    >>> feeds = [(), (0,), (1,), (0, 2), (3,), (3, 4)]
    >>> lanes_of([Layer(str(i), "module", tuple((j, None) for j in f)) for i, f in enumerate(feeds)])
    {3: 0, 0: 0}
    """
    ends: dict[int, int] = {}
    for place, layer in enumerate(layers):
        for source, _ in layer.sources:
            if place > source + 1:
                ends[source] = max(place, ends.get(source, 0))
    lanes: dict[int, int] = {}
    for start in sorted(ends, key=lambda s: (ends[s] - s, s)):
        taken = {lane for other, lane in lanes.items() if other < ends[start] and start < ends[other]}
        lanes[start] = next(lane for lane in range(len(ends)) if lane not in taken)
    return lanes


def _shape(weight: tuple[UnitsAxis, ...]) -> list[tuple[str, str | None]]:
    """Return the words of a shape, each with its group: 3 · 4 · 2 × 8 for four heads of two entries in three places."""
    words: list[tuple[str, str | None]] = []
    for i, axis in enumerate(weight):
        parts = [axis[0]] if len(set(axis)) == 1 else list(axis)
        words += [(" × ", None)] if i else []
        words += [(f"{len(axis)} · ", None)] if len(parts) < len(axis) else []
        for j, part in enumerate(parts):
            words += [("+", None)] if j else []
            words += _product(part)
    return words


def _product(part: Sequence[Factor]) -> list[tuple[str, str | None]]:
    words: list[tuple[str, str | None]] = []
    for factor in [f for f in part if f.size > 1] or part[:1]:
        words += [(" · ", None)] if words else []
        words.append((str(factor.size), factor.group))
    return words


def _said(cut: Cut, layer: Layer, first: bool) -> str:
    """Return what stands beside a layer: the units that it makes, or why it is left whole."""
    if not layer.produces:
        return ""
    if layer.group is None:
        reason = layer.reason if layer.block is None else f"unit {layer.block} of blocks"
        return reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"
    group = cut.groups[layer.group]
    if not first:
        return f"the {group.size} units of {group.name}"
    each = f" of {group.repeat} entries" if group.repeat > 1 else ""
    places = f" in {group.copies} places" if group.copies > 1 else ""
    return f"{group.size} units{each}{places}"


def _draw_flow(ax: Axes, look: _Look, source: int, place: int, lane: int, layers: Sequence[Layer], colour: str) -> None:
    """Draw an arrow to the next box, or through a lane on the left to a later one."""
    from_half, to_half = (_half(layers[i]) for i in (source, place))
    if place == source + 1:
        path = Path([(look.middle, -_ROW * source - from_half), (look.middle, -_ROW * place + to_half)])
    else:
        top, bottom = -_ROW * source - from_half / 2, -_ROW * place + to_half / 2
        start, end = (_left_of(look, layers[i]) for i in (source, place))
        x, r = look.left - _GAP / 2 - _LANE * lane, _LANE / 3
        corners = [(start, top), (x + r, top), (x, top), (x, top - r), (x, bottom + r), (x, bottom), (x + r, bottom)]
        turn = [Path.LINETO, Path.CURVE3, Path.CURVE3]
        path = Path([*corners, (end, bottom)], [Path.MOVETO, *turn, *turn, Path.LINETO])
    look_of_arrow = {"arrowstyle": "-|>", "mutation_scale": 6, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(path=path, color=colour, **look_of_arrow))


def _left_of(look: _Look, layer: Layer) -> float:
    """Return where what stands for a layer ends on the left, half way to its upper or lower border."""
    return look.middle - 0.87 * _half(layer) if layer.kind == "join" else look.left


def _half(layer: Layer) -> float:
    """Return half the height of what stands for a layer."""
    return 0.085 if layer.kind == "join" else _BOX / 2


def _draw_join(ax: Axes, look: _Look, y: float, layer: Layer, colours: dict[str, str]) -> None:
    """Draw a circle, with its sign inside or its name beside it."""
    colour = colours.get(layer.group or "", _WHOLE)
    ax.add_patch(Circle((look.middle, y), _half(layer), facecolor="white", edgecolor=colour, linewidth=0.9))
    sign = len(layer.name) == 1
    place = look.middle if sign else look.middle + 1.5 * _half(layer)
    ax.text(
        place, y, layer.name, ha="center" if sign else "left", va="center_baseline", fontsize=7, color=BLACK, **_PLAIN
    )


def _draw_box(ax: Axes, look: _Look, y: float, layer: Layer, colours: dict[str, str]) -> None:
    """Draw a box: its fill, the halves in colour, then its outline."""

    def box(**looks: Any) -> FancyBboxPatch:
        corner, rounded = (look.left, y - _BOX / 2), "round,pad=0,rounding_size=0.05"
        patch = FancyBboxPatch(corner, look.width, _BOX, rounded, **looks)
        ax.add_patch(patch)
        return patch

    fill = box(facecolor=_FAINT, edgecolor="none")
    uses = next((group for _, group in layer.sources if group), None)
    for bottom, group in ((y, uses), (y - _BOX / 2, layer.group)):
        if layer.kind == "module" and group in colours:
            tint = _tint(colours[group])
            half = Rectangle((look.left, bottom), look.width, _BOX / 2, facecolor=tint, linewidth=0)
            ax.add_patch(half)
            half.set_clip_path(fill)
    is_unit = layer.block is not None
    box(facecolor="none", edgecolor=colours[BLOCKS] if is_unit else _WHOLE, linewidth=1.2 if is_unit else 0.7)
    ax.text(look.middle, y, layer.name, ha="center", va="center_baseline", fontsize=7.5, color=BLACK, **_PLAIN)


def _tint(colour: str, strength: float = 0.35) -> tuple[float, float, float]:
    """Return a colour mixed with white."""
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _write(ax: Axes, x: float, y: float, words: Sequence[tuple[str, str, str | None]]) -> None:
    """Write words of several colours one after another, those of a group bold."""
    if words:
        areas: list[Artist] = [
            TextArea(word, textprops={"color": colour, "fontsize": 7.5, "fontweight": "bold" if group else "normal"})
            for word, colour, group in words
        ]
        packed = HPacker(children=areas, pad=0, sep=0, align="baseline")
        ax.add_artist(
            AnnotationBbox(packed, (x, y), box_alignment=(0, 0.5), frameon=False, pad=0, annotation_clip=False)
        )
