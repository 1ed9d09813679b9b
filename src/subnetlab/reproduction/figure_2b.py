"""Figure 2b: the error over p and xi, Bernoulli masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .claims import bernoulli_verdicts
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
        material.cells, material.results, settings.bernoulli_subnetworks, settings.bernoulli_selection_probs
    )
    write_heatmaps(
        material,
        grid,
        stem="figure_2b",
        column_label=r"selection probability $\xi$",
        title=rf"Bernoulli masks, $\tau = {settings.bernoulli_local_steps}$",
    )
    return bernoulli_verdicts(grid, rounds=settings.final_rounds)


FIGURE = Figure(axes=("seed", "n_subnetworks", "selection_prob"), draw=draw)
