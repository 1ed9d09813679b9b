"""Figure 2c: the error over p and tau, categorical masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .claims import categorical_verdicts
from .figure import Figure
from .heatmaps import write_heatmaps
from .results import error_grid

if TYPE_CHECKING:
    from .claims import Verdict
    from .figure import Material


def draw(material: Material) -> list[Verdict]:
    """Draw the heatmap, and the same grid read in all three ways, and judge the claims made of it."""
    settings = material.settings
    grid = error_grid(
        material.cells, material.results, settings.categorical_subnetworks, settings.categorical_local_steps
    )
    write_heatmaps(
        material,
        grid,
        stem="figure_2c",
        column_label=r"number of local steps $\tau$",
        title="Categorical masks",
    )
    return categorical_verdicts(grid, rounds=settings.final_rounds)


FIGURE = Figure(axes=("seed", "n_subnetworks", "local_steps"), draw=draw)
