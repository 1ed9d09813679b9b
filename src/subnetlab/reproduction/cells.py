"""The training runs behind each figure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.eigenvalues import largest_eigenvalue
from ..kernels.infinite import infinite_ntk
from ..study.cell import Cell

if TYPE_CHECKING:
    from .settings import ReproductionSettings


def with_step_size(settings: ReproductionSettings) -> ReproductionSettings:
    """Return the settings with the one step size of all cells as a number.

    "auto" is 1 / lambda_max of the infinite NTK with xi = 1: half of what gradient descent on the whole network
    can bear, and the whole network is the largest subnetwork of any cell. Two digits are kept, so that it can be
    written down.
    """
    if settings.step_size != "auto":
        return settings
    largest = largest_eigenvalue(infinite_ntk(settings.dataset.load().X))
    return replace(settings, step_size=float(f"{1 / largest:.1e}"))


def dynamics_cells(settings: ReproductionSettings) -> np.ndarray:
    """Return the cells of Figure 2a, an array of objects (seeds,)."""
    cells = np.empty(settings.dynamics_seeds, dtype=object)
    for seed in range(settings.dynamics_seeds):
        cells[seed] = _cell(
            settings,
            seed,
            masks="bernoulli",
            n_subnetworks=settings.dynamics_subnetworks,
            selection_prob=settings.dynamics_selection_prob,
            local_steps=settings.dynamics_local_steps,
            record="subnetworks",
        )
    return cells


def bernoulli_cells(settings: ReproductionSettings) -> np.ndarray:
    """Return the cells of Figure 2b, an array of objects (seeds, p, xi)."""
    rows, columns = settings.bernoulli_subnetworks, settings.bernoulli_selection_probs
    cells = np.empty((settings.seeds, len(rows), len(columns)), dtype=object)
    for seed, r, c in np.ndindex(cells.shape):
        cells[seed, r, c] = _cell(
            settings,
            seed,
            masks="bernoulli",
            n_subnetworks=rows[r],
            selection_prob=columns[c],
            local_steps=settings.bernoulli_local_steps,
        )
    return cells


def categorical_cells(settings: ReproductionSettings) -> np.ndarray:
    """Return the cells of Figure 2c, an array of objects (seeds, p, tau)."""
    rows, columns = settings.categorical_subnetworks, settings.categorical_local_steps
    cells = np.empty((settings.seeds, len(rows), len(columns)), dtype=object)
    for seed, r, c in np.ndindex(cells.shape):
        cells[seed, r, c] = _cell(settings, seed, masks="categorical", n_subnetworks=rows[r], local_steps=columns[c])
    return cells


def _cell(settings: ReproductionSettings, seed: int, **own: Any) -> Cell:
    """Return a cell; a repetition has its own initial network and its own masks, on the same data."""
    return Cell(
        dataset=settings.dataset,
        width=settings.width,
        rounds=settings.rounds,
        step_size=settings.step_size,
        init_scale=settings.init_scale,
        network_seed=seed,
        seed=seed,
        engine=settings.engine,
        dtype=settings.dtype,
        **own,
    )
