"""The page of a reproduction of the paper's Section 5."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from ..reproduction.plans import read_plan
from ..reproduction.settings import ReproductionSettings, plan_settings, reasons
from .cell_theory import GridTheory
from .grid import CellGrid, Entry, build_grid
from .grid_figure import grid_figure, theory_said
from .page import Page, Section
from .parts import Definitions, Heading, Paragraph, Part, Table
from .provenance import ROUNDED, data_origin
from .rounds_figure import InsideRounds, rounds_figure
from .study_page import entries_of
from .tables import matrix_tables, outcome_tables
from .words import lettered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .source import ReproductionSource

# the settings by which the cells of one figure differ from those of the others
_TELLING = ("masks", "record", "n_subnetworks", "selection_prob", "local_steps", "seed")


def reproduction_page(source: ReproductionSource) -> Page:
    """Return the page of a reproduction."""
    entries = entries_of(source.study)
    sections = [
        Section("figure-2a", "Figure 2a: the error within the rounds", _dynamics(source, entries)),
        Section("figure-2b", "Figure 2b: Bernoulli masks", _heatmap(source, "2b", entries)),
        Section("figure-2c", "Figure 2c: categorical masks", _heatmap(source, "2c", entries)),
        Section("settings", "Settings and provenance", _settings(source)),
    ]
    return Page(
        "Reproduction", "The experiments of Section 5, reproduced", _lede(source), _facts(source, entries), sections
    )


def _lede(source: ReproductionSource) -> str:
    counts = Counter(verdict["outcome"] for verdict in source.verdicts)
    start = (
        "The training error inside the rounds and over grids of settings, from “On the Convergence of Shallow Neural "
        "Network Training with Randomly Masked Neurons”."
    )
    if not counts:
        return f"{start} No claim was judged."
    words = ", ".join(
        f"{counts[name]} {word}"
        for name, word in (("HOLDS", "hold"), ("FAILS", "fail"), ("UNDECIDED", "are undecided"))
    )
    return (
        f"{start} Each claim is judged for each way of reading the error: of {sum(counts.values())} verdicts, {words}."
    )


def _facts(source: ReproductionSource, entries: Sequence[Entry]) -> dict[str, object]:
    settings = source.settings
    rows = source.provenance.get("rows")
    done = sum(entry.result is not None for entry in entries)
    n = f", n = {len(rows)}" if isinstance(rows, list) else ""
    return {
        "data": f"{source.provenance.get('name', settings.dataset.name)}{n}",
        "neurons": f"m = {settings.width}",
        "rounds": f"K = {settings.rounds}",
        "step size": f"η = {settings.step_size}",
        "scale of the initial weights": f"κ = {settings.init_scale:g}",
        "seeds": f"{settings.dynamics_seeds} and {settings.seeds} per cell",
        "training runs": f"{done} of {len(entries)}" if done < len(entries) else str(done),
    }


def _cells_of(figure: str, settings: ReproductionSettings, entries: Sequence[Entry]) -> CellGrid | None:
    """Return the grid of the cells that the plan of a figure asks for, or None if there are none."""
    plan = {"record": "mean", **read_plan(figure)["settings"], **plan_settings(settings, figure)}
    names = [name for name in _TELLING if name in plan]
    wanted = {name: plan[name] if isinstance(plan[name], list) else [plan[name]] for name in names}
    own = [entry for entry in entries if all(entry.settings[name] in allowed for name, allowed in wanted.items())]
    return build_grid(own) if own else None


def _dynamics(source: ReproductionSource, entries: Sequence[Entry]) -> list[Part]:
    settings = source.settings
    grid = _cells_of("2a", settings, entries)
    results = (
        [] if grid is None else [e.result for e in grid.entries.values() if e.status == "ok" and e.result is not None]
    )
    if grid is None or not results:
        return [Paragraph("The runs of this figure were not made, or did not end well.", "note")]
    full = np.array([result.curves["full_error"] for result in results], dtype=np.float64)
    inside = np.array([result.curves["subnetwork_errors"].mean(axis=-1) for result in results], dtype=np.float64)
    errors = np.concatenate([inside, full[:, 1:, np.newaxis]], axis=2)  # (S, K, tau + 2)
    several = len(results) > 1
    curve = InsideRounds(
        float(full[:, 0].mean()),
        errors.mean(axis=0),
        errors.min(axis=0) if several else None,
        errors.max(axis=0) if several else None,
        f"{len(results)} seeds",
    )
    theory = GridTheory(grid)
    said = (
        f"Bernoulli masks, p = {settings.dynamics_subnetworks}, ξ = {settings.dynamics_selection_prob:g}, "
        f"τ = {settings.dynamics_local_steps}; the mean of {len(results)} seed{'s' if several else ''}. In each round "
        f"fresh masks are sampled, each subnetwork is trained for {settings.dynamics_local_steps} local steps, and the "
        f"mean of their updates goes back into the whole network."
    )
    prediction = theory.cells[0].prediction if theory.cells else None
    figure = rounds_figure("dynamics", curve, prediction, f"{said} {theory_said(theory)}")
    return [figure, *outcome_tables(source.verdicts, "2a")]


def _heatmap(source: ReproductionSource, figure: str, entries: Sequence[Entry]) -> list[Part]:
    grid = _cells_of(figure, source.settings, entries)
    if grid is None or all(entry.result is None for entry in grid.entries.values()):
        return [Paragraph("The runs of this figure were not made.", "note")]
    last = source.settings.final_rounds
    fixed = f"τ = {source.settings.bernoulli_local_steps} in all cells. " if figure == "2b" else ""
    said = (
        f"Each square is the training error, mean over the last {last} rounds: lighter is smaller, on one logarithmic "
        f"scale. {fixed}Choose a cell in the heatmap or with the sliders: its errors over the rounds stand beside it."
    )
    figure_ = grid_figure(f"explorer-{figure}", grid, GridTheory(grid), said, last_rounds=last)
    parts = [figure_, *outcome_tables(source.verdicts, figure)]
    if len(grid.axes) == 2:
        parts.append(matrix_tables(grid, last))
    return parts


def _settings(source: ReproductionSource) -> list[Part]:
    why = reasons() | _fixed_by_the_paper(source.settings)
    rows = [
        [
            field.name.replace("_", " "),
            _value(getattr(source.settings, field.name)),
            lettered(why[field.name]),
        ]
        for field in fields(source.settings)
        if field.name != "dataset"
    ]
    caption = "What was set, and why: the paper leaves most of it open."
    return [
        Table(caption, ["setting", "value", "reason"], rows, "words"),
        Heading("Where the data come from"),
        Definitions(data_origin(source.provenance)),
        Paragraph(ROUNDED, "note"),
    ]


def _fixed_by_the_paper(settings: ReproductionSettings) -> dict[str, str]:
    """Return what to say of the settings that need no reason, unless these runs have others."""
    paper = ReproductionSettings(settings.dataset)
    return {
        name: "from the paper" if getattr(settings, name) == value else f"chosen for these runs; the paper has {value}"
        for name, value in (("width", paper.width), ("rounds", paper.rounds))
    }


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
