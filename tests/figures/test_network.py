"""The picture of a cut: every layer, arrow and shape as worked out by hand for small networks."""

import io
import itertools

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

import subnetlab as sl
from subnetlab.figures.network import lanes_of
from subnetlab.figures.style import BLUE, VERMILLION, publication_style

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from subnetlab.modules.layers import Layer, layers_of  # noqa: E402


class Residual(nn.Module):
    """x + f(x) between two layers, and a product with a second input."""

    def __init__(self):
        super().__init__()
        self.first, self.up, self.down, self.last = nn.Linear(5, 6), nn.Linear(6, 8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x, scale):
        x = self.first(x) * scale
        return self.last(x + self.down(torch.relu(self.up(x))))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (4, 2)).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def residual():
    return sl.cut(Residual(), (torch.zeros(2, 5), torch.zeros(2, 1)))


def texts(ax):
    """The words beside boxes, and those of shapes, in colour."""
    plain = [text.get_text() for text in ax.texts if text.get_text()]
    packed = [box.offsetbox.get_children() for box in ax.artists]
    return plain, ["".join(area.get_text() for area in children) for children in packed]


def test_layers_of_a_residual_network():
    whole = "residual stream: joined by additions"
    found = [(layer.name, layer.kind, layer.sources, layer.group, layer.reason) for layer in layers_of(residual())]
    assert found == [
        ("x", "input", (), None, ""),
        ("scale", "input", (), None, ""),
        ("first", "module", ((0, None),), None, whole),
        ("×", "join", ((2, None), (1, None)), None, ""),
        ("up", "module", ((3, None),), "up", ""),
        ("down", "module", ((4, "up"),), None, whole),
        ("+", "join", ((3, None), (5, None)), None, ""),
        ("last", "module", ((6, None),), None, "output of the network (last)"),
        ("output", "output", ((7, None),), None, ""),
    ]


def test_a_module_used_twice_is_drawn_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = nn.Linear(4, 4)

        def forward(self, x):
            return self.f(self.f(x))

    assert [layer.name for layer in layers_of(sl.cut(Twice(), torch.zeros(2, 4)))] == ["x", "f", "f", "output"]


def test_residual_blocks_as_units_are_numbered():
    net = nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True) for _ in range(2)))
    blocks = {layer.name: layer.block for layer in layers_of(sl.cut(net, torch.zeros(2, 3, 8), units="blocks"))}
    assert [blocks[name] for name in ("0.self_attn", "0.linear1", "1.self_attn", "1.linear2")] == [0, 1, 2, 3]
    assert blocks["0.norm1"] is None


def test_everything_drawn_for_attention():
    ax = Figure().subplots()
    cut = sl.cut(Attention(), torch.zeros(2, 3, 8))
    assert cut.plot(ax) is ax
    words, shapes = texts(ax)
    assert words == [
        *("x", "q", "4 units of 2 entries", "k", "the 4 units of q", "v", "the 4 units of q", "attention"),
        *("out", "output of the network (out)", "output"),
    ]
    assert shapes == ["4 · 2 × 8"] * 3 + ["8 × 4 · 2"]
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    blue = [mpl.colors.to_hex(arrow.get_edgecolor()).upper() == BLUE for arrow in arrows]
    assert blue == [False] * 3 + [True] * 4 + [False]  # x to q, k, v; these to attention, it to out; the output
    assert sum(isinstance(patch, Circle) for patch in ax.patches) == 1
    assert sum(isinstance(patch, FancyBboxPatch) for patch in ax.patches) == 2 * 6  # fill and outline


def test_groups_have_colours_of_their_own():
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    ax = sl.cut(net, torch.zeros(2, 4)).plot(Figure().subplots())
    colours = {text.get_text(): text.get_color() for text in ax.texts}
    assert (colours["6 units"], colours["5 units"]) == (BLUE, VERMILLION)


def test_the_same_picture_has_the_same_bytes():
    def saved():
        buffer = io.BytesIO()
        with publication_style():
            residual().plot().figure.savefig(buffer, format="svg", metadata={"Date": None})
        mpl.pyplot.close("all")
        return buffer.getvalue()

    assert saved() == saved()


@pytest.mark.parametrize("seed", range(20))
def test_spans_that_share_a_row_have_different_lanes(seed):
    import numpy as np

    feeds = np.triu(np.random.default_rng(seed).random((12, 12)) < 0.25, 1)
    layers = [Layer(str(i), "module", tuple((int(j), None) for j in np.flatnonzero(feeds[:, i]))) for i in range(12)]
    lanes = lanes_of(layers)
    last = {j: max(np.flatnonzero(feeds[j])) for j in range(12) if feeds[j, j + 2 :].any()}
    assert lanes.keys() == last.keys()
    rows = {j: set(range(2 * j + 1, 2 * last[j])) for j in last}  # between the middles of its ends, in half rows
    assert all(lanes[i] != lanes[j] or not rows[i] & rows[j] for i, j in itertools.combinations(lanes, 2))
