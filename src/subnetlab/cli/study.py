"""`subnetlab study`: a grid of runs, kept in a folder; the same command again resumes it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import tyro

from ..progress import duration
from ..reproduction.plans import figure_names, plan_name, read_plan
from ..study.estimate import estimate
from ..study.execution import execute, processors
from ..study.plan import StudyPlan, claim_folder
from ..study.reading import read_cells
from ..study.store import DATABASE, Store
from .folder import clear_leftovers, command_of, refuse_other_commands, write_json
from .json_text import json_text
from .study_folder import size, telling, told


@dataclass(frozen=True)
class GridOptions:
    """Settings of the cells, several values each; they take the place of those in the plan's [settings]."""

    network: tuple[str, ...] | None = None
    """Networks: shallow, or of torch such as mlp(64,64), cnn, resnet, transformer, or your own as module:factory."""
    masks: tuple[str, ...] | None = None
    """Laws of the masks: bernoulli, categorical, balanced, ordered, rolling, all, or your own as module:Class."""
    n_subnetworks: tuple[int, ...] | None = None
    """p, the subnetworks per round."""
    selection_prob: tuple[float, ...] | None = None
    """xi, the chance that a subnetwork holds a neuron (bernoulli)."""
    rounds: tuple[int, ...] | None = None
    """K, the rounds."""
    local_steps: tuple[int, ...] | None = None
    """tau, the gradient steps of each subnetwork in a round."""
    step_size: tuple[float | Literal["auto", "theory"], ...] | None = None
    """eta: numbers, auto, theory."""
    width: tuple[int, ...] | None = None
    """m, the hidden neurons."""
    init_scale: tuple[float, ...] | None = None
    """kappa, the standard deviation of the initial weights."""
    seed: tuple[int, ...] | None = None
    """Seeds of masks, shards and minibatches."""
    network_seed: tuple[int | Literal["seed"], ...] | None = None
    """Seeds of the initial network; seed: each --seed has its own."""
    loss: tuple[str, ...] | None = None
    """squared, logistic; of networks of torch squared, cross_entropy."""
    learn_output_weights: tuple[bool, ...] | None = None
    """Whether the output weights are trained, too."""
    learn_signs: tuple[bool, ...] | None = None
    """The old name of --learn-output-weights."""
    engine: tuple[str, ...] | None = None
    """How rounds are computed."""
    dtype: tuple[str, ...] | None = None
    """Precisions of the engine."""
    batch_size: tuple[int, ...] | None = None
    """Rows per local step."""
    cut_groups: tuple[str, ...] | None = None
    """Of networks of torch: which groups of units are cut in a round, all or alternate."""
    scale: tuple[float, ...] | None = None
    """Of networks of torch: a, what units are multiplied by is xi^-a; 0 is the paper, 1 dropout."""
    state: tuple[str, ...] | None = None
    """Of networks of torch: whether the state of local optimisers is reset each round, or travels."""
    optimizer: tuple[str, ...] | None = None
    """Of networks of torch: sgd, momentum, adam, adamw."""


