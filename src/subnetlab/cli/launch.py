"""`subnetlab launch`: Algorithm 1 on several workers, on this machine or many; goes on after any failure."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..atomic import atomic_file
from ..core import checks
from ..core.law_check import check_first_masks
from ..core.masks.naming import own_laws
from ..core.network import ShallowReLU
from ..datasets import headline
from ..engines.table import ENGINES
from ..history import History
from ..launch.checkpoint import Checkpoints
from ..launch.inheritance import on_termination
from ..launch.job import Job, export_network, runs_of_rows
from ..launch.launcher import Launch, run_workers
from ..launch.process import job_file
from ..launch.rendezvous import listen, parse_address
from ..launch.session import COSTS
from ..launch.worker_options import WorkerOptions
from ..progress import progress_bar
from ..training.request import RunSettings, TrainingData
from ..training.run import RUN_FILE, TrainingRun
from ..training.scores import run_scores
from ..training.step_size import resolve_step_size
from .folder import deciding, output_folder, write_summary
from .options import DataOptions, SchemeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..datasets import Dataset
    from ..launch.checkpoint import Manifest

# neither how the workers are spread nor how long they are waited for decides the result
_FREE = ("workers", "local_workers", "machine", "address", "checkpoint_every", "timeout", "patience", "max_restarts")
_WHOLE_NETWORK = 1 << 30  # bytes that this process will hold of a network to find a step size or make one file


@dataclass(frozen=True)
class WorkerPlaces:
    """Where the workers of a job are, and how long they are waited for."""

    out: Path = Path("launch")
    """Folder for the run; the same command again goes on. Between machines: one folder that all of them see."""
    workers: int = 2
    """q, the worker processes on all machines together, at most one per subnetwork; may change on resuming."""
    local_workers: int | None = None
    """Workers on this machine; all of them if not given."""
    machine: int = 0
    """Number of this machine, from 0; machine 0 writes the results."""
    address: str | None = None
    """HOST:PORT on machine 0, for workers on several machines; nothing else is bound. On one machine: loopback."""
    timeout: float = 60.0
    """Seconds after which a worker that does not answer counts as lost; longer than any round and checkpoint takes."""
    patience: float = 60.0
    """Seconds to wait for missing workers at the start and after a failure, before going on without them."""
    max_restarts: int = 100
    """Failures of a worker, without a checkpoint in between, after which it gives up; the loss of others is none."""
    threads: int = 1
    """BLAS threads of each worker; another count can give other bits."""
    quiet: bool = False
    """Print no progress."""
    force: bool = False
    """Take over a folder that holds another run."""

    def launch(self, **told: Any) -> Launch:
        """Return the workers of this machine, checked before anything else; ``told`` is what they hear besides."""
        owner = "launch"
        workers = checks.whole_number(owner, "workers", self.workers, least=1)
        local = workers if self.local_workers is None else self.local_workers
        checks.whole_number(owner, "local_workers", local, least=1)
        if local > workers:
            raise ValueError(f"launch: local_workers must be at most workers {workers}, got {local}")
        checks.whole_number(owner, "machine", self.machine, least=0)
        if self.machine > workers - local:
            raise ValueError(
                f"launch: machine must be a number from 0 to {workers - local}, for machines before this one have "
                f"workers, too, got {self.machine}"
            )
        if self.address is None and (local < workers or self.machine):
            raise ValueError("launch: address must be HOST:PORT of machine 0 for workers on several machines, got none")
        if self.address is not None:
            host, port = parse_address(self.address)
            if not port:
                raise ValueError(f"launch: address must have a port, got {self.address!r}")
            if self.machine == 0:
                listen(host, port).close()  # in use, or not one of ours? better now than when all are on their way
        options = WorkerOptions(
            folder=self.out,
            workers=workers,
            timeout=checks.positive_number(owner, "timeout", self.timeout),
            patience=checks.positive_number(owner, "patience", self.patience),
            max_restarts=checks.whole_number(owner, "max_restarts", self.max_restarts, least=0),
            machine=self.machine,
            address=self.address or "127.0.0.1:0",
            **told,
        )
        return Launch(options, local, threads=checks.whole_number(owner, "threads", self.threads, least=1))

    def say_who_came(self, begin: Mapping[str, Any]) -> None:
        """Tell the user if an attempt begins with fewer workers than were asked for."""
        if (came := len(begin["pids"])) < self.workers:
            print(f"{came} of {self.workers} workers came; going on without the others", file=sys.stderr)


@dataclass(frozen=True)
class Options(WorkerPlaces):
    """Options of `subnetlab launch`."""

    data: DataOptions = field(default_factory=DataOptions)
    checkpoint_every: int = 10
    """R, the rounds between checkpoints."""
    scheme: SchemeOptions = field(default_factory=lambda: SchemeOptions(masks="categorical", n_subnetworks=4))
    seed: int = 0
    """Seed of initial network and masks."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision."""
    close_share: float = 1.0
    """Close a round when this share of the workers is done; late ones count as unselected. The clock decides bits."""
    json: bool = False
    """Print the result as JSON."""


