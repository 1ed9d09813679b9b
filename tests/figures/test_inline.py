"""Pictures as elements of a page."""

from html.parser import HTMLParser

import pytest

from subnetlab.figures.inline import svg_element

EVIL = "--><script>alert(1)</script>$x_"


def drawn(ax):
    ax.set(xlim=(0, 3), ylim=(-1, 1))
    ax.set_axis_off()
    ax.text(1, 0, EVIL, parse_math=False)
    ax.plot([0, 3], [0, 1], gid="content")


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.comments, self.ids = [], [], []

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_comment(self, data):
        self.comments.append(data)


def test_an_element_holds_shapes_alone():
    text = svg_element(drawn)
    read = Elements()
    read.feed(text)
    assert text.startswith("<svg ") and text.endswith("</svg>")
    assert set(read.found) <= {"svg", "defs", "g", "path", "use", "rect", "clippath"}
    assert read.found.count("use") == len(EVIL)
    assert read.comments == [] and "script" not in text and "xmlns" not in text
    assert "content" not in read.ids  # names of the page's own


def test_a_picture_has_the_size_of_its_limits_and_the_same_text_again():
    assert 'viewBox="0 0 216 144"' in svg_element(drawn)
    assert svg_element(drawn) == svg_element(drawn)


def test_nothing_of_pyplot_is_left_open():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    svg_element(drawn)
    assert pyplot.get_fignums() == before