@dataclass(frozen=True)
class DatasetOptions:
    """The data, several values each; they take the place of those in the plan's [dataset]."""

    dataset: tuple[str, ...] | None = None
    """crime, diabetes, synthetic, auto, or files of yours."""
    target: tuple[str, ...] | None = None
    """Name or number of the target column of a file of yours."""
    drop: tuple[str, ...] | None = None
    """Columns of a file of yours that are left out of all cells, whatever they hold."""
    categorical: tuple[str, ...] | None = None
    """Columns of a file of yours that hold names: a column of zeros and ones stands for each name."""
    n_samples: tuple[int | Literal["all"], ...] | None = None
    """Rows."""
    data_seed: tuple[int, ...] | None = None
    """Seeds of the drawn rows."""
    scaling: tuple[str, ...] | None = None
    """What is done to the columns: raw, centred, standardised."""


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab study`."""

    plan: tyro.conf.Positional[Path | None] = None
    """A TOML file (docs/studies.md), or one of figure_2a, figure_2b, figure_2c, the plans of the paper's figures;
    without one, the flags below are the plan."""
    out: Path = Path("study")
    """Folder for the results."""
    jobs: int | None = None
    """Runs at a time, each on one thread; one per processor if not given."""
    dry_run: bool = False
    """Print what would be run, with time and memory, and run nothing."""
    cluster: str | None = None
    """Address of a dask scheduler whose workers run the cells (docs/studies.md)."""
    grid: GridOptions = field(default_factory=GridOptions)
    data: DatasetOptions = field(default_factory=DatasetOptions)
    json: bool = False
    """Print the result as JSON."""
    quiet: bool = False
    """Print no progress."""
    force: bool = False
    """Take over a folder that holds another study; its results are kept and used where they fit."""


def run(options: Options) -> int:
    """Plan, run what is missing, print."""
    plan = _plan(options)
    jobs = processors() if options.jobs is None else options.jobs
    if options.dry_run:
        return _dry_run(options, plan, jobs)
    plan.check()
    reproduced = command_of(options.out) == "reproduce"
    if not reproduced:
        refuse_other_commands(options.out, "study")
    with Store(options.out, tell=telling(options.out)) as store:
        if reproduced and not {cell.key() for cell in plan.cells} <= store.finished().keys():
            refuse_other_commands(options.out, "study")  # its own cells, or a part of them, are welcome
        clear_leftovers(options.out, "study")
        claim_folder(store, plan.cells, force=options.force)
        write_json(options.out / "plan.json", {"name": plan.name, **plan.content})
        counts = execute(plan.cells, store, jobs, progress=not options.quiet, cluster=options.cluster)
    return told(options.out, {"name": plan.name, "out": str(options.out)}, counts, as_json=options.json)


def _plan(options: Options) -> StudyPlan:
    flags = {name: list(value) for name, value in vars(options.grid).items() if value is not None}
    data = {name: list(value) for name, value in vars(options.data).items() if value is not None}
    for own, name in (("dataset", "name"), ("data_seed", "seed")):
        if own in data:
            data[name] = data.pop(own)
    if "target" in data:
        data["target"] = [int(t) if t.lstrip("-").isdigit() else t for t in data["target"]]
    if options.plan is not None:
        shipped = {plan_name(figure): figure for figure in figure_names()}
        if str(options.plan) in shipped and not options.plan.exists():
            content = read_plan(shipped[str(options.plan)])
            return StudyPlan.from_dict(content, settings=flags, dataset=data, source=str(options.plan))
        return StudyPlan.from_toml(options.plan, settings=flags, dataset=data)
    if not flags:
        names = ", ".join(f"--{f.name.replace('_', '-')}" for f in fields(GridOptions))
        raise ValueError(f"a plan must be given: a TOML file, or settings ({names})")
    return StudyPlan.from_dict({"dataset": {"name": "auto", **data}, "settings": flags}, source="flags", folder=Path())


def _dry_run(options: Options, plan: StudyPlan, jobs: int) -> int:
    tasks = dict(cell.identified() for cell in plan.cells)
    database = options.out / DATABASE
    stored = {cell.key: cell.seconds for cell in read_cells(database)} if database.exists() else {}
    finished = {key: seconds for key, seconds in stored.items() if seconds is not None and key in tasks}
    todo = [cell for key, cell in tasks.items() if key not in finished]
    guess = estimate(todo, jobs, {tasks[key]: seconds for key, seconds in finished.items()})
    summary: dict[str, Any] = {
        "name": plan.name,
        "cells": len(tasks),
        "finished": len(finished),
        "jobs": jobs,
        "seconds": guess.seconds,
        "bytes_per_job": guess.bytes_per_job,
        "bytes_on_disk": guess.bytes_on_disk,
    }
    if options.json:
        print(json_text(summary, sort_keys=True))
        return 0
    print(f"{plan.name}: {len(tasks)} cells, {len(finished)} of them finished in {options.out}")
    print(f"time      about {duration(guess.seconds)} with {jobs} jobs")
    print(f"memory    about {size(guess.bytes_per_job)} per job")
    print(f"disk      about {size(guess.bytes_on_disk)}")
    return 0
