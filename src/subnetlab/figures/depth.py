"""Figures of depth: the paper's claims and errors network by network, and methods beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch, Rectangle

from .cells import Cells, colour_scale, diverged_patch, draw_cells, write_numbers
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    freeze_layout,
    new_figure,
    publication_style,
    set_log_ticks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..core.arrays import FloatArray
    from .style import Table

_WIDTH = 7.0  # inches
_COLOURS = {"HOLDS": GREEN, "FAILS": VERMILLION, "UNDECIDED": "#E3E3E3"}
_INK = {"HOLDS": "white", "FAILS": "white", "UNDECIDED": "#606060"}
_LINES = (BLUE, VERMILLION, GREEN, ORANGE, SKY, BLACK, GREY)
_MARKERS = "osD^vPX"


def draw_verdicts(
    outcomes: Sequence[Sequence[str]], rows: Sequence[str], columns: Sequence[str]
) -> tuple[Figure, Table]:
    """Draw a table of verdicts: a coloured cell with a letter for each claim (rows) and network (columns).

    Parameters
    ----------
    outcomes : sequence of sequences of {"HOLDS", "FAILS", "UNDECIDED", ""}
        Shape (rows, columns); empty where nothing was judged.
    rows, columns : sequences of str

    Examples
    --------
    >>> figure, table = draw_verdicts([["HOLDS", "FAILS"]], ["the error falls"], ["1 layer", "4 layers"])
    >>> table["outcome"]
    ['HOLDS', 'FAILS']
    """
    with publication_style():
        figure = new_figure(3.8 + 0.42 * len(columns), 1.1 + 0.17 * len(rows))
        ax = figure.subplots()
        for i, line in enumerate(outcomes):
            for j, outcome in enumerate(line):
                if outcome:
                    face = _COLOURS[outcome]
                    ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=face, edgecolor="white", linewidth=1))
                    ax.text(j, i, outcome[0], ha="center", va="center", color=_INK[outcome], fontsize=6.5)
        ax.set_xlim(-0.5, len(columns) - 0.5)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xticks(range(len(columns)), columns, rotation=30, ha="left")
        ax.xaxis.tick_top()
        ax.set_yticks(range(len(rows)), rows, fontsize=6.5)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        patches = [Patch(facecolor=colour, label=name.lower()) for name, colour in _COLOURS.items()]
        figure.legend(handles=patches, loc="outside lower right", ncols=3)
        freeze_layout(figure)
    places = [(row, column, outcomes[i][j]) for i, row in enumerate(rows) for j, column in enumerate(columns)]
    names = ("claim", "network", "outcome")
    return figure, {name: [place[k] for place in places] for k, name in enumerate(names)}


def draw_grids(
    panels: Mapping[tuple[str, str], Any],
    row_values: Sequence[Any],
    col_values: Sequence[Any],
    *,
    row_label: str,
    col_label: str,
) -> tuple[Figure, Table]:
    """Draw a heatmap per network (columns) and loss (rows), with one colour scale for each loss; lighter is smaller.

    Parameters
    ----------
    panels : mapping from (network, loss) to array, shape (R, C)
        nan where a run diverged.
    row_values, col_values : sequences of length R and C
    row_label, col_label : str

    Examples
    --------
    >>> figure, table = draw_grids({("CNN", "squared"): [[0.2, 0.1]]}, [4], [1, 5], row_label="p", col_label="tau")
    >>> table["p"], table["tau"], table["error"]
    ([4, 4], [1, 5], [0.2, 0.1])
    """
    networks, losses = (list(dict.fromkeys(names)) for names in zip(*panels, strict=True))
    with publication_style():
        figure = new_figure(_WIDTH, 0.6 + 1.25 * len(losses))
        axes = figure.subplots(len(losses), len(networks), sharex=True, sharey=True, squeeze=False)
        drawn: list[Cells] = []
        arrays = {panel: np.asarray(values, dtype=np.float64) for panel, values in panels.items()}
        scales = {}  # one for all networks of a loss, else rounding would have colours where nothing is learned
        for loss in losses:
            of_loss = [array.ravel() for (_, own), array in arrays.items() if own == loss]
            scales[loss] = colour_scale(np.concatenate(of_loss), log=True)
        for (network, loss), array in arrays.items():
            ax = axes[losses.index(loss), networks.index(network)]
            drawn.append(draw_cells(ax, array, scales[loss]))
            ax.tick_params(length=0)
            ax.set_title(f"{network}\n{_words(loss)}" if loss == losses[0] else _words(loss))
        for ax in axes[-1]:
            ax.set_xticks(range(len(col_values)), [f"{value:g}" for value in col_values])
            ax.set_xlabel(col_label)
        for ax in axes[:, 0]:
            ax.set_yticks(range(len(row_values)), [f"{value:g}" for value in row_values])
            ax.set_ylabel(row_label)
        if any(np.isnan(cells.values).any() for cells in drawn):
            figure.legend(handles=[diverged_patch()], loc="outside lower right")
        freeze_layout(figure)
        write_numbers(drawn)
    return figure, _grid_table(panels, row_values, col_values, row_label, col_label)


def draw_insides(curves: Mapping[tuple[str, str], tuple[Any, Any, Any] | None], *, rounds: int) -> tuple[Figure, Table]:
    """Draw the errors inside the first rounds, in the mean over seeds, a panel per network (columns) and loss (rows).

    Parameters
    ----------
    curves : mapping from (network, loss) to (sampled (S, K), local (S, K, tau), full (S, K + 1))
        None where a run diverged.
    rounds : int
        How many are drawn.

    Examples
    --------
    >>> one = (np.ones((2, 3)), np.ones((2, 3, 2)), np.ones((2, 4)))
    >>> figure, table = draw_insides({("CNN", "squared"): one}, rounds=2)
    >>> table["round"]
    [0.0, 0.333, 0.667, 1.0, 1.333, 1.667, 0.0, 1.0, 2.0]
    """
    networks, losses = (list(dict.fromkeys(names)) for names in zip(*curves, strict=True))
    table: dict[str, list[Any]] = {name: [] for name in ("network", "loss", "what", "round", "error")}
    with publication_style():
        figure = new_figure(_WIDTH, 0.6 + 1.35 * len(losses))
        axes = figure.subplots(len(losses), len(networks), sharex=True, squeeze=False)
        for (network, loss), found in curves.items():
            ax = axes[losses.index(loss), networks.index(network)]
            ax.set_title(f"{network}\n{_words(loss)}" if loss == losses[0] else _words(loss))
            if found is not None:
                _inside(ax, found, rounds, table, (network, loss))
        for ax in axes[-1]:
            ax.set_xlabel("round")
        for ax in axes[:, 0]:
            ax.set_ylabel("training error")
        handles, labels = next(ax for ax in axes.flat if ax.lines).get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower right", ncols=2)
        freeze_layout(figure)
    return figure, dict(table)


def draw_methods(
    values: Mapping[str, Mapping[int, Any]],
    coverage: Mapping[str, Sequence[tuple[float, Any, str]]],
    *,
    value_label: str,
    coverage_title: str,
) -> tuple[Figure, Table]:
    """Draw methods by depth, and beside them the error against the coverage between cut layers.

    Parameters
    ----------
    values : mapping from a method's label to {depth: one value per seed}
    coverage : mapping from a line's label to points (coverage, values over seeds, words)
    value_label, coverage_title : str

    Examples
    --------
    >>> figure, table = draw_methods(
    ...     {"equal parts": {1: [0.2, 0.3]}}, {"all": [(0.25, [0.3], "p = 4")]},
    ...     value_label="error", coverage_title="4 layers",
    ... )
    >>> table["mean"]
    [0.25, 0.3]
    """
    table: dict[str, list[Any]] = {name: [] for name in ("panel", "method", "place", "mean", "low", "high")}
    with publication_style():
        figure = new_figure(_WIDTH, 2.9)
        left, right = figure.subplots(1, 2, width_ratios=(1.5, 1), sharey=True)
        depths = list(dict.fromkeys(depth for own in values.values() for depth in own))
        step = 0.8 / max(1, len(values))
        for number, (label, own) in enumerate(values.items()):
            at = [depths.index(depth) + step * (number - (len(values) - 1) / 2) for depth in own]
            _points(left, at, list(own.values()), number, label)
            _note(table, "depth", label, list(own), list(own.values()))
        left.set_xticks(range(len(depths)), [f"{depth} layer{'s' * (depth > 1)}" for depth in depths])
        left.tick_params(axis="x", length=0)
        left.set_ylabel(value_label)
        for number, (label, points) in enumerate(coverage.items()):
            ordered = sorted(points, key=lambda point: (point[0], point[2]))
            _points(right, [p[0] for p in ordered], [p[1] for p in ordered], number, label)
            for rank, (place, seeds, words) in enumerate(ordered):
                at = (place, float(np.mean(_ended(seeds))))
                right.annotate(words, at, xytext=(6, 7 * rank - 8), textcoords="offset points", fontsize=6)
            _note(table, "coverage", label, [p[0] for p in ordered], [p[1] for p in ordered])
        right.set_xlim(0, 1.25)
        right.set_xlabel("share of entries between cut layers\ntrained in a round")
        right.set_title(coverage_title)
        left.legend(loc="upper left", ncols=2, bbox_to_anchor=(0, -0.1))
        right.legend(loc="upper left", bbox_to_anchor=(0, -0.28))
        freeze_layout(figure)
    return figure, dict(table)


def _grid_table(
    panels: Mapping[tuple[str, str], Any], row_values: Any, col_values: Any, row_label: str, col_label: str
) -> Table:
    words = [label.split("$")[-2].strip("\\") if "$" in label else label for label in (row_label, col_label)]
    columns: dict[str, list[Any]] = {name: [] for name in ("network", "loss", *words, "error")}
    for (network, loss), values in panels.items():
        for i, row in enumerate(row_values):
            for j, column in enumerate(col_values):
                line = (network, loss, row, column, float(np.asarray(values)[i, j]))
                for name, value in zip(columns, line, strict=True):
                    columns[name].append(value)
    return dict(columns)


def _inside(
    ax: Axes, found: tuple[Any, Any, Any], rounds: int, table: dict[str, list[Any]], place: tuple[str, str]
) -> None:
    sampled, local, full = (np.asarray(part, dtype=np.float64).mean(axis=0) for part in found)
    shown, tau = min(rounds, len(sampled)), local.shape[-1]
    for k in range(shown):
        x = k + np.arange(tau + 1) / (tau + 1)
        y = np.concatenate([sampled[k : k + 1], local[k]])
        ax.plot(
            x, y, color=BLUE, marker=".", markersize=2, label="" if k else "subnetworks, after sampling and each step"
        )
        _lines(table, place, "subnetworks", x, y)
    states = np.arange(shown + 1.0)
    ax.plot(states, full[: shown + 1], "D", color=VERMILLION, markersize=2.5, label="whole network", zorder=3)
    _lines(table, place, "whole network", states, full[: shown + 1])
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    set_log_ticks(ax.yaxis, low, high, most=4)


def _lines(table: dict[str, list[Any]], place: tuple[str, str], what: str, x: FloatArray, y: FloatArray) -> None:
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        for name, value in zip(table, (*place, what, round(a, 3), b), strict=True):
            table[name].append(value)


def _points(ax: Axes, at: Sequence[float], seeds: Sequence[Any], number: int, label: str) -> None:
    seeds = [_ended(own) for own in seeds]
    means = [float(np.mean(own)) for own in seeds]
    spread = [[m - float(np.min(own)) for m, own in zip(means, seeds, strict=True)]]
    spread.append([float(np.max(own)) - m for m, own in zip(means, seeds, strict=True)])
    colour, marker = _LINES[number % len(_LINES)], _MARKERS[number % len(_MARKERS)]
    ax.errorbar(
        at, means, yerr=spread, fmt=marker, color=colour, markersize=3.5, elinewidth=0.7, label=label, linestyle="none",
    )  # fmt: skip


def _note(table: dict[str, list[Any]], panel: str, label: str, places: Sequence[Any], seeds: Sequence[Any]) -> None:
    for place, own in zip(places, map(_ended, seeds), strict=True):
        line = (panel, label, place, float(np.mean(own)), float(np.min(own)), float(np.max(own)))
        for name, value in zip(table, line, strict=True):
            table[name].append(value)


def _ended(seeds: Any) -> FloatArray:
    """Return the values of those runs that did not diverge; one NaN if all did."""
    values = np.asarray(seeds, dtype=np.float64)
    return values[np.isfinite(values)] if np.isfinite(values).any() else np.array([np.nan])


def _words(loss: str) -> str:
    return loss.replace("_", "-")
