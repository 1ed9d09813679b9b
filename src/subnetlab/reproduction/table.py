"""The figures by name, and the training runs behind each.

A new figure is a plan, a file with its `PaperFigure`, and a line here.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from ..kernels.eigenvalues import largest_eigenvalue
from ..kernels.infinite import infinite_ntk
from ..study.data import DatasetSpec
from ..study.plan import StudyPlan
from . import figure_2a, heatmaps
from .plans import plan_name, read_plan
from .settings import plan_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..study.cell import Cell
    from .figure import PaperFigure
    from .settings import ReproductionSettings

FIGURES: dict[str, PaperFigure] = {"2a": figure_2a.FIGURE, "2b": heatmaps.FIGURE_2B, "2c": heatmaps.FIGURE_2C}


def resolved(settings: ReproductionSettings) -> ReproductionSettings:
    """Return the settings with the dataset that "auto" finds by its name, and one number as every cell's step size.

    The step size "auto" is 1 / lambda_max of the infinite NTK with xi = 1: half of what gradient descent on the
    whole network can bear, and the whole network is the largest subnetwork of any cell. Two digits are kept, so that
    it can be written down.
    """
    data = settings.dataset.load()
    if settings.dataset.name == "auto":
        settings = replace(settings, dataset=replace(settings.dataset, name=data.name))
    if settings.step_size != "auto":
        return settings
    return replace(settings, step_size=float(f"{1 / largest_eigenvalue(infinite_ntk(data.X)):.1e}"))


def figure_plan(figure: str, settings: ReproductionSettings) -> StudyPlan:
    """Return the plan of a figure with these data and settings.

    Examples
    --------
    >>> from subnetlab.reproduction.settings import ReproductionSettings
    >>> from subnetlab.study.data import DatasetSpec
    >>> settings = ReproductionSettings(DatasetSpec("diabetes"), width=50, seeds=2, step_size=0.1)
    >>> len(figure_plan("2b", settings).cells)
    50
    """
    dataset = {f.name: value for f in fields(DatasetSpec) if (value := getattr(settings.dataset, f.name)) != f.default}
    content = {**read_plan(figure), "dataset": dataset}
    return StudyPlan.from_dict(content, settings=plan_settings(settings, figure), source=plan_name(figure))


def arranged(cells: Sequence[Cell], axes: Sequence[str]) -> np.ndarray:
    """Return the cells of a full grid as an array of objects, one axis per setting, values in the plan's order.

    Raises
    ------
    ValueError
        If the cells are no full grid of these settings.

    Examples
    --------
    >>> from subnetlab.study import StudyPlan
    >>> settings = {"width": 9, "rounds": 5, "masks": "categorical", "n_subnetworks": [2, 3, 4], "seed": [0, 1]}
    >>> plan = StudyPlan.from_dict({"dataset": {"name": "diabetes"}, "settings": settings})
    >>> arranged(plan.cells, ("seed", "n_subnetworks"))[1, 2].n_subnetworks
    4
    """
    values = [list(dict.fromkeys(getattr(cell, axis) for cell in cells)) for axis in axes]
    array = np.empty([len(found) for found in values], dtype=object)
    for cell in cells:
        array[tuple(found.index(getattr(cell, axis)) for axis, found in zip(axes, values, strict=True))] = cell
    if array.size != len(cells) or any(cell is None for cell in array.flat):
        raise ValueError(f"arranged: cells must be a full grid of {', '.join(axes)}, got {len(cells)} cells")
    return array
