"""The page of one run of a shallow network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .launch_page import launch_parts
from .lines import lines_figure
from .page import Page, Section
from .parts import Folded, Paragraph, Part
from .provenance import law_text, plain, run_settings
from .rounding import finite, shown
from .rounds_figure import InsideRounds, rounds_figure
from .run_parts import lede, numbers_table, settings_parts
from .theory_part import judge, theory_sections

if TYPE_CHECKING:
    from ..history import History
    from ..theory.prediction import Prediction
    from ..training import TrainingRun
    from .source import RunSource

_GATHERED = ("workers", "bytes_per_round")  # what `launch` adds
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


def run_page(source: RunSource, run: TrainingRun) -> Page:
    """Return the page of a run."""
    verdict, reason = judge(run)
    prediction = None if verdict is None else verdict.prediction
    sections = [Section("rounds", "The error within the rounds", _rounds(run, prediction))]
    sections += theory_sections(verdict, reason)
    if measures := _measures(run.history):
        sections.append(Section("measures", "Other measures along training", measures))
    if len(finite(run.history.full_error)) > 1:
        sections.append(Section("numbers", "The numbers", [_numbers(run.history, prediction)]))
    if source.costs:
        sections.append(Section("launch", "What the launch cost", launch_parts(source.costs)))
    gathered = {name.replace("_", " "): plain(value) for name, value in source.summary.items() if name in _GATHERED}
    settings = settings_parts(source, {"": run_settings(run) | gathered}, run.provenance)
    sections.append(Section("settings", "Settings and provenance", settings))
    heading = f"{source.data_name or 'A run'}: {law_text(run.scheme.masks)}"
    measured = {"The training error of the whole network": run.history.full_error}
    too_large = f"the step size {shown(run.settings.step_size)} is too large"
    said = lede(source, run.history.rounds, measured, too_large)
    return Page("Run", heading, said, _facts(source, run), sections)


def _facts(source: RunSource, run: TrainingRun) -> dict[str, object]:
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


def _rounds(run: TrainingRun, prediction: Prediction | None) -> list[Part]:
    history, p = run.history, run.scheme.masks.n_subnetworks
    if history.rounds == 0:
        return [Paragraph("There is nothing to draw: this run completed no round.", "note")]
    inside = np.column_stack([history.sampled_error, history.local_error])
    recorded = f"record={run.settings.record!r}"
    if not np.isfinite(history.full_error[1:]).all():
        return [Paragraph(f"There is nothing to draw: this run recorded no errors ({recorded}).", "note")]
    if not np.isfinite(inside).all():
        note = f"This run recorded the error after each round alone ({recorded}), nothing inside the rounds."
        caption = "The error of the whole network before round 0 and after each aggregation."
        errors = {"full error": history.full_error}
        figure = lines_figure("after", errors, "|y−u|² of the whole network", caption, log=True)
        return [Paragraph(note, "note"), figure]
    after = history.full_error[1:, np.newaxis]
    low = high = None
    if history.subnetwork_errors is not None and p > 1:
        low, high = (np.column_stack([of(history.subnetwork_errors, axis=2), after]) for of in (np.min, np.max))
    curve = InsideRounds(float(history.full_error[0]), np.column_stack([inside, after]), low, high, f"{p} subnetworks")
    said = (
        "Each round samples fresh masks, trains each subnetwork for some local steps, and puts the mean of their "
        "updates back into the whole network. The first two kinds of mark are means over the subnetworks of |y−f|², "
        "the third is |y−u|² of the whole network."
    )
    return [rounds_figure("inside", curve, prediction, said)]


def _measures(history: History) -> list[Part]:
    """Return the figures of what else was recorded, or nothing."""
    figures: list[Part] = []
    for name, (title, log, caption) in _MEASURES.items():
        values = getattr(history, name)
        if values is not None and np.isfinite(values).any():
            figures.append(lines_figure(name.replace("_", "-"), {name: values}, title, caption, log=log))
    return figures


def _numbers(history: History, prediction: Prediction | None) -> Folded:
    columns = {
        "after sampling": history.sampled_error,
        "after local training": history.local_error[:, -1],
        "after aggregation": history.full_error[1:],
    }
    if prediction is not None:
        columns["predicted after aggregation"] = prediction.full_error[1:]
    said = "Training errors: sums of squares over all rows"
    return numbers_table("The errors", said, columns, np.arange(history.rounds))
