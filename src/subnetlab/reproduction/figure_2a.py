"""Figure 2a: the error inside the rounds, mean and variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .claims import dynamics_verdicts
from .figure import PaperFigure
from .results import dynamics

if TYPE_CHECKING:
    from .claims import ClaimVerdict
    from .figure import Material


def draw(material: Material) -> list[ClaimVerdict]:
    """Draw the error inside the rounds, over seeds or over the subnetworks of the first seed, and judge it."""
    from ..figures.dynamics import draw_dynamics  # with matplotlib, which the table of figures need not load
    from ..figures.files import save_figure

    errors, view = dynamics(material.cells, material.results), material.view
    inside, full = errors.subnetworks, errors.full
    shown = min(view.dynamics_rounds, material.settings.rounds)
    means = inside.mean(axis=-1)  # (S, K, tau + 1)
    over_seeds = view.variance == "seeds"
    curves = means if over_seeds else np.moveaxis(inside[0], -1, 0)  # one run's subnetworks in place of seeds
    figure, table = draw_dynamics(
        curves[..., 0],
        curves[..., 1:],
        full if over_seeds else full[:1],
        over=view.variance,
        rounds=shown,
        inset_rounds=min(view.inset_rounds, material.settings.rounds),
    )
    save_figure(figure, material.folder, "figure_2a", table)
    return dynamics_verdicts(means[:, :shown, 0], means[:, :shown, 1:], full[:, : shown + 1])


FIGURE = PaperFigure(axes=("seed",), draw=draw)
