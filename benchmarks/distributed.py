"""Independent Subnet Training beside DistributedDataParallel and local SGD: same data, network, workers, gloo.

    python benchmarks/distributed.py [--megabits 100] [--width 4000] [--workers 4] [--target 0.1]
    python benchmarks/distributed.py --memory        peak memory per worker, on a wide network
    python benchmarks/distributed.py --wide          m = 1,000,000, d = 100 on 4 processes: memory against m d / q
    python benchmarks/distributed.py --one-group     the engine of the shallow network beside that of any module

Every worker is a machine of its own: a network namespace whose uplink a token bucket limits (needs root). Bytes are
counted at the network card, headers included. Each method takes the step with which it needs the fewest rounds, of the
given factors times half of its largest stable one; that is tried first, without a limit on the network. DDP and
local SGD hold the whole network and a shard of the rows; local SGD averages after tau steps; a round of DDP
is tau steps. "Error" is |y - u|^2 of the whole network on all rows; looking at it is not on the clock.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent / "stress"))

METHODS = ("ist", "local_sgd", "ddp")
PORT = 29600


@dataclass(frozen=True)
class Setting:
    """One run of one method."""

    method: str
    rank: int
    workers: int
    host: str
    own: str
    interface: str
    width: int
    rounds: int
    local_steps: int
    step_factor: float  # times half of the largest stable step
    target: float
    features: int | None
    folder: str
    delay: float  # mean of this worker's random delay in a round, seconds
    close_share: float
    seed: int
    bernoulli: bool  # masks of twice as many subnetworks as workers, each neuron in half of them


class WorkerError(Exception):
    """A worker ended with an error, after saying why."""


def data(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    import subnetlab as sl

    if setting.features is None:
        loaded = sl.load_dataset("auto", n_samples=100, seed=0)
        return loaded.X, loaded.y
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, setting.features))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(-1, 1, 100)


def auto_step(X: np.ndarray, y: np.ndarray, scheme: Any) -> float:
    """Half of the largest stable step, from the first 4,096 neurons (the NTK is a mean over neurons)."""
    import subnetlab as sl
    from subnetlab.training.request import TrainingData
    from subnetlab.training.step_size import resolve_step_size

    return resolve_step_size(sl.ShallowReLU.initialize(4096, X.shape[1]), TrainingData(X, y), scheme)


def train_ist(setting: Setting, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    from subnetlab.launch.attempt import Attempt
    from subnetlab.launch.job import Job
    from subnetlab.launch.rendezvous import Rendezvous, listen

    scheme = scheme_of(setting, X, y)
    job = Job(X, y, scheme, setting.width, 1.0, 0, "float32", 1, setting.close_share)
    if setting.delay:
        be_slow(setting)
    listener = listen(setting.host, PORT) if setting.rank == 0 else None
    baseline = peak_memory()
    transport = Rendezvous(setting.workers, setting.rank, 0, 600.0, 60.0, (setting.host, PORT), listener).join()
    folder = Path(setting.folder)
    training = Attempt(job, transport, folder, every=setting.rounds + 1)
    training._checkpoint = lambda: None  # the peers write none
    training.run()
    result = {"baseline": baseline, "step_size": scheme.step_size, "handed_over": transport.bytes_sent}
    if setting.rank == 0:
        events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        times = [event["time"] for event in events if event["event"] in ("begin", "round")]
        errors = [event["full_error"] for event in events if event["event"] == "round"]
        result |= {"seconds": np.diff(times).tolist(), "errors": errors}
    return result


def scheme_of(setting: Setting, X: np.ndarray, y: np.ndarray) -> Any:
    import subnetlab as sl

    law = sl.Bernoulli(2 * setting.workers, 0.5) if setting.bernoulli else sl.Categorical(setting.workers)
    eta = setting.step_factor * auto_step(X, y, sl.TrainingScheme(law, 1, setting.local_steps))
    return sl.TrainingScheme(law, setting.rounds, setting.local_steps, eta)


def train_modules(setting: Setting, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The same network and masks by the engine for any module, whose only group are the hidden neurons."""
    import torch
    import torch.distributed as dist

    import subnetlab as sl

    torch.set_num_threads(1)
    scheme = scheme_of(setting, X, y)
    rows, targets = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    baseline = peak_memory()
    dist.init_process_group(
        "gloo", init_method=f"tcp://{setting.host}:{PORT}", rank=setting.rank, world_size=setting.workers
    )
    W, signs = first_weights(setting.width, X.shape[1])
    hidden, output = torch.nn.Linear(*W.T.shape, bias=False), torch.nn.Linear(len(W), 1, bias=False)
    hidden.weight = torch.nn.Parameter(W)
    output.weight = torch.nn.Parameter(signs[None] / setting.width**0.5, requires_grad=False)
    cut = sl.cut(torch.nn.Sequential(hidden, torch.nn.ReLU(), output), rows[:3])
    training = sl.ModuleTraining(cut, scheme, seed=0, scale=0.0)
    seconds = []
    for round in training.rounds():
        start = time.perf_counter()
        for subnet in round:
            for some, wanted in subnet.batches((rows, targets)):
                subnet.step(0.5 * ((subnet.module(some)[:, 0] - wanted) ** 2).sum())
        round.finish()
        seconds.append(time.perf_counter() - start)
    sent = training.workers.group.bytes_sent
    return {"baseline": baseline, "step_size": scheme.step_size, "handed_over": sent, "seconds": seconds}


