"""What a launch cost, round by round: traffic, workers and time, on a page of its own or on that of the run."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..input_file import FileContentError, read_input_text
from .lines import lines_figure
from .page import Page, Section
from .parts import Definitions
from .provenance import plain
from .rounding import shown
from .run_parts import numbers_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..core.arrays import FloatArray
    from .parts import Part
    from .source import LaunchSource

Costs: TypeAlias = "dict[str, FloatArray]"
"""By column of history.csv, one number per round."""

HISTORY = "history.csv"
_SECONDS = {"seconds_computing": "computing", "seconds_waiting": "waiting for others"}
_COLUMNS = {"workers": "workers", "bytes_sent": "bytes sent", **{name: f"seconds {w}" for name, w in _SECONDS.items()}}


def read_launch(folder: Path) -> list[Costs]:
    """Return the costs of each training of a launch; none where the folder is of no launch.

    Raises
    ------
    FileContentError
        If a cell is no number.
    """
    path = folder / HISTORY
    if not path.is_file():
        return []
    reader = csv.DictReader(read_input_text(path, owner="report", argument="folder").splitlines())
    names = list(reader.fieldnames or ())
    if not set(_COLUMNS) <= set(names):
        return []
    try:
        rows = [[float(row[name]) for name in names] for row in reader]
    except (TypeError, ValueError) as error:
        raise FileContentError(f"{path}: must hold numbers ({error})") from error
    table = dict(zip(names, np.array(rows, dtype=np.float64).reshape(-1, len(names)).T, strict=True))
    of = table.get("training", np.zeros(len(rows)))
    return [{name: values[of == training] for name, values in table.items()} for training in np.unique(of)]


def launch_parts(costs: Costs, name: str = "launch") -> list[Part]:
    """Return the pictures of what each round cost, and their numbers; ``name`` begins their ids."""
    sent = f"What all workers sent in a round: {shown(float(np.mean(costs['bytes_sent'])))} bytes on average."
    pictures = {
        "bytes": (
            "bytes",
            {"bytes": costs["bytes_sent"]},
            sent,
        ),
        "workers": ("workers", {"workers": costs["workers"]}, "How many workers took part in each round."),
        "seconds": (
            "seconds",
            {word: costs[column] for column, word in _SECONDS.items()},
            "How long the slowest worker of each round computed, and how long the one that waited longest waited.",
        ),
    }
    figures = [
        lines_figure(f"{name}-{what}", lines, title, caption) for what, (title, lines, caption) in pictures.items()
    ]
    columns = {word: costs[column] for column, word in _COLUMNS.items()}
    said = "What each round cost, all workers together; seconds are those of the slowest"
    return [*figures, numbers_table("The costs", said, columns, np.arange(len(costs["workers"])))]


def launch_page(source: LaunchSource) -> Page:
    """Return the page of a launch that left no run beside its costs: of a script, or of a network too large."""
    trainings = source.trainings
    sections: list[Section] = []
    for i, costs in enumerate(trainings):
        parts = launch_parts(costs, f"launch-{i}")
        for column, title in (("loss", "loss"), ("full_error", "|y−u|² of the whole network")):
            if column in costs:
                caption = f"The {title} after each round." if column != "loss" else "The loss that each round reported."
                parts.insert(0, lines_figure(f"{column}-{i}", {title: costs[column]}, title, caption, log=True))
        heading = "The launch, round by round" if len(trainings) == 1 else f"Training {i + 1} of the script"
        sections.append(Section(f"training-{i}", heading, parts))
    versions = {str(name): plain(version) for name, version in source.versions.items()}
    sections.append(Section("settings", "Versions", [Definitions(versions)]))
    return Page("Launch", source.name, _lede(trainings), _facts(trainings), sections)


def _lede(trainings: Sequence[Costs]) -> str:
    rounds = sum(len(costs["workers"]) for costs in trainings)
    sent = shown(sum(float(costs["bytes_sent"].sum()) for costs in trainings) / 1e6)
    made = "1 round was" if rounds == 1 else f"{rounds} rounds were"
    return f"{made} made, and the workers sent {sent} MB. The folder holds no run beside these costs."


def _facts(trainings: Sequence[Costs]) -> dict[str, object]:
    workers = np.concatenate([costs["workers"] for costs in trainings])
    low, high = int(workers.min()), int(workers.max())
    return {
        "trainings": len(trainings),
        "workers": str(high) if low == high else f"{low} to {high}",
        "rounds": ", ".join(str(len(costs["workers"])) for costs in trainings),
    }
