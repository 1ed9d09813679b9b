"""Quick pictures of single results, into the user's own axes if there are some: `subnetlab.plotting` calls these."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import matplotlib.style
import numpy as np

from ..core import checks
from .cells import colour_scale, draw_cells
from .style import BLACK, BLUE, GREY, ORANGE, TEXT_WIDTH, VERMILLION, publication_style

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes

    from ..core.arrays import FloatArray
    from ..history import History
    from ..study import Study
    from ..theory.prediction import Prediction

_HEIGHT = 3.2  # inches
_REPEATED = ("seed", "network_seed", "data_seed")  # of which a study is averaged
_CURVES = (
    ("sampled_error", "subnetworks, sampled", VERMILLION),
    ("local_error", "subnetworks, after local steps", BLUE),
    ("full_error", "whole network", BLACK),
)


@contextmanager
def axes(ax: Axes | None, style: Any, size: tuple[float, float] = (TEXT_WIDTH, _HEIGHT)) -> Iterator[Axes]:
    """Yield axes to draw into, new ones of pyplot if there are none, under a style of `subnetlab.plotting.plot`."""
    if style is None:
        look = nullcontext()
    else:
        look = publication_style() if style == "publication" else _style_of_matplotlib(style)
    with look:
        if ax is None:
            from matplotlib import pyplot as plt

            ax = plt.subplots(figsize=size, layout="constrained")[1]
        yield ax


def _style_of_matplotlib(style: Any) -> AbstractContextManager[None]:
    """Return a context of matplotlib's.

    Raises
    ------
    ValueError
        If matplotlib does not take the style.
    """
    try:
        with matplotlib.style.context(style):
            pass
    except Exception as error:  # of many types
        raise ValueError(
            "plot: style must be 'publication', None, or what matplotlib.style.context takes, such as 'ggplot', "
            f"got {style!r}"
        ) from error
    return matplotlib.style.context(style)


def plot_history(history: History, *, ax: Axes | None, style: Any, label: str = "error, summed over the rows") -> Axes:
    """Draw the errors of a run on a logarithmic axis: the subnetworks' at k and k + 1/2, the whole network's at k."""
    with axes(ax, style) as ax:
        _draw_curves(ax, history, linestyle="-", suffix="")
        if history.validation_error is not None:
            _draw(ax, np.arange(history.rounds + 1.0), history.validation_error, color=ORANGE, label="validation rows")
        _name_axes(ax, label)
    return ax


def plot_prediction(prediction: Prediction, *, ax: Axes | None, style: Any) -> Axes:
    """Draw the expected errors as dashed curves in the colours of `plot_history`, and the floor as a dotted line."""
    with axes(ax, style) as ax:
        _draw_curves(ax, prediction, linestyle="--", suffix=", predicted")
        if np.isfinite(prediction.floor) and prediction.floor > 0:
            ax.axhline(prediction.floor, color=GREY, linestyle=":", label="predicted floor")
        _name_axes(ax, "error, summed over the rows")
    return ax


def plot_study(study: Study, *, ax: Axes | None, style: Any, value: str = "final_full_error") -> Axes:
    """Draw a value of a study over the one or two settings that vary besides seeds: a curve, or a heatmap.

    The curve is the mean over the seeds, its band their range. Cells without a number are hatched in the heatmap. The
    axis of the value is logarithmic where all values are above 0.
    """
    table = study.table(curves=False)
    numeric = [str(name) for name, array in table.items() if array.dtype.kind == "f"]
    checks.one_of("Study.plot", "value", value, tuple(numeric))
    settings = [str(dim) for dim in table[value].dims if dim not in _REPEATED]
    repeated = [dim for dim in table[value].dims if dim in _REPEATED]
    if not 1 <= len(settings) <= 2:
        raise ValueError(
            f"Study.plot: one or two settings must vary besides seeds, got {', '.join(settings) or 'none'}; "
            f"Study.select(...) takes a part"
        )
    values = table[value].transpose(*settings, *repeated).to_numpy().astype(float)
    values = values.reshape(*values.shape[: len(settings)], -1)
    labels = [table[name].to_numpy().tolist() for name in settings]
    with axes(ax, style) as ax:
        ax.set_xlabel(settings[-1].replace("_", " "))
        if len(settings) == 1:
            _draw_band(ax, labels[0], values)
            ax.set_ylabel(value.replace("_", " "))
        else:
            _draw_heatmap(ax, labels, values, label=value.replace("_", " "))
            ax.set_ylabel(settings[0].replace("_", " "))
    return ax


def _draw_curves(ax: Axes, errors: History | Prediction, *, linestyle: str, suffix: str) -> None:
    K = len(errors.sampled_error)
    for name, label, colour in _CURVES:
        values = getattr(errors, name)
        values = values[:, -1] if values.ndim == 2 else values
        rounds = np.arange(K + 1.0) if name == "full_error" else np.arange(K) + 0.5 * (name == "local_error")
        _draw(ax, rounds, values, color=colour, linestyle=linestyle, label=label + suffix)


def _draw(ax: Axes, rounds: FloatArray, values: FloatArray, **look: Any) -> None:
    """Draw what a logarithmic axis can show; nothing and no entry in the legend if that is nothing."""
    with np.errstate(invalid="ignore"):
        shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    if not np.isnan(shown).all():
        ax.plot(rounds, shown, marker="o" if len(rounds) < 3 else "", **look)


def _name_axes(ax: Axes, label: str) -> None:
    if not ax.lines:
        raise ValueError("plot: there must be an error to draw, got none: nothing was recorded")
    ax.set_yscale("log")
    ax.set_xlabel("round $k$")
    ax.set_ylabel(label)
    ax.legend()


def _draw_band(ax: Axes, settings: list[Any], values: FloatArray) -> None:
    """Draw mean and range over the last axis, against numbers as they are and words one beside the other."""
    words = any(isinstance(setting, str) for setting in settings)
    places = np.arange(len(settings)) if words else np.array(settings, dtype=float)
    known = ~np.isnan(values).all(axis=1)
    places, values = places[known], values[known]
    ax.plot(places, np.nanmean(values, axis=1), color=BLUE, marker="o", markersize=3)
    if values.shape[1] > 1:
        ax.fill_between(
            places, np.nanmin(values, axis=1), np.nanmax(values, axis=1), color=BLUE, alpha=0.2, linewidth=0
        )
    if words:
        ax.set_xticks(range(len(settings)), list(map(str, settings)))
    if (values[~np.isnan(values)] > 0).all():
        ax.set_yscale("log")


def _draw_heatmap(ax: Axes, labels: list[list[Any]], values: FloatArray, *, label: str) -> None:
    mean = np.full(values.shape[:2], np.nan)
    known = ~np.isnan(values).all(axis=2)
    mean[known] = np.nanmean(values[known], axis=1)
    cells = draw_cells(ax, mean, colour_scale(mean, log=bool((mean[known] > 0).all())))
    ax.set_xticks(range(len(labels[1])), list(map(str, labels[1])))
    ax.set_yticks(range(len(labels[0])), list(map(str, labels[0])))
    ax.figure.colorbar(cells.mesh, ax=ax, label=label)
