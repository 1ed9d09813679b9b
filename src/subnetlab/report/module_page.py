"""The page of the run of a module: what its file holds, and what is cut where the module is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .launch_page import launch_parts
from .module_course import course_sections, losses_table, validated
from .module_network import network_parts
from .page import Page, Section
from .provenance import in_words, law_text, scheme_settings
from .rounding import finite, shown
from .run_parts import lede, settings_parts

if TYPE_CHECKING:
    from ..training.module_reading import StoredModuleRun
    from .parts import Part
    from .source import RunSource

_TOO_LARGE = "lower the learning rate, or take scale=0.5"
_SETTINGS = ("seed", "scale", "engine", "autocast", "threads", "rates")


def module_page(source: RunSource, run: StoredModuleRun) -> Page:
    """Return the page of a run of a module."""
    history = run.history
    inside = np.append(history.sampled_loss[:1], history.local_loss[-1:, -1])
    measured = {
        "The training loss of the whole network": history.full_loss,
        "The mean loss of the subnetworks, each on its batches,": inside,
    }
    sections = course_sections(run)
    sections.append(Section("network", "The network and its units", network_parts(run)))
    if len(finite(history.local_loss)):
        sections.append(Section("numbers", "The numbers", [losses_table(history)]))
    if source.costs:
        sections.append(Section("launch", "What the launch cost", launch_parts(source.costs)))
    sections.append(Section("settings", "Settings and provenance", _settings(source, run)))
    named = " on ".join(filter(None, (_kind(run), source.data_name)))
    said = lede(source, run.rounds_done, measured, _TOO_LARGE)
    return Page("Run of a module", f"{named}: {law_text(run.scheme.masks)}", said, _facts(source, run), sections)


def _kind(run: StoredModuleRun) -> str:
    return run.snapshot.record.get("network", {}).get("class", "A module")


def _facts(source: RunSource, run: StoredModuleRun) -> dict[str, object]:
    groups, parameters = run.settings["groups"], run.snapshot.record.get("network", {}).get("parameters")
    entries = sum(tensor.numel() for tensor in run.snapshot.below("entry").values())
    size = f"{entries:,} numbers, buffers included" if parameters is None else f"{parameters:,}"
    ends = {f"{name}, at the end": shown(float(finite(v)[-1])) for name, v in validated(run).items() if len(finite(v))}
    return {
        **({"data": source.data_name} if source.data_name else {}),
        "network": _kind(run),
        "parameters": size,
        "units": f"{sum(groups.values()):,} in {len(groups)} group{'s' * (len(groups) != 1)}",
        "subnetworks": f"p = {run.scheme.masks.n_subnetworks}",
        "local steps": f"τ = {run.scheme.local_steps}",
        "rounds": f"K = {run.rounds_done}",
        "loss": _loss(run),
        **ends,
        "status": run.status,
    }


def _settings(source: RunSource, run: StoredModuleRun) -> list[Part]:
    settings, request, record = run.settings, run.request, run.snapshot.record
    optimisers = {
        "optimiser of the local steps": settings["optimizer"],
        "its state between rounds": settings["state"],
        "its learning rates": settings["schedule"] or "as they are",
        "gradients clipped to norm": settings["clip_norm"],
        "outer optimiser": settings["outer"] or "none: the mean update is added",
    }
    asked = {
        "loss": _loss(run),
        "record": request.record,
        "evaluate_every": request.evaluate_every,
        "diagnostics": request.diagnostics,
        "recalibrate": request.recalibrate,
    }
    scheme = scheme_settings(run.scheme) | in_words({"cut groups": run.scheme.cut_groups})
    others = in_words({name: settings.get(name) for name in _SETTINGS} | (asked if record.get("asked") else {}))
    return settings_parts(source, {"": scheme | others, "Optimisers": in_words(optimisers)}, record.get("versions", {}))


def _loss(run: StoredModuleRun) -> str:
    return str(run.loss) if run.snapshot.record.get("asked") and run.loss else "a function"