def run(options: Options) -> int:
    """Train; SIGTERM is a request to end like Ctrl-C, at any time."""
    with on_termination(signal.default_int_handler):
        return _run(options)


def _run(options: Options) -> int:
    """Prepare the job, run the workers, gather the results."""
    launch = _launch(options)
    if find_spec("torch") is None:
        raise ImportError("launch: needs torch: pip install 'subnetlab[torch]'")
    data = options.data.load()
    job = _job(options, data)
    print(headline(data), file=sys.stderr if options.json else sys.stdout)
    folder, file = options.out, job_file(options.out, options.machine)
    checkpoints = Checkpoints(folder, job.digest())
    with output_folder(
        folder,
        "launch",
        deciding(options, data, *_FREE),
        provenance={**data.provenance, "run": job.settings()},
        force=options.force,
        lock=f"lock-{options.machine}",
        owner=options.machine == 0,
    ) as lock:
        if options.force and options.machine == 0:
            checkpoints.drop_those_of_other_runs()
        job.save(file)
        found = checkpoints.newest()
        if found is not None and found.round > options.scheme.rounds:
            rounds = options.scheme.rounds
            raise ValueError(f"launch: rounds must be at least the {found.round} that {folder} holds, got {rounds}")
        status, message = _train(launch, options, lock)
        if status == "failed":
            raise ChildProcessError(message)
        if options.machine == 0:
            _gather(options, job, checkpoints, data)
    if status == "stopped":
        raise KeyboardInterrupt(f"stopped after a checkpoint in {folder}; the same command goes on")
    return 0


def _launch(options: Options) -> Launch:
    """Check how the workers are spread before anything else."""
    p = options.scheme.scheme().masks.n_subnetworks
    own_law = options.scheme.masks if own_laws([options.scheme.masks]) else None
    if own_law is not None and ":" not in own_law:  # a name that this process alone knows
        raise ValueError(f"launch: masks must be a law that the workers can import, module:Class, got {own_law!r}")
    if checks.whole_number("launch", "workers", options.workers, least=1) > p:
        raise ValueError(f"launch: workers must be at most the number of subnetworks {p}, got {options.workers}")
    every = checks.whole_number("launch", "checkpoint_every", options.checkpoint_every, least=1)
    return options.launch(every=every, own_law=own_law)


def _job(options: Options, data: Dataset) -> Job:
    wanted = options.scheme
    scheme = wanted.scheme()
    seed, d = checks.seed_number("launch", options.seed), data.X.shape[1]
    if own_laws([wanted.masks]):  # those of a built-in law would take memory that no worker needs
        check_first_masks(scheme.masks, seed, wanted.width)
    if isinstance(wanted.step_size, str):
        if 8 * wanted.width * d > _WHOLE_NETWORK:
            raise ValueError(
                f"launch: step_size must be a number for a network of more than 1 GiB, got {wanted.step_size!r}"
            )
        network = ShallowReLU.initialize(wanted.width, d, init_scale=wanted.init_scale, seed=seed)
        scheme.check(wanted.width, len(data.X))
        scheme = replace(scheme, step_size=resolve_step_size(network, TrainingData(data.X, data.y), scheme))
    return Job(
        X=data.X,
        y=data.y,
        scheme=scheme,
        width=wanted.width,
        init_scale=wanted.init_scale,
        seed=seed,
        dtype=options.dtype,
        threads=options.threads,
        close_share=options.close_share,
    )