def be_slow(setting: Setting) -> None:
    """Delay this worker in every round by an exponential time, spread over its local steps."""
    from subnetlab.engines.primal import LocalPhase

    original, rounds = LocalPhase.steps, itertools.count()

    def steps(*arguments: Any) -> Any:
        *others, local_steps, seen, too_late = arguments
        delay = np.random.default_rng([setting.seed, setting.rank, next(rounds)]).exponential(setting.delay)

        def slow() -> bool:
            time.sleep(delay / local_steps)
            return too_late()

        return original(*others, local_steps, seen, slow)

    LocalPhase.steps = steps


def first_weights(width: int, d: int) -> Any:
    """Hidden weights and signs of the shallow network, drawn piece by piece so that no second copy is made."""
    import torch

    from subnetlab.core.network import initial_neurons

    W, signs = torch.empty(width, d), torch.empty(width)
    for start in range(0, width, 1 << 14):
        stop = min(start + (1 << 14), width)
        weights, signs[start:stop] = map(torch.from_numpy, initial_neurons(start, stop, n_features=d))
        W[start:stop] = weights
    return W, signs


def make_network(width: int, d: int) -> Any:
    """The shallow network as a torch module."""
    import torch

    W, signs = first_weights(width, d)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W = torch.nn.Parameter(W)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.relu(rows @ self.W.T) @ signs / width**0.5

    return Network()


