"""The page of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..study.result import last_line
from ..study.table import varying
from .cell_theory import GridTheory
from .grid import Entry, build_grid
from .grid_figure import grid_figure
from .page import Page, Section
from .parts import Definitions, Paragraph, Part, Table
from .provenance import ROUNDED, plain
from .tables import record_table
from .words import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..study.study import Study
    from .grid import CellGrid
    from .source import StudySource

_MOST_FAILURES = 20


def study_page(source: StudySource) -> Page:
    """Return the page of a study."""
    study = source.study
    entries = entries_of(study)
    counts = study.counts()
    axes = varying([entry.settings for entry in entries])
    grid = build_grid(entries)
    named = list(axes) if grid is None else [axis.name for axis in grid.axes] + ["seed"] * (len(grid.repetitions) > 1)
    sections = [Section("cells", "The cells", [_cells(entries, grid)])]
    if counts["failed"]:
        sections.append(Section("failures", "Cells that failed", [_failures(entries)]))
    sections.append(Section("numbers", "The numbers", [record_table(study.records(), list(axes))]))
    sections.append(Section("settings", "Settings that all cells share", _settings(entries, axes)))
    return Page("Study", source.name, _lede(counts, named), _facts(entries, counts), sections)


def entries_of(study: Study) -> list[Entry]:
    """Return the cells of a study with their results decoded."""
    return [Entry(cell.key, cell.settings, cell.status, cell.result()) for cell in study.cells]


def _lede(counts: dict[str, int], axes: Sequence[str]) -> str:
    total = sum(counts.values())
    names = [NAMES[name][1] if name in NAMES else name.replace("_", " ") for name in axes]
    across = f" over {', '.join(names[:-1])}{' and ' if len(names) > 1 else ''}{names[-1]}" if names else ""
    words = {"diverged": "diverged", "failed": "failed", "pending": "not run yet"}
    others = [f"{counts[state]} {word}" for state, word in words.items() if counts[state]]
    end = f"{counts['ok']} ended well{''.join(', ' + other for other in others)}."
    return f"{total} training run{'s' * (total != 1)}{across}: {end}"


def _facts(entries: Sequence[Entry], counts: dict[str, int]) -> dict[str, object]:
    datasets = dict.fromkeys(str(entry.settings.get("dataset", "")) for entry in entries)
    return {"data": ", ".join(datasets), **{state: count for state, count in counts.items() if count}}


def _cells(entries: Sequence[Entry], grid: CellGrid | None) -> Part:
    if all(entry.result is None for entry in entries):
        return Paragraph("No cell has a result yet.", "note")
    if grid is None:
        note = (
            "The cells fill too little of the grid that they span to be drawn as a heatmap; the table below has them."
        )
        return Paragraph(note, "note")
    if not grid.axes:
        said = "The errors of the one cell over the rounds."
        return grid_figure("explorer", grid, GridTheory(grid), said, last_rounds=None)
    said = (
        "Each square is a training run, or the mean of several seeds: lighter where the final error is smaller, on "
        "one logarithmic scale for all cells. Choose a cell in the heatmap or with the controls; its errors over the "
        "rounds stand beside it."
    )
    return grid_figure("explorer", grid, GridTheory(grid), said, last_rounds=None)


def _failures(entries: Sequence[Entry]) -> Table:
    failed = [entry for entry in entries if entry.status == "failed"]
    rows = [
        [entry.key[:12], last_line("" if entry.result is None else entry.result.message)]
        for entry in failed[:_MOST_FAILURES]
    ]
    more = len(failed) - len(rows)
    caption = "Why the cells failed; subnetlab study retry runs them again."
    if more:
        caption += f" {more} more are not listed."
    return Table(caption, ["cell", "reason"], rows, "words")


def _settings(entries: Sequence[Entry], axes: dict[str, list[Any]]) -> list[Part]:
    shared = {name: value for name, value in entries[0].settings.items() if name not in axes and name != "path"}
    items = {name.replace("_", " "): plain(value) for name, value in shared.items()}
    return [Definitions(items), Paragraph(ROUNDED, "note")]
