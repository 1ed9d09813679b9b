"""The figure of the error inside the rounds, of one run or of the mean of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures.trajectory import find_changes
from .controls import slider, tick
from .figure import Figure, Key
from .markup import Markup, joined, text
from .rounding import compact, stretches
from .rounds_chart import INSIDE, detail_chart, overview_chart
from .style import AGGREGATED, LOCAL, PHASES, PREDICTED, SAMPLING

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..theory.prediction import Prediction

_MOST_NUMBERS = 20_000  # per curve; about 150 kB
_STRETCH = 8  # rounds that stay together where some are left out
_SHOWN = 6  # rounds at first


@dataclass(frozen=True, eq=False)
class InsideRounds:
    """The errors inside K rounds.

    Parameters
    ----------
    initial : float
        |y - u_0|^2.
    errors : ndarray, shape (K, tau + 2)
        After sampling, after each local step, after aggregation.
    low, high : ndarray, shape (K, tau + 2), optional
        The least and the largest over what ``errors`` is the mean of.
    over : str
        What that is, "10 seeds" for example.
    """

    initial: float
    errors: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None
    over: str = ""


def rounds_figure(name: str, curve: InsideRounds, prediction: Prediction | None, said: Markup) -> Figure:
    """Return the figure.

    Parameters
    ----------
    name : str
        Its id.
    curve : InsideRounds
    prediction : Prediction, optional
    said : Markup
        The first words of the caption.
    """
    K, columns = curve.errors.shape
    kept = stretches(K, max(2 * _STRETCH, _MOST_NUMBERS // columns), _STRETCH)
    data: dict[str, Any] = {
        "inside": INSIDE,
        "total": K,
        "rounds": kept.tolist(),
        "initial": compact(curve.initial),
        "errors": compact(curve.errors[kept]),
        "low": None if curve.low is None else compact(curve.low[kept]),
        "high": None if curve.high is None else compact(curve.high[kept]),
        "predicted": None if prediction is None else _predicted(prediction, kept),
    }
    first = min(_SHOWN, K)
    controls = [
        slider("first", text("First round"), K - first + 1, 0, 0),
        slider("shown", text("Rounds shown"), K, first - 1, first),
    ]
    if prediction is not None:
        controls.append(tick("predicted", text("Prediction"), on=True))
    return Figure(
        name,
        "rounds",
        {"detail": detail_chart(), "overview": overview_chart()},
        data,
        joined([said, _changes(curve), _left_out(K, len(kept))], " "),
        joined(controls),
        keys=_keys(curve, prediction),
    )


def _predicted(prediction: Prediction, kept: np.ndarray) -> dict[str, Any]:
    full = prediction.full_error
    inside = np.column_stack([prediction.sampled_error, prediction.local_error, full[1:]])
    return {"initial": compact(full[0]), "errors": compact(inside[kept])}


def _keys(curve: InsideRounds, prediction: Prediction | None) -> list[Key]:
    keys = [
        Key("triangle", SAMPLING, text("after sampling")),
        Key("circle", LOCAL, text("after a local step")),
        Key("square", AGGREGATED, text("after aggregation")),
    ]
    if curve.low is not None:
        keys.append(Key("band", "var(--band)", text(f"least to largest over {curve.over}")))
    if prediction is not None:
        keys.append(Key("dashed", PREDICTED, text("predicted mean over masks"), "predicted"))
    names = {"local": "local training", "aggregation": "aggregation", "sampling": "re-sampling"}
    return keys + [Key("band", PHASES[phase], text(name)) for phase, name in names.items()]


def _changes(curve: InsideRounds) -> Markup:
    """Say how often each kind of change happened, as Figure 2a counts them."""
    K = len(curve.errors)
    full = np.append(curve.initial, curve.errors[:, -1])
    changes = find_changes(curve.errors[:, 0], curve.errors[:, 1:-1], full)
    return text(
        f"Of {K} rounds, every local step lowered the error in {int(changes.local_decrease.sum())}; aggregation "
        f"lowered it suddenly in {int(changes.aggregation_drop.sum())}; re-sampling raised it suddenly in "
        f"{int(changes.resampling_rise.sum())} of {max(0, K - 1)}. Suddenly means: by a larger factor than the last "
        f"local step changed it."
    )


def _left_out(K: int, kept: int) -> Markup:
    if kept == K:
        return Markup("")
    return text(
        f"Of {K} rounds the page holds {kept}, in evenly spread stretches of {_STRETCH}; the others are left out."
    )
