"""Figure 2a of the paper: the training error inside each round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..core import checks
from .files import nonnegative_array
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    TEXT_WIDTH,
    VERMILLION,
    freeze_layout,
    new_figure,
    publication_style,
    set_log_ticks,
)
from .trajectory import AGGREGATION, LOCAL_END, Changes, find_changes, make_trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..core.arrays import FloatArray
    from .style import Table
    from .trajectory import Trajectory

Over = Literal["seeds", "subnetworks"]

_PHASES = ((0.0, LOCAL_END, SKY), (LOCAL_END, AGGREGATION, GREEN), (AGGREGATION, 1.0, ORANGE))
_SHADE = 0.16
_MARKERS = (
    (("sampling",), "^", VERMILLION),
    (("local step",), "o", BLUE),
    (("initial", "aggregation"), "s", BLACK),
)
_SMALL, _LARGE = 1.3, 3.2  # points, of the markers
_HEADROOM = 0.14  # of the height, for the annotations
MOST_INSET_ROUNDS = 5  # more leave no room for the annotations


def draw_dynamics(
    sampled: Any,
    local: Any,
    full: Any,
    *,
    over: Over = "seeds",
    rounds: int = 125,
    inset_rounds: int = 4,
    title: str = "",
) -> tuple[Figure, Table]:
    """Draw mean and variance of the training error against the round, on logarithmic axes (Figure 2a).

    Left the first ``rounds`` rounds, right the first ``inset_rounds`` with the phases of each round shaded. The
    three kinds of change that the paper annotates are marked in the rounds where the mean shows them
    (`find_changes`) and nowhere else; the legend counts them over all drawn rounds.

    Parameters
    ----------
    sampled : array, shape (S, K)
        Error right after sampling, S repetitions.
    local : array, shape (S, K, tau)
        The same after each local step.
    full : array, shape (S, K + 1) or (1, K + 1)
        |y - u_k|^2 before round 0 and after each aggregation; one row where all repetitions share it.
    over : {"seeds", "subnetworks"}
        What the repetitions are: runs, whose ``sampled`` and ``local`` are means over the subnetworks
        (`History.sampled_error`, `History.local_error`), or the subnetworks of one run
        (`History.subnetwork_errors`), which share the full model, so that its variance is 0.
    rounds : int, default 125
        Fewer are drawn if there are fewer.
    inset_rounds : int, default 4
        At most 5.
    title : str, optional

    Returns
    -------
    figure : matplotlib.figure.Figure
    table : dict
        One row per drawn point: position, round, event, local_step, mean, variance (divided by S - 1; nan with
        one repetition, and then not drawn).

    Raises
    ------
    TypeError, ValueError
        If an array has a wrong shape or holds a value that is negative or not finite, or an option is unknown.

    Examples
    --------
    >>> errors = np.ones((3, 10, 2)) * np.exp(-np.arange(10.0))[:, None]
    >>> full = np.ones((3, 11))
    >>> figure, table = draw_dynamics(errors[:, :, 0], errors, full)
    >>> len(table["mean"]), table["event"][:3]
    (41, ['initial', 'sampling', 'local step'])
    """
    checks.one_of("draw_dynamics", "over", over, ("seeds", "subnetworks"))
    rounds = checks.whole_number("draw_dynamics", "rounds", rounds, least=1)
    inset_rounds = checks.whole_number("draw_dynamics", "inset_rounds", inset_rounds, least=1)
    if inset_rounds > MOST_INSET_ROUNDS:
        raise ValueError(f"draw_dynamics: inset_rounds must be at most {MOST_INSET_ROUNDS}, got {inset_rounds}")
    sampled, local, full = _checked(sampled, local, full)
    K = min(rounds, sampled.shape[1])
    sampled, local, full = sampled[:, :K], local[:, :K], full[:, : K + 1]
    points = make_trajectory(sampled, local, full)
    changes = find_changes(sampled.mean(axis=0), local.mean(axis=0), full.mean(axis=0))
    with publication_style():
        figure = _draw(points, changes, over, len(sampled), min(inset_rounds, K), title)
    return figure, points.table()


def _checked(sampled: Any, local: Any, full: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    sampled = nonnegative_array("draw_dynamics", "sampled", sampled, ("S", "K"))
    local = nonnegative_array("draw_dynamics", "local", local, ("S", "K", "tau"))
    full = nonnegative_array("draw_dynamics", "full", full, ("S", "K + 1"))
    S, K = sampled.shape
    if local.shape[:2] != (S, K):
        raise ValueError(f"draw_dynamics: local must have shape ({S}, {K}, tau) like sampled, got {local.shape}")
    if full.shape not in ((S, K + 1), (1, K + 1)):
        raise ValueError(f"draw_dynamics: full must have shape ({S}, {K + 1}) or (1, {K + 1}), got {full.shape}")
    return sampled, local, np.broadcast_to(full, (S, K + 1))


def _draw(points: Trajectory, changes: Changes, over: Over, S: int, inset_rounds: int, title: str) -> Figure:
    statistics = {"mean": points.mean, "variance": points.variance} if S > 1 else {"mean": points.mean}
    figure = new_figure(TEXT_WIDTH, 1.1 + 1.45 * len(statistics))
    axes = figure.subplots(len(statistics), 2, sharex="col", squeeze=False, width_ratios=(1, 1.25))
    K = len(changes.local_decrease)
    for (left, right), (name, values) in zip(axes, statistics.items(), strict=True):
        _draw_points(left, points, values, size=min(_LARGE, max(_SMALL, 40 / K)))
        left.set_xlim(-0.02 * K - 0.25, 1.02 * K)
        left.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        left.set_ylabel(f"{name} over {S} {over}" if S > 1 else "training error")
        first = points.position < inset_rounds + 0.01
        _draw_points(right, points, np.where(first, values, np.nan), size=_LARGE)
        _shade_phases(right, inset_rounds)
    _annotate(axes[0, 1], changes, inset_rounds)
    for ax, shown in zip(axes[0], (K, inset_rounds), strict=True):
        ax.set_title(f"training error, first {f'{shown} rounds' if shown > 1 else 'round'}")
    for ax in axes[-1]:
        ax.set_xlabel("round")
    figure.align_ylabels(axes[:, 0])
    _add_legends(figure, changes, over, title)
    freeze_layout(figure)
    return figure


def _draw_points(ax: Axes, points: Trajectory, values: FloatArray, *, size: float) -> None:
    drawn = np.where(values > 0, values, np.nan)  # 0 has no logarithm
    ax.set_yscale("log")
    if np.all(np.isnan(drawn)):
        ax.text(0.5, 0.5, "0 everywhere", transform=ax.transAxes, ha="center", va="center")
        ax.yaxis.set_ticks([])
        ax.yaxis.set_ticks([], minor=True)
        return
    ax.plot(points.position, drawn, color=GREY, linewidth=0.15 * size + 0.1)
    for events, marker, colour in _MARKERS:
        at = points.at(*events)
        ax.plot(points.position[at], drawn[at], linestyle="", marker=marker, color=colour, markersize=size, mew=0)
    low, high = np.nanmin(drawn), np.nanmax(drawn)
    ax.set_ylim(low / (high / low) ** 0.06 / 1.02, high * (high / low) ** _HEADROOM * 1.02)
    set_log_ticks(ax.yaxis, *ax.get_ylim(), most=6)


def _shade_phases(ax: Axes, rounds: int) -> None:
    for k in range(rounds):
        for start, stop, colour in _PHASES:
            ax.axvspan(k + start, k + stop, color=colour, alpha=_SHADE, linewidth=0)
    ax.set_xlim(AGGREGATION - 1.1, rounds + 0.1)
    ax.set_xticks(range(rounds + 1))


def _annotate(ax: Axes, changes: Changes, rounds: int) -> None:
    """Write (1), (2) and (3) above the phases of the rounds that show them."""
    for number, ((start, stop, _), happens) in enumerate(zip(_PHASES, changes, strict=True), start=1):
        for k in np.flatnonzero(happens[:rounds]):
            place = (k + (start + stop) / 2, 0.985)
            ax.text(*place, f"({number})", transform=ax.get_xaxis_transform(), ha="center", va="top", fontsize=6.5)


def _add_legends(figure: Figure, changes: Changes, over: Over, title: str) -> None:
    subnetworks = r"$\|y-f^{\,\ell}\|^2$"
    if over == "seeds":
        subnetworks = r"mean over $\ell$ of " + subnetworks
    labels = (f"after sampling, {subnetworks}", f"after a local step, {subnetworks}", r"after aggregation, $\|y-u\|^2$")
    figure.legend(
        handles=[
            Line2D([], [], color=colour, marker=marker, markersize=_LARGE, mew=0, linestyle="", label=label)
            for (_, marker, colour), label in zip(_MARKERS, labels, strict=True)
        ],
        title=title or None,
        loc="outside upper center",
        ncols=3,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    K = len(changes.local_decrease)
    words = (
        "(1) smooth decrease in\nlocal training",
        "(2) sudden decrease\nat aggregation",
        "(3) sudden increase\nat re-sampling",
    )
    figure.legend(
        handles=[
            Patch(color=colour, alpha=2 * _SHADE, linewidth=0, label=f"{word}: {happens.sum()} of {total} rounds")
            for (*_, colour), word, happens, total in zip(_PHASES, words, changes, (K, K, K - 1), strict=True)
        ],
        loc="outside lower center",
        ncols=3,
    )
