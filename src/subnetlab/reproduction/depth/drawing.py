"""The figures and tables of depth, from what was trained."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ...atomic import atomic_file, csv_text
from ...study.result import last_line
from ..results import CellsMissingError
from .claims import DepthVerdict, log_error, method_verdicts, paper_verdicts
from .plans import METHODS
from .reading import coverage_between, curves_of, finals_of, grid_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .settings import DepthSettings
    from .training import Trained

_SHOWN_ROUNDS = 6
_ROWS = "subnetworks $p$"
_COLUMNS = {"2b": r"probability $\xi$", "2c": r"local steps $\tau$"}
_SHORT = {
    "error falls as the selection probability grows, at fixed p": "error falls as ξ grows",
    "error falls as the number of subnetworks grows, at fixed xi": "error falls as p grows",
    "error rises as the number of subnetworks grows, at fixed tau": "error rises as p grows",
    "error rises as the number of local steps grows, at fixed p": "error rises as τ grows",
}
_SWEEP = {
    "every layer cut": ("ist_2", "ist", "ist_8"),
    "every second layer": ("alternate_2", "alternate", "alternate_8"),
}


def draw_depth(trained: Trained, settings: DepthSettings, folder: Path) -> list[DepthVerdict]:
    """Write all figures with their numbers, and return the verdicts.

    Raises
    ------
    CellsMissingError
        If cells have no result.
    """
    from ...figures.depth import draw_grids, draw_insides, draw_verdicts  # with matplotlib

    s = settings
    if failed := trained.failed():
        raise CellsMissingError(f"{len(failed)} cells have no result: {last_line(failed[0])}")
    places = list(itertools.product(s.networks, s.losses))
    grids = {place: (grid_of("2b", *place, trained, s), grid_of("2c", *place, trained, s)) for place in places}
    curves = {place: curves_of(*place, trained, s) for place in places}
    if any(found is not None for found in curves.values()):
        _save(folder, "depth_2a", draw_insides(curves, rounds=_SHOWN_ROUNDS))
    for number, figure in enumerate(("2b", "2c")):
        errors = {place: _mean(grid[number], s.final_rounds) for place, grid in grids.items()}
        one = grids[places[0]][number]
        drawn = draw_grids(errors, one.row_values, one.column_values, row_label=_ROWS, col_label=_COLUMNS[figure])
        _save(folder, f"depth_{figure}", drawn)
    verdicts = paper_verdicts(grids, curves, rounds=s.final_rounds)
    _save(folder, "depth_verdicts", draw_verdicts(*verdict_table(verdicts)))
    return verdicts + _draw_methods(trained, settings, folder)


def verdict_table(verdicts: Sequence[DepthVerdict]) -> tuple[list[list[str]], list[str], list[str]]:
    """Return outcomes by claim (rows) and network and loss (columns), with the words of both."""
    found = {(_claim(v), f"{v.network}, {v.loss.replace('_', '-')}"): v.verdict.outcome for v in verdicts}
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    return [[found.get((row, column), "") for column in columns] for row in rows], rows, columns


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write records as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(path) as file:
        file.write(csv_text(names, ([row.get(name) for name in names] for row in rows)).encode())


def _draw_methods(trained: Trained, settings: DepthSettings, folder: Path) -> list[DepthVerdict]:
    from ...figures.depth import draw_methods

    finals = {pair: finals_of(cells, trained.results) for pair, cells in trained.methods.items()}
    write_table(folder / "methods.csv", _method_rows(trained, finals))
    wrong = {pair: 100 * np.exp(log_error(own, "final_accuracy")) for pair, own in finals.items()}
    values = {
        way.label: {depth: wrong[name, depth] for depth in settings.depths}
        for name, way in METHODS.items()
        if not way.depths
    }
    deepest = max(settings.depths)
    coverage = {
        label: [
            (
                coverage_between(trained.methods[name, deepest][0]),
                wrong[name, deepest],
                f"p = {METHODS[name].n_subnetworks}",
            )
            for name in names
            if (name, deepest) in wrong
        ]
        for label, names in _SWEEP.items()
    }
    drawn = draw_methods(
        values, coverage, value_label="errors on rows held out, percent", coverage_title=f"{deepest} layers"
    )
    _save(folder, "depth_methods", drawn)
    return method_verdicts(finals)


def _method_rows(trained: Trained, finals: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for (name, depth), own in finals.items():
        loss, accuracy = own["final_full_error"], own["final_accuracy"]
        cell = trained.methods[name, depth][0]
        row = {
            "method": METHODS[name].label,
            "layers": depth,
            "p": cell.n_subnetworks,
            "rate": trained.rates[name, depth],
        }
        ended = np.isfinite(loss)
        row |= {"coverage": coverage_between(cell), "seeds": len(loss), "diverged": int(np.sum(~ended))}
        for measure, every in (("training_loss", loss), ("accuracy", accuracy)):
            found = every[ended] if ended.any() else np.array([np.nan])
            row |= {measure: float(np.mean(found)), f"{measure}_deviation": float(np.std(found, ddof=len(found) > 1))}
        rows.append(row)
    return rows


def _claim(verdict: DepthVerdict) -> str:
    """Return a claim in a few words, with protocol and measure."""
    v = verdict.verdict
    claim = _SHORT.get(v.claim, v.claim)
    protocol = {"equal rounds K": ", equal K", "equal steps K tau": ", equal Kτ"}.get(v.protocol, "")
    measure = "" if v.figure == "2a" else f": {v.measure}"
    return f"{v.figure}  {claim}{protocol}{measure}"


def _mean(grid: Any, rounds: int) -> Any:
    mean = grid.final("full", rounds=rounds).mean(axis=0)
    return np.where(np.isfinite(mean), mean, np.nan)


def _save(folder: Path, stem: str, drawn: tuple[Any, Any]) -> None:
    from ...figures.files import save_figure  # with matplotlib

    figure, table = drawn
    save_figure(figure, folder, stem, table)
