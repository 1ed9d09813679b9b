"""Time to 0.86 test accuracy on Fashion-MNIST at a slow and a fast network: IST, local SGD, DiLoCo, DDP.

    python benchmarks/bandwidth.py --out RESULTS [--megabits 100 10000] [--target 0.86] [--seed 0]

784-1024-1024-10 in float32, four workers, batches of 64 rows on each worker (and DDP with 16, so that all together see
64 rows in a step), plain SGD, 25 local steps in a round. The time is a product of two measurements:

rounds    to the target, in one process, for each learning rate of the same four (the search goes on beyond an edge);
          the rate with the fewest on 5,000 rows that are kept apart counts, with its rounds on the 10,000 test rows.
          The number of workers does not change the weights (of DDP and local SGD but for rounding).
seconds   of a round, the median of a few, on four machines (network namespaces, needs root) whose uplinks a token
          bucket limits; computing and waiting apart. IST runs as `ModuleTraining` does under torchrun; the peers are
          plain torch with all_reduce and DistributedDataParallel over gloo. A round of DDP is 25 steps; five are taken.

All four workers share this machine's processors: on machines of their own they compute faster, all methods alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "stress"))

RATES = (0.05, 0.1, 0.2, 0.4)
P, TAU, BATCH, KEPT_APART, WIDTHS = 4, 25, 64, 5000, (784, 1024, 1024, 10)
MOST_ROUNDS, EVERY = 200, 2
TIMED_ROUNDS, DDP_STEPS = 6, 5
METHODS = {
    "ist": "IST",
    "local_sgd": "local SGD",
    "diloco": "DiLoCo",
    "ddp16": "DDP, 4 x 16 rows",
    "ddp64": "DDP, 4 x 64",
}


def perceptron(seed: int):
    import torch

    torch.manual_seed(seed)
    layers = [part for a, b in pairwise(WIDTHS) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


def scheme_of(method: str, rounds: int):
    import subnetlab as sl

    if method.startswith("ddp"):  # its workers' mean gradient is that of all their rows
        return sl.local_sgd(1, rounds, TAU, batch_size=P * int(method.removeprefix("ddp")))
    if method == "ist":
        return sl.independent_subnets(P, rounds, TAU, balanced=True, batch_size=BATCH)
    return {"local_sgd": sl.local_sgd, "diloco": sl.diloco}[method](P, rounds, TAU, batch_size=BATCH)


def accuracies(method: str, rate: float, seed: int, target: float) -> dict:
    """Return the accuracy on the rows kept apart and on the test rows, every second round, until both are there."""
    import torch

    import subnetlab as sl
    from subnetlab.modules.evaluation import evaluate

    torch.set_num_threads(1)
    data = sl.load_dataset("fashion_mnist")
    X, y = (torch.from_numpy(part.copy()) for part in (data.X, data.y))
    test = tuple(torch.from_numpy(part.copy()) for part in (data.test_X, data.test_y))
    rows, kept = (X[:-KEPT_APART], y[:-KEPT_APART]), (X[-KEPT_APART:], y[-KEPT_APART:])
    training = sl.ModuleTraining(
        sl.cut(perceptron(seed), X[:2]),
        scheme_of(method, MOST_ROUNDS),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=rate),
        seed=seed,
    )
    states = []
    for round in training.rounds():
        for subnet in round:
            for x, target_rows in subnet.batches(rows):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(x), target_rows))
        if (round.index + 1) % EVERY:
            continue
        if not round.is_finite():
            break
        round.finish()
        whole = training.model
        found = [evaluate(whole, part, "cross_entropy", ("accuracy",))["accuracy"] for part in (kept, test)]
        states.append([round.index + 1, *found])
        if all(max(state[i] for state in states) >= target for i in (1, 2)):
            break
    return {"states": states}


def first_round(states: list, which: int, target: float) -> float:
    return next((state[0] for state in states if state[which] >= target), float("inf"))


def search(method: str, options: argparse.Namespace) -> tuple[float, float]:
    """Return the best rate, and the rounds to the target with it on the test rows."""
    found: dict[float, list] = {}
    todo = list(RATES)
    while todo:
        rate = todo.pop()
        found[rate] = cell(
            options, f"{method}-{rate:g}-{options.seed}", accuracies, method, rate, options.seed, options.target
        )
        best = min(found, key=lambda rate: (first_round(found[rate]["states"], 1, options.target), rate))
        if not todo and best in (min(found), max(found)) and len(found) < 2 * len(RATES):
            todo = [best / 2 if best == min(found) else best * 2]
    return best, first_round(found[best]["states"], 2, options.target)


def timed(method: str) -> dict:
    """Return the seconds of computing and of waiting in each round, as one of four workers."""
    import torch

    torch.set_num_threads(1)
    rows = torch.randn(BATCH * P * 4, WIDTHS[0]), torch.randint(WIDTHS[-1], (BATCH * P * 4,))
    return {"rounds": _timed_here(rows) if method == "ist" else _timed_peer(method, rows)}


def _timed_here(rows) -> list:
    import torch

    import subnetlab as sl

    scheme = scheme_of("ist", TIMED_ROUNDS)
    training = sl.ModuleTraining(
        sl.cut(perceptron(0), rows[0][:2]), scheme, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.01)
    )
    costs = []
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches(rows):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(x), y))
        round.finish()
        costs.append(round.reports[training.workers.rank]["costs"][1:])
    return costs


def _timed_peer(method: str, rows) -> list:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    model, size = perceptron(0), int(method.removeprefix("ddp")) if method.startswith("ddp") else BATCH
    ddp = torch.nn.parallel.DistributedDataParallel(model) if method.startswith("ddp") else None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    costs = []

    def steps(network, count: int) -> float:
        start = time.perf_counter()
        for t in range(count):
            x, y = (part[t * size % len(part) :][:size] for part in rows)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y).backward()
            optimizer.step()
        return time.perf_counter() - start

    for _ in range(TIMED_ROUNDS):
        dist.barrier()
        if ddp is not None:
            with ddp.no_sync():
                computing = steps(ddp, DDP_STEPS)
            dist.barrier()
            whole = steps(ddp, DDP_STEPS)
            costs.append([TAU / DDP_STEPS * computing, TAU / DDP_STEPS * max(whole - computing, 0.0)])
            continue
        before = [parameter.detach().clone() for parameter in model.parameters()]
        computing, start = steps(model, TAU), time.perf_counter()
        flat = torch.cat([(p.detach() - old).reshape(-1) for p, old in zip(model.parameters(), before, strict=True)])
        dist.all_reduce(flat)
        costs.append([computing, time.perf_counter() - start])
    dist.destroy_process_group()
    return costs


def seconds_of_a_round(method: str, made: list) -> tuple[float, float, float]:
    """Return the median seconds of computing, those of waiting, and the MB that a worker sends in a round."""
    before = [machine.bytes_sent() for machine in made]
    processes = []
    for rank, machine in enumerate(made):
        names = {
            "RANK": rank,
            "WORLD_SIZE": P,
            "MASTER_ADDR": made[0].address,
            "MASTER_PORT": 29700,
            "GLOO_SOCKET_IFNAME": "eth",
        }
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in names.items()}
        command = machine.command(sys.executable, __file__, "--timed", method)
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    outputs = [process.communicate()[0] for process in processes]
    rounds = [json.loads(output.splitlines()[-1])["rounds"][1:] for output in outputs]
    slowest = [max(worker[k] for worker in rounds) for k in range(TIMED_ROUNDS - 1)]  # by its computing
    sent = sum(machine.bytes_sent() - b for machine, b in zip(made, before, strict=True)) / P / 1e6
    taken = TIMED_ROUNDS if not method.startswith("ddp") else TIMED_ROUNDS * DDP_STEPS / TAU
    return statistics.median(c for c, _ in slowest), statistics.median(w for _, w in slowest), sent / taken


def cell(options: argparse.Namespace, name: str, function, *arguments) -> dict:
    """Return a result from its file, or compute it and write the file."""
    path = options.out / f"{name}.json"
    if not path.exists():
        print(f"  {name}", file=sys.stderr, flush=True)
        options.out.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(function(*arguments)))
        partial.replace(path)
    return json.loads(path.read_text())


def main() -> None:
    """Measure and print, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--megabits", type=float, nargs="+", default=[100.0, 10_000.0])
    parser.add_argument("--target", type=float, default=0.86)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--timed", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.timed:
        print(json.dumps(timed(options.timed)))
        return
    if options.out is None:
        parser.error("--out must name a folder for the results")
    from distributed_namespaces import available, machines

    if not available():
        raise SystemExit("needs root, to make network namespaces")
    best = {method: search(method, options) for method in options.methods}
    for megabits in options.megabits:
        print(f"\n{megabits:g} Mbit/s, seconds and MB of a worker in a round, and seconds to {options.target:g}\n")
        print(
            "| method | rate | rounds | computing | waiting | MB sent | seconds |",
            "|---|---|---|---|---|---|---|",
            sep="\n",
        )
        with machines(P) as made:
            for machine in made:
                machine.limit(megabits)
            for method, (rate, rounds) in best.items():
                computing, waiting, sent = seconds_of_a_round(method, made)
                total = rounds * (computing + waiting)
                costs = f"{computing:.2f} | {waiting:.2f} | {sent:.1f}"
                print(f"| {METHODS[method]} | {rate:g} | {rounds:g} | {costs} | {total:.0f} |", flush=True)


if __name__ == "__main__":
    main()