def _train(launch: Launch, options: Options, lock: int) -> tuple[str, str]:
    """Run the workers under a progress bar that never goes back; it begins where they do."""
    rounds, best = options.scheme.rounds, -1
    with ExitStack() as bar:
        advance: Callable[..., None] | None = None

        def show(event: dict[str, Any]) -> None:
            nonlocal best, advance
            done = event["rounds"]
            match event["event"]:
                case "damaged":
                    print(f"the checkpoint of round {event['round']} is damaged and set aside", file=sys.stderr)
                case "begin":
                    if event["attempt"]:
                        print(f"a worker was lost; going on after round {done}", file=sys.stderr)
                    elif done:
                        print(f"{options.out}: going on after round {done} of {rounds}", file=sys.stderr)
                    options.say_who_came(event)
                    if advance is None:
                        advance = bar.enter_context(progress_bar(rounds, "round", done=done, quiet=options.quiet))
                        best = done
                case "round" if advance is not None and done > best:
                    best = done
                    advance(f"error {event['full_error']:.4g}")

        return run_workers(launch, lock, show)


def _gather(options: Options, job: Job, checkpoints: Checkpoints, data: Dataset) -> None:
    """Write network, history with costs and, if it fits one process, the run, for `subnetlab.resume` to go on with."""
    folder, manifest = options.out, checkpoints.newest()
    if manifest is None:
        return
    export_network(job, checkpoints, manifest, folder / "network.npz")
    history, costs = History.from_arrays(manifest.history), manifest.history["costs"]
    counts = (column.astype(int).tolist() for column in costs.T[:2])
    seconds = ([f"{value:.6f}" for value in column] for column in costs.T[2:])
    with atomic_file(folder / "history.csv") as file:
        file.write(history.to_csv(dict(zip(COSTS, [*counts, *seconds], strict=True))).encode())
    scores: dict[str, float | None] = {}
    if 8 * job.width * job.X.shape[1] <= _WHOLE_NETWORK:
        run = _whole_run(job, checkpoints, manifest, history)
        run.save(folder / RUN_FILE)
        scores = run_scores(run)
    write_summary(
        folder,
        data,
        history,
        step_size=job.step_size,
        as_json=options.json,
        scores=scores,
        workers=int(costs[-1, 0]) if len(costs) else 0,  # in the last round; not all that were asked may have come
        bytes_per_round=float(costs[:, 1].mean()),
    )


def _whole_run(job: Job, checkpoints: Checkpoints, manifest: Manifest, history: History) -> TrainingRun:
    W0, signs = job.neurons(0, job.width)
    W, slot_of = np.empty(W0.shape, job.dtype), np.empty(job.width, np.int64)
    slots = job.placement(manifest).slots
    for slot, neurons in enumerate(slots):
        slot_of[neurons] = slot
    for row, weights in runs_of_rows(job, checkpoints, manifest):
        W[row : row + len(weights)] = weights
    settings = RunSettings(
        seed=job.seed,
        engine="distributed",
        engine_version=ENGINES["distributed"].version,
        dtype=job.dtype,
        threads=job.threads,
        step_size=job.step_size,
        record="subnetworks",
        diagnostics=(),
    )
    return TrainingRun(
        network=ShallowReLU(W, signs),
        history=history,
        scheme=job.scheme,
        settings=settings,
        initial_network=ShallowReLU(W0, signs),
        data=TrainingData(job.X, job.y),
        status="finished" if manifest.round >= job.scheme.rounds else "unfinished",
        engine_state={"weights": W, "slots": slot_of, "n_slots": np.array(len(slots))},
    )
