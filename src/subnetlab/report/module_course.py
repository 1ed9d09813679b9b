"""How the run of a module went, on its page: losses inside the rounds, measures and diagnostics along training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..modules.measures import DIAGNOSTICS
from .layers import layers_figure
from .lines import lines_figure
from .page import Section
from .parts import Folded, Paragraph, Part
from .rounding import finite
from .rounds_figure import InsideRounds, rounds_figure
from .run_parts import numbers_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from ..history import History
    from ..training.module_reading import StoredModuleRun

_MEASURED = "measured; no theorem covers them"
# what each diagnostic is; the axis of its figure, whether it is logarithmic
_DIAGNOSTICS = {
    "movement": ("How far the unit of each group that moved most is from where it began.", "", False),
    "reduction": (
        "The distance between the whole network's outputs and the mean of its subnetworks', relative to the former.",
        "relative distance",
        False,
    ),
    "ntk": ("The extreme eigenvalues of the whole network's tangent kernel on some rows.", "eigenvalue", True),
    "masked_ntk": (
        "The smallest eigenvalue among the tangent kernels of the next round's subnetworks, on the same rows.",
        "eigenvalue",
        True,
    ),
}


def course_sections(run: StoredModuleRun) -> list[Section]:
    """Return the sections of what was measured from round to round."""
    sections = [Section("rounds", "The loss within the rounds", _rounds(run))]
    if run.scheme.masks.n_subnetworks > 1 and run.history.rounds:
        sections.append(Section("subnetworks", "The local steps of each subnetwork", _subnetworks(run)))
    if measured := _of_the_network(run):
        sections.append(Section("measures", "The whole network along training", _measures(measured)))
    return [*sections, Section("diagnostics", "Diagnostics", _diagnostics(run))]


def _diagnosed(run: StoredModuleRun) -> dict[str, dict[str, FloatArray]]:
    """Return what was recorded of each diagnostic, by its names in the history."""
    metrics, groups = run.history.metrics or {}, run.settings["groups"]
    asked = {name: DIAGNOSTICS[name].names(groups) for name in DIAGNOSTICS if name in run.request.diagnostics}
    return {name: {own: metrics[own] for own in names if own in metrics} for name, names in asked.items()}


def validated(run: StoredModuleRun) -> dict[str, FloatArray]:
    """Return what was measured on the validation rows."""
    diagnosed = {own for found in _diagnosed(run).values() for own in found}
    losses = {} if run.history.validation_error is None else {"validation loss": run.history.validation_error}
    return losses | {name: v for name, v in (run.history.metrics or {}).items() if name not in diagnosed}


def _of_the_network(run: StoredModuleRun) -> dict[str, FloatArray]:
    """Return what was measured of the whole network and is no diagnostic, where there is anything."""
    named = {"training loss": run.history.full_loss, **validated(run)}
    return {name: values for name, values in named.items() if np.isfinite(values).any()}


def _rounds(run: StoredModuleRun) -> list[Part]:
    history, p = run.history, run.scheme.masks.n_subnetworks
    if history.rounds == 0:
        return [Paragraph("There is nothing to draw: this run completed no round.", "note")]
    if not np.isfinite(history.local_loss).any():
        recorded = f"record={run.request.record!r}" if run.snapshot.record.get("asked") else "a loop of one's own"
        return [Paragraph(f"This run recorded nothing inside the rounds ({recorded}).", "note")]
    known = np.isfinite(history.full_loss)
    low = high = None
    if history.subnetwork_errors is not None and p > 1:
        low, high = (_inside(of(history.subnetwork_errors[:, 1:], axis=2), history) for of in (np.min, np.max))
    curve = InsideRounds(
        float(history.full_loss[0]),
        _inside(history.local_loss, history),
        low,
        high,
        f"{p} subnetworks",
        measure="loss",
        overview=-1 if known.all() else 0,
    )
    whole = "the third is the mean loss of the whole network on all training rows"
    said = (
        "Each round samples fresh masks, trains each subnetwork for some local steps, and puts the mean of their "
        "updates back into the whole network. The first two kinds of mark are means over the subnetworks of the loss "
        "on the batch of the next step, before it is taken: there is none after the last step. "
        + (f"{whole.capitalize()}." if known.any() else "The whole network was not measured on the training rows.")
        + ("" if known.all() else " Above, the whole run is drawn by the loss right after sampling.")
        + ("" if (finite(history.local_loss) > 0).all() else " Losses that are not above 0 are not drawn.")
    )
    return [rounds_figure("inside", curve, None, said)]


def _inside(losses: FloatArray, history: History) -> FloatArray:
    """Return the losses before each step as those after sampling and after steps, (K, tau + 2); the last is unknown.

    Parameters
    ----------
    losses : ndarray, shape (K, tau)
    history : History
    """
    return np.column_stack([losses, np.full(len(losses), np.nan), history.full_loss[1:]])


def _subnetworks(run: StoredModuleRun) -> list[Part]:
    errors = run.history.subnetwork_errors
    if errors is None:
        note = "The losses of each subnetwork were not kept: record='subnetworks' keeps them, at no cost."
        return [Paragraph(note, "note")]
    means = errors[:, 1:].mean(axis=1)  # (K, p)
    caption = (
        "The mean loss of each subnetwork over the local steps of a round, a line for each. Which units a subnetwork "
        "has changes with every round; its rows do not where there are shards."
    )
    lines = {f"subnetwork {l}": values for l, values in enumerate(means.T)}
    columns = {
        "first step of the first round": errors[0, 1],
        "last step of the last round": errors[-1, -1],
        "mean over the last round": means[-1],
    }
    said = "Losses of the local steps of each subnetwork, each on its own batch"
    places = np.arange(errors.shape[2])
    numbers = numbers_table("The losses by subnetwork", said, columns, places, "subnetwork")
    return [lines_figure("by-subnetwork", lines, "loss", caption, log=True), numbers]


def _measures(measured: Mapping[str, FloatArray]) -> list[Part]:
    """Return a figure of each measure, and a table of all."""
    captions = {
        "training loss": "The mean loss of the whole network on all training rows.",
        "validation loss": "The mean loss of the whole network on rows that are not trained on.",
    }
    figures = [
        lines_figure(
            f"measure-{i}",
            {name: values},
            name,
            captions.get(name, f"Measured of the whole network on the validation rows: {name}."),
            log=name in captions,
            zero=False,
            x="rounds made",
        )
        for i, (name, values) in enumerate(measured.items())
    ]
    return [*figures, *_tables("The measures", "Measured of the whole network", measured)]


def _tables(what: str, said: str, measured: Mapping[str, FloatArray]) -> list[Part]:
    """Return measures by the number of completed rounds, after those in which something was measured."""
    if not measured:
        return []
    places = np.flatnonzero(np.any([np.isfinite(values) for values in measured.values()], axis=0))
    return [numbers_table(what, said, measured, places, "rounds made")]


def _diagnostics(run: StoredModuleRun) -> list[Part]:
    diagnosed = _diagnosed(run)
    if not diagnosed:
        asked = ", ".join(map(repr, DIAGNOSTICS))
        note = f"None were asked for: diagnostics=({asked}) measures them along training. {_MEASURED.capitalize()}."
        return [Paragraph(note, "note")]
    parts: list[Part] = [Paragraph(f"{_MEASURED.capitalize()}.", "note")]
    for name, found in diagnosed.items():
        caption, title, log = _DIAGNOSTICS.get(name, ("", name, False))
        if name == "movement":
            moved = {own.removeprefix("movement."): values[1:] for own, values in found.items()}  # after each round
            parts.append(layers_figure("diagnostic-movement", name, moved, caption))
        else:
            parts.append(lines_figure(f"diagnostic-{name}", found, title, caption, log=log, x="rounds made"))
    everything = {own: values for found in diagnosed.values() for own, values in found.items()}
    return [*parts, *_tables("The diagnostics", f"Diagnostics: {_MEASURED}", everything)]


def losses_table(history: History) -> Folded:
    """Return the losses of the first and the last local step of each round."""
    columns = {"first local step": history.local_loss[:, 0], "last local step": history.local_loss[:, -1]}
    said = "Losses in each round: means over the subnetworks, each on the batch of the step, before it is taken"
    return numbers_table("The losses", said, columns, np.arange(history.rounds))
