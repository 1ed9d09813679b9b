"""The data of stored runs, loaded again; the initial error that a run recorded tells whether they are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.network import ShallowReLU
from ..study.cell import Cell
from ..study.data import DatasetSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..study.data import StudyData
    from .grid import Entry

_MOST_ROWS = 1000  # with more, the theory of many cells takes minutes
_SAME = 1e-4  # relative difference of errors, for engines in float32


def data_again(entries: Sequence[Entry]) -> dict[DatasetSpec, StudyData | str]:
    """Return the data of each dataset, or in a few words why they are of no use.

    Parameters
    ----------
    entries : sequence of Entry
        Cells with a result.
    """
    found: dict[DatasetSpec, StudyData | str] = {}
    for entry in sorted(entries, key=lambda entry: entry.settings["width"]):  # a narrow network is soon made
        spec = DatasetSpec.from_settings(entry.settings)
        if spec not in found and _initial_error(entry) is not None:
            found[spec] = _loaded(spec, entry)
    return found


def _loaded(spec: DatasetSpec, entry: Entry) -> StudyData | str:
    try:
        data = spec.load()
    except (TypeError, ValueError, OSError, ImportError):
        return f"the data ({spec.name}) were not to be had when this page was made"
    if len(data.X) > _MOST_ROWS:
        return f"{len(data.X)} rows would take long"
    if data.y.ndim > 1:
        return "it is about one output"
    cell = Cell.from_settings(entry.settings)
    network = ShallowReLU.initialize(
        cell.width, data.X.shape[1], init_scale=cell.init_scale, seed=cell.own_network_seed
    )
    error = float(np.sum((data.y - network.output(data.X, cell.scheme().masks.selection_prob)) ** 2))
    recorded = _initial_error(entry)
    same = recorded is not None and np.isclose(error, recorded, rtol=_SAME)
    return data if same else "the data found here are not those of the runs"


def _initial_error(entry: Entry) -> float | None:
    """Return |y - u_0|^2 as the run recorded it, or None."""
    if entry.result is None or entry.settings.get("loss", "squared") != "squared":
        return None
    error = entry.result.finals.get("initial_full_error", np.nan)
    return float(error) if np.isfinite(error) else None
