"""The table of figures, and what loads when."""

import subprocess
import sys

import pytest

from subnetlab.figures.table import FIGURES, figure_function


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_there(name):
    assert figure_function(name).__name__.startswith("draw_")


def test_an_unknown_figure_is_refused(refused):
    rule = "figure_function: name must be one of 'dynamics', 'heatmap', 'heatmaps', 'promise', got 'pie'"
    with refused(ValueError, rule):
        figure_function("pie")


def test_the_table_alone_loads_no_matplotlib():
    code = "import sys, subnetlab.figures.table; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
