"""The page of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from .markup import Markup, definitions, folded, joined, paragraph, table, text
from .page import Page, PageFigure, Section
from .provenance import ROUNDED, data_origin, law_text, plain, run_settings
from .rounding import compact, finite, shown, spread
from .rounds_figure import InsideRounds, rounds_figure
from .style import LOCAL, error_axis, log_scale, round_axis
from .theory_part import judge, theory_sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.arrays import FloatArray
    from ..history import History
    from ..theory.prediction import Prediction
    from ..training import TrainingRun
    from .source import RunSource

_TABLE_ROWS = 50
_GATHERED = ("workers", "bytes_per_round")  # what `launch` adds
_MOST_POINTS = 1000
# by the name in `History`: the axis, whether it is logarithmic, what is seen
_MEASURES = {
    "validation_error": ("validation error", True, "The error of the whole network on rows that are not trained on."),
    "pattern_change": (
        "share of activation patterns",
        False,
        "The share of activation patterns that differ from the start of training. The lazy regime, in which prediction "
        "and theory live, needs it to be small.",
    ),
    "weight_movement": ("largest movement", False, "How far the neuron that moved most is from its initial weights."),
}


def run_page(source: RunSource) -> Page:
    """Return the page of a run."""
    run = source.run
    verdict, why_not = judge(run)
    prediction = None if verdict is None else verdict.prediction
    sections = [Section("rounds", "The error within the rounds", _rounds(run, prediction))]
    sections += theory_sections(verdict, why_not)
    if measures := measure_figures(run.history):
        sections.append(Section("measures", "Other measures along training", measures))
    if len(finite(run.history.full_error)) > 1:
        sections.append(Section("numbers", "The numbers", _numbers(run.history, prediction)))
    sections.append(Section("settings", "Settings and provenance", _settings(source)))
    heading = f"{source.data_name or 'A run'}: {law_text(run.scheme.masks)}"
    return Page("Run", heading, _lede(run), _facts(source), sections)


def _lede(run: TrainingRun) -> Markup:
    K, known = run.history.rounds, finite(run.history.full_error)
    rounds = f"{K} round{'s' * (K != 1)}"
    if K == 0:
        course = "No round was completed."
    elif len(known) < 2:
        course = f"{rounds} made, and no errors recorded."
    else:
        verb = "fell" if known[-1] < known[0] else "rose"
        start, end = shown(float(known[0])), shown(float(known[-1]))
        course = f"The training error of the whole network {verb} from {start} to {end} in {rounds}."
    ends = {
        "finished": "",
        "unfinished": f" The run is not finished: {K} of {run.scheme.rounds} rounds are made.",
        "diverged": f" The run diverged in round {K}: the step size {shown(run.settings.step_size)} is too large.",
    }
    return text(course + ends[run.status])


def _facts(source: RunSource) -> dict[str, object]:
    run = source.run
    n, d = run.data.X.shape
    return {
        "data": f"{source.data_name or 'given arrays'}, n = {n}, d = {d}",
        "neurons": f"m = {run.network.width}",
        "subnetworks": f"p = {run.scheme.masks.n_subnetworks}",
        "selection probability": f"ξ = {shown(float(run.scheme.masks.selection_prob))}",
        "local steps": f"τ = {run.scheme.local_steps}",
        "step size": f"η = {shown(run.settings.step_size)}",
        "rounds": f"K = {run.history.rounds}",
        "status": run.status,
    }


def _rounds(run: TrainingRun, prediction: Prediction | None) -> Markup:
    history, p = run.history, run.scheme.masks.n_subnetworks
    if history.rounds == 0:
        return paragraph(text("There is nothing to draw: this run completed no round."), "note")
    inside = np.column_stack([history.sampled_error, history.local_error])
    recorded = f"record={run.settings.record!r}"
    if not np.isfinite(history.full_error[1:]).all():
        return paragraph(text(f"There is nothing to draw: this run recorded no errors ({recorded})."), "note")
    if not np.isfinite(inside).all():
        note = f"This run recorded the error after each round alone ({recorded}), nothing inside the rounds."
        return joined([paragraph(text(note), "note"), after_rounds_figure(history).markup()])
    after = history.full_error[1:, np.newaxis]
    low = high = None
    if history.subnetwork_errors is not None and p > 1:
        low, high = (np.column_stack([of(history.subnetwork_errors, axis=2), after]) for of in (np.min, np.max))
    curve = InsideRounds(float(history.full_error[0]), np.column_stack([inside, after]), low, high, f"{p} subnetworks")
    said = text(
        "Each round samples fresh masks, trains each subnetwork for some local steps, and puts the mean of their "
        "updates back into the whole network. The first two kinds of mark are means over the subnetworks of |y−f|², "
        "the third is |y−u|² of the whole network."
    )
    return rounds_figure("inside", curve, prediction, said).markup()


def _numbers(history: History, prediction: Prediction | None) -> Markup:
    K = history.rounds
    kept = [int(k) for k in spread(K, _TABLE_ROWS)]
    columns = {
        "after sampling": history.sampled_error,
        "after local training": history.local_error[:, -1],
        "after aggregation": history.full_error[1:],
    }
    if prediction is not None:
        columns["predicted after aggregation"] = prediction.full_error[1:]
    header = [text("round"), *map(text, columns)]
    rows = [[text(k), *(text(shown(float(values[k]))) for values in columns.values())] for k in kept]
    which = f"all {K} rounds" if len(kept) == K else f"{len(kept)} of {K} rounds, evenly spread"
    caption = text(f"Training errors in {which}: sums of squares over all rows.")
    return folded(f"The errors as a table ({which})", table(caption, header, rows))


def _settings(source: RunSource) -> Markup:
    gathered = {name.replace("_", " "): plain(value) for name, value in source.summary.items() if name in _GATHERED}
    origin = {**data_origin(source.provenance), **{name: plain(value) for name, value in source.run.provenance.items()}}
    return joined(
        [
            definitions(run_settings(source.run) | gathered, "settings"),
            Markup("<h3>Where it comes from</h3>"),
            definitions(origin, "settings"),
            paragraph(text(ROUNDED), "note"),
        ]
    )


def after_rounds_figure(history: History) -> PageFigure:
    """Return the figure of the error after each aggregation, for runs that recorded no other."""
    chart = _measure_chart(_points(history.full_error, log=True), "|y−u|² of the whole network", log=True)
    caption = text("The error of the whole network before round 0 and after each aggregation.")
    return PageFigure("after", "static", {"after": chart}, {}, caption)


def measure_figures(history: History) -> Markup:
    """Return the figures of what else was recorded, or nothing."""
    figures: list[Markup] = []
    for name, (title, log, caption) in _MEASURES.items():
        values = getattr(history, name)
        if values is not None and np.isfinite(values).any():
            chart = _measure_chart(_points(values, log=log), title, log=log)
            figures.append(PageFigure(name.replace("_", "-"), "static", {"line": chart}, {}, text(caption)).markup())
    return joined(figures)


def _points(values: FloatArray, *, log: bool) -> list[dict[str, Any]]:
    kept = (int(k) for k in spread(len(values), _MOST_POINTS))
    return [
        {"round": k, "value": compact(values[k])}
        for k in kept
        if np.isfinite(values[k]) and not (log and values[k] <= 0)
    ]


def _measure_chart(rows: Sequence[Mapping[str, Any]], title: str, *, log: bool) -> alt.TopLevelMixin:
    """Return a line of one measure (round, value) over the rounds."""
    scale = log_scale() if log else alt.Scale(zero=True)
    return (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_line(color=LOCAL, strokeWidth=1.6)
        .encode(
            x=alt.X("round:Q", title="round", scale=alt.Scale(nice=False), axis=round_axis()),
            y=alt.Y("value:Q", title=title, scale=scale, axis=error_axis()),
        )
        .properties(width="container", height=180)
    )