def train_peer(setting: Setting, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    import torch
    import torch.distributed as dist

    import subnetlab as sl

    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = setting.interface
    own = np.arange(setting.rank, len(X), setting.workers)
    shard, targets = (torch.tensor(array[own], dtype=torch.float32) for array in (X, y))
    eta = setting.step_factor * auto_step(X, y, sl.gradient_descent(1))
    baseline = peak_memory()
    network = make_network(setting.width, X.shape[1])
    everything = torch.tensor(X, dtype=torch.float32)
    init = f"tcp://{setting.host}:{PORT}"
    dist.init_process_group("gloo", init_method=init, rank=setting.rank, world_size=setting.workers)
    model = torch.nn.parallel.DistributedDataParallel(network) if setting.method == "ddp" else network
    optimizer = torch.optim.SGD(model.parameters(), lr=eta)
    seconds, errors = [], []
    for _ in range(setting.rounds):
        dist.barrier()
        start = time.perf_counter()
        for _ in range(setting.local_steps):
            optimizer.zero_grad()
            # times p: the mean over the workers is the gradient of the sum over all rows
            loss = 0.5 * setting.workers * torch.sum((model(shard) - targets) ** 2)
            loss.backward()
            optimizer.step()
        if setting.method == "local_sgd":
            with torch.no_grad():
                dist.all_reduce(network.W)
                network.W /= setting.workers
        seconds.append(time.perf_counter() - start)
        with torch.no_grad():
            errors.append(float(np.sum((y - network(everything).double().numpy()) ** 2)))
        if errors[-1] <= setting.target * float(np.sum(y**2)):
            break
    return {"seconds": seconds, "errors": errors, "baseline": baseline, "step_size": eta}


def peak_memory() -> int:
    """Peak resident bytes of this process."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def work(setting: Setting) -> None:
    import torch  # noqa: F401  before the baseline

    X, y = data(setting)
    train = {"ist": train_ist, "modules": train_modules}.get(setting.method, train_peer)
    result = train(setting, X, y)
    result["peak"] = peak_memory()
    Path(setting.folder, f"result-{setting.rank}.json").write_text(json.dumps({**result, "energy": float(y @ y)}))


def run(method: str, places: list[Any], options: argparse.Namespace, **changes: Any) -> list[dict[str, Any]]:
    """Run a method on machines (or, where a place is None, on the loopback interface); return all ranks' results."""
    with tempfile.TemporaryDirectory(prefix="subnetlab-bench-") as folder:
        processes, before = [], [place.bytes_sent() if place else 0 for place in places]
        for rank, place in enumerate(places):
            setting = Setting(
                method=method,
                rank=rank,
                workers=len(places),
                host=places[0].address if places[0] else "127.0.0.1",
                own=place.address if place else "127.0.0.1",
                interface="eth" if place else "lo",
                folder=folder,
                **{
                    "width": options.width,
                    "rounds": options.rounds,
                    "local_steps": options.local_steps,
                    "step_factor": 1.0,
                    "target": options.target,
                    "features": None,
                    "delay": 0.0,
                    "close_share": 1.0,
                    "seed": 0,
                    "bernoulli": False,
                    **changes,
                },
            )
            command = [sys.executable, __file__, "--worker", json.dumps(asdict(setting))]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            processes.append(subprocess.Popen(place.command(*command) if place else command, env=environment))
        if sum(process.wait() for process in processes):
            raise WorkerError(method)
        results = [json.loads(Path(folder, f"result-{rank}.json").read_text()) for rank in range(len(places))]
    for result, place, sent in zip(results, places, before, strict=True):
        result["sent"] = place.bytes_sent() - sent if place else 0
    return results


def rounds_to_target(results: list[dict[str, Any]], options: argparse.Namespace) -> int | None:
    goal = options.target * results[0]["energy"]
    return next((i + 1 for i, error in enumerate(results[0]["errors"]) if error <= goal), None)


def best_factor(method: str, places: list[Any], options: argparse.Namespace) -> float:
    """Return the factor of the step with the fewest rounds to the target; a tie goes to the smaller one."""
    rounds = {}
    for factor in sorted(options.step_factors):
        try:
            results = run(method, places, options, step_factor=factor)
            rounds[factor] = rounds_to_target(results, options) or float("inf")
        except WorkerError:  # IST says that it diverges
            rounds[factor] = float("inf")
    print(f"{method:<10} rounds by factor of the step: " + ", ".join(f"{f:g}: {n:g}" for f, n in rounds.items()))
    return min(rounds, key=lambda factor: rounds[factor])


def time_to_error(options: argparse.Namespace) -> None:
    from distributed_namespaces import available, machines

    if not available():
        raise SystemExit("needs root, to make network namespaces")
    p, tau = options.workers, options.local_steps
    print(f"{p} workers, m = {options.width}, tau = {tau}, float32, uplinks of {options.megabits} Mbit/s")
    with machines(p) as made:
        factors = {method: best_factor(method, made, options) for method in METHODS}
        for machine in made:
            machine.limit(options.megabits)
        print(f"{'method':<10} {'step':>5} {'rounds':>6} {'s/round':>9} {'to error':>9} {'MB/worker/round':>16}")
        reached, sent = {}, {}
        for method in METHODS:
            results = run(method, made, options, step_factor=factors[method])
            seconds, done = results[0]["seconds"], rounds_to_target(results, options)
            reached[method] = sum(seconds[:done]) if done else float("inf")
            sent[method] = float(np.mean([result["sent"] for result in results])) / len(seconds)
            print(
                f"{method:<10} {factors[method]:5g} {done or 'never':>6} {median(seconds):9.3f} "
                f"{reached[method]:8.1f}s {sent[method] / 1e6:16.3f}"
            )
    payload = (1 - 1 / p) / p * options.width * first_features() * 4
    print(f"bytes of IST by the formula (1 - 1/p) m d / p: {payload / 1e6:.3f} MB per worker and round")
    print(f"bytes: IST / local SGD = {sent['ist'] / sent['local_sgd']:.3f} (1/p = {1 / p:.3f})")
    print(f"time to error: DDP / IST = {reached['ddp'] / reached['ist']:.1f}")
    print(f"time to error: local SGD / IST = {reached['local_sgd'] / reached['ist']:.1f}")


def first_features() -> int:
    import subnetlab as sl

    return sl.load_dataset("auto", n_samples=100, seed=0).X.shape[1]


def memory(options: argparse.Namespace, width: int, methods: tuple[str, ...]) -> None:
    d, q = 100, options.workers
    share = width * d * 4 / q
    print(f"{q} workers, m = {width}, d = {d}, n = 100, float32: m d / q = {share / 1e6:.0f} MB")
    for method in methods:
        results = run(method, [None] * q, options, width=width, rounds=2, local_steps=2, features=d, target=0.0)
        used = [result["peak"] - result["baseline"] for result in results]
        print(
            f"{method:<10} {max(used) / 1e6:8.0f} MB above the imports, {max(used) / share:.1f} times m d / q; "
            f"{median(results[0]['seconds']):.2f} s a round"
        )


def one_group(options: argparse.Namespace) -> None:
    """Print what both engines need for the same network: one group, of all hidden neurons."""
    for width, law in itertools.product((4_000, 100_000), ("categorical", "bernoulli")):
        rounds, d = 3 if width > 10_000 else 20, 100
        for method in ("ist", "modules"):
            changes = {"width": width, "rounds": rounds, "features": d, "bernoulli": law == "bernoulli"}
            results = run(method, [None] * options.workers, options, **changes, target=0.0)
            used = max(result["peak"] - result["baseline"] for result in results)
            sent = sum(result["handed_over"] for result in results) / len(results) / rounds
            print(
                f"m = {width:<8} {law:<12} {method:<8} {1e3 * median(results[0]['seconds']):8.1f} ms a round, "
                f"{sent / 1e6:7.2f} MB sent by a worker, {used / 1e6:6.0f} MB above the imports",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--local-steps", type=int, default=10)
    parser.add_argument("--megabits", type=float, default=100.0)
    parser.add_argument("--step-factors", type=float, nargs="+", default=[0.5, 1, 1.5, 2, 3, 4])
    parser.add_argument("--target", type=float, default=0.1, help="of |y|^2")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--one-group", action="store_true")
    options = parser.parse_args()
    if options.worker:
        work(Setting(**json.loads(options.worker)))
    elif options.one_group:
        one_group(options)
    elif options.memory:
        memory(options, 200_000, METHODS)
    elif options.wide:
        memory(options, 1_000_000, ("ist",))
    else:
        time_to_error(options)


if __name__ == "__main__":
    main()
