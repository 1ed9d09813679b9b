"""`subnetlab train`: one run of Algorithm 1, kept in a folder, resumed by the same command."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..atomic import atomic_file
from ..core.network import ShallowReLU
from ..core.scheme import TrainingScheme
from ..datasets import headline, notes
from ..training import DivergenceError, TrainingInterrupted, load_run
from ..training.loop import complete
from ..training.request import RunOptions
from ..training.run import RUN_FILE
from ..training.scores import run_scores
from ..training.session import TrainingSession
from .folder import deciding, output_folder, write_summary
from .options import DataOptions, SchemeOptions

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..training import TrainingRun

_CHECKPOINTS = 20  # per run, besides the last


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab train`."""

    out: Path = Path("run")
    """Folder for the run; the same command again resumes or does nothing."""
    data: DataOptions = field(default_factory=DataOptions)
    scheme: SchemeOptions = field(default_factory=SchemeOptions)
    n_validation: int = 0
    """Further rows that are not trained on; their error is recorded."""
    loss: Literal["squared", "logistic"] = "squared"
    """What training lowers: squared (the paper), or logistic for targets in [0, 1] such as two classes 0 and 1."""
    record: Literal["mean", "subnetworks"] = "mean"
    """Keep the mean over subnetworks of each error, or every subnetwork's."""
    diagnostics: tuple[Literal["patterns", "movement"], ...] = ()
    """Further measures per round: changed activation patterns, movement of the weights."""
    seed: int = 0
    """Seed of initial network and masks."""
    engine: str = "auto"
    """How rounds are computed; all float64 engines give the same answer."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of the engine."""
    threads: int = 1
    """Threads; another count can give other bits."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the engine runs; --engine torch alone runs on cuda."""
    json: bool = False
    """Print the result as JSON."""
    quiet: bool = False
    """Print no progress."""
    force: bool = False
    """Take over a folder that holds another run."""


def run(options: Options) -> int:
    """Train, save, print."""
    scheme = options.scheme.scheme()
    data = options.data.load(options.n_validation)
    print(headline(data), file=sys.stderr if options.json else sys.stdout)
    for note in notes(data):
        print(f"note: {note}", file=sys.stderr)
    session = _new_session(options, data, scheme)
    settings = deciding(options, data)
    with output_folder(options.out, "train", settings, provenance=data.provenance, force=options.force):
        _train(options, session, data)
    return 0


def _train(options: Options, session: TrainingSession, data: Dataset) -> None:
    """Go on from what the folder holds, or from the start; keep what is done now and then."""
    folder, file, rounds = options.out, options.out / RUN_FILE, options.scheme.rounds
    if file.exists() and not options.force:
        saved = load_run(file)
        done = saved.history.rounds
        if done > rounds:  # they cannot be taken back
            raise ValueError(f"train: rounds must be at least the {done} that {folder} holds, got {rounds}")
        session = TrainingSession.from_run(saved, replace(saved.scheme, rounds=rounds))
        where = f"all {rounds} rounds are done" if done == rounds else f"going on after round {done} of {rounds}"
        print(f"{folder}: {where}", file=sys.stderr)
    every = max(1, rounds // _CHECKPOINTS)

    def keep(session: TrainingSession) -> None:
        if session.rounds_done % every == 0 and session.rounds_done < rounds:
            session.run().save(file)

    try:
        result = complete(session, progress=not options.quiet, on_round=keep)
    except (DivergenceError, TrainingInterrupted) as early:
        _save(early.run, folder)
        print(f"{folder}: kept the {early.run.history.rounds} completed rounds", file=sys.stderr)
        raise
    _save(result, folder)
    history, used = result.history, result.settings
    write_summary(
        folder,
        data,
        history,
        step_size=used.step_size,
        as_json=options.json,
        scores=run_scores(result),
        engine=used.engine,
    )


def _new_session(options: Options, data: Dataset, scheme: TrainingScheme) -> TrainingSession:
    network = ShallowReLU.initialize(
        options.scheme.width, data.X.shape[1], init_scale=options.scheme.init_scale, seed=options.seed
    )
    return TrainingSession(
        network,
        data.X,
        data.y,
        scheme,
        threads=options.threads,
        validation=None if data.X_validation is None else (data.X_validation, data.y_validation),
        **{name: value for name, value in vars(options).items() if name in RunOptions.names()},
    )


def _save(run: TrainingRun, folder: Path) -> None:
    run.save(folder / RUN_FILE)
    run.export_network(folder / "network.npz")
    with atomic_file(folder / "history.csv") as file:
        file.write(run.history.to_csv().encode())
