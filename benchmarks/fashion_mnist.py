"""Methods beside each other on Fashion-MNIST: accuracy, time, numbers moved, memory, in one table.

    python benchmarks/fashion_mnist.py --out RESULTS [--passes 10] [--seeds 5] [--networks ...] [--methods ...]

All methods see the rows in the same order, with the same batches and plain SGD. Each one's learning rate is the best of
the same four on 5,000 rows that are kept apart; where that is the largest or the smallest one, the search goes on
beyond it. Then every seed is trained anew, and measured on the 10,000 test rows. A cell (network, method, rate, seed)
is a process of its own and leaves a file in RESULTS: the same command goes on where it was stopped, and prints the
table again.

Two comparisons: after the same number of row passes, and after the same processor time, that of IST with four
subnetworks (p = 4), where each method counts with the last state that it had reached by then. Time is that of training
alone, on one thread, all workers one after another: the median of a few short trainings, all methods by turns, so that
other work on the machine does not favour one of them; "moved" is what a worker sends and receives, two numbers for
every one that its subnetwork holds in each round; "held" the numbers of the largest subnetwork; "peak MB" is of the
whole process, with torch and the data. Always beside them: **one worker** with the whole network, and **the small
network** of a subnetwork's size.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

RATES = (0.05, 0.1, 0.2, 0.4)
MOST_RATES = 8
BATCH, TAU, KEPT_APART = 64, 25, 5000
SEARCH_SEED = 1000
TIMED, TIMED_ROWS = 5, 6400  # short trainings of each method that are timed, and the rows that each passes over

# method -> what it is called in the table; "small" and "one worker" are trained by one worker
METHODS = {
    "one": "one worker",
    "dropout": "dropout, one worker",
    "local_sgd": "local SGD, p = 4",
    "diloco": "DiLoCo, p = 4",
    "ist4": "IST, p = 4",
    "ist8": "IST, p = 8",
    "ist4_alternate": "IST, p = 4, every second layer",
    "ist4_scale_0.5": "IST, p = 4, scale 1/2",
    "ist4_scale_0": "IST, p = 4, scale 0",
    "ist4_momentum": "IST, p = 4, momentum, reset",
    "ist4_momentum_travels": "IST, p = 4, momentum travels",
    "fedrolex": "FedRolex, p = 4, shares 1/2",
    "resist": "ResIST, p = 4",
    "small4": "small network of p = 4",
    "small8": "small network of p = 8",
}
MAIN = ("one", "dropout", "local_sgd", "diloco", "ist4", "ist8", "fedrolex", "small4", "small8")
NETWORKS = {
    "perceptron": MAIN,
    "cnn": MAIN,
    "resnet": ("one", "local_sgd", "diloco", "resist", "small4"),
    "perceptron_1": ("one", "local_sgd", "ist4", "ist8", "small4"),
    "perceptron_4": ("one", "local_sgd", "ist4", "ist4_alternate", "ist8", "small4"),
}
DEFAULT_NETWORKS = ("perceptron", "cnn", "resnet")


# ------------------------------------------------------------------------------------------------------- the networks
def network(name: str, share: int, dropout: bool):
    """Return a network whose hidden layers (of "resnet": whose blocks) are 1/share of those of the whole one."""
    from torch import nn

    if name.startswith("perceptron"):
        depth = int(name.partition("_")[2] or 2)
        widths = [784, *[1024 // share] * depth, 10]
        layers = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
        return nn.Sequential(*layers[: -2 if dropout else -1])
    if name == "cnn":
        a, b, c = 32 // share, 64 // share, 320 // share
        return nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, a, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            *([nn.Dropout(0.5)] if dropout else []), nn.Linear(49 * b, c), nn.ReLU(), nn.Linear(c, 10),
        )  # fmt: skip

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.bn1, self.conv1 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1, bias=False)

        def forward(self, x):
            return x + self.conv2(self.bn2(self.conv1(self.bn1(x).relu())).relu())

    stem = [nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 24, 3, stride=2, padding=1), nn.MaxPool2d(2)]
    head = [nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)]
    return nn.Sequential(*stem, *(Block(24) for _ in range(8 // share)), *head)


def scheme_of(method: str, rows: int):
    """Return the scheme that passes over so many rows, and further settings of `ModuleTraining`."""
    import subnetlab as sl

    p = 1 if method in ("one", "dropout") or method.startswith("small") else 8 if method == "ist8" else 4
    K = max(1, round(rows / (p * TAU * BATCH)))
    if p == 1 or method == "local_sgd":
        return sl.local_sgd(p, K, TAU, batch_size=BATCH), {}
    if method == "diloco":
        return sl.diloco(p, K, TAU, batch_size=BATCH), {}
    if method == "fedrolex":
        return sl.fedrolex(p, K, TAU, shares=0.5, batch_size=BATCH), {}
    if method == "resist":
        return sl.resist(p, K, TAU, batch_size=BATCH), {}
    cut_groups = "alternate" if method.endswith("alternate") else "all"
    scheme = sl.independent_subnets(p, K, TAU, balanced=True, cut_groups=cut_groups, batch_size=BATCH)
    settings = {"scale": float(method.rpartition("_")[2])} if "scale" in method else {}
    return scheme, settings | ({"state": "travels"} if method.endswith("travels") else {})


# ------------------------------------------------------------------------------------------------------------ one cell
def run_cell(cell: dict) -> dict:
    """Train one cell, and return the states that it went through."""
    import torch

    import subnetlab as sl
    from subnetlab.modules.evaluation import evaluate, recalibrate

    torch.set_num_threads(1)
    data = sl.load_dataset("fashion_mnist")
    X, y = (torch.from_numpy(part.copy()) for part in (data.X, data.y))
    test = tuple(torch.from_numpy(part.copy()) for part in (data.test_X, data.test_y))
    kept = slice(len(X) - KEPT_APART, None)
    judged = (X[kept], y[kept]) if cell["phase"] == "search" else test
    rows = (X[: min(cell["rows"], kept.start)], y[: min(cell["rows"], kept.start)])
    method = cell["method"]
    torch.manual_seed(cell["seed"])
    share = int(method.removeprefix("small")) if method.startswith("small") else 1
    model = network(cell["network"], share, method == "dropout")
    scheme, settings = scheme_of(method, int(cell["passes"] * len(rows[0])))
    p = scheme.masks.n_subnetworks
    momentum = 0.9 if "momentum" in method else 0.0
    cut = sl.cut(model, X[:2], "blocks" if method == "resist" else None)
    cut.verify()
    training = sl.ModuleTraining(
        cut,
        scheme,
        optimizer=lambda params: torch.optim.SGD(params, lr=cell["rate"], momentum=momentum),
        seed=cell["seed"],
        **settings,
    )
    every = max(1, scheme.rounds // cell["states"])
    states, seconds, held, moved = [], 0.0, 0, 0
    began = time.process_time()
    for round in training.rounds():
        for subnet in round:
            numbers = sum(parameter.numel() for parameter in subnet.module.parameters())
            held, moved = max(held, numbers), moved + (2 * numbers if p > 1 else 0)
            for x, target in subnet.batches(rows):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(x), target))
        finite = bool(torch.isfinite(torch.stack(round.losses[-1])).all())
        round.finish()
        done = round.index + 1
        if done % every and done != scheme.rounds and finite:
            continue
        seconds += time.process_time() - began
        whole = training.model
        recalibrate(whole, tuple(part[:5000] for part in rows))
        accuracy = evaluate(whole, judged, "cross_entropy", ("accuracy",))["accuracy"] if finite else math.nan
        states.append({"rows": done * p * TAU * BATCH, "seconds": seconds, "accuracy": accuracy, "moved": moved / p})
        if not finite:
            break
        began = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    size = sum(parameter.numel() for parameter in model.parameters())
    return {**cell, "states": states, "held": held, "size": size, "peak_bytes": peak, "torch": torch.__version__}


def file_of(cell: dict, out: Path) -> Path:
    names = [cell[key] for key in ("phase", "network", "method", "rate", "seed", "passes", "rows")]
    return out / ("-".join(map(str, names)) + ".json")


def result_of(cell: dict, out: Path) -> dict:
    """Return a cell's result, from its file, or from a process of its own."""
    path = file_of(cell, out)
    if not path.exists():
        print(f"  {path.stem}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, __file__, "--out", str(out), "--cell", json.dumps(cell)], check=True)
    return json.loads(path.read_text())


def write(result: dict, path: Path) -> None:
    """Write a result, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.replace(path)


# ----------------------------------------------------------------------------------------------------------- the table
def best_rate(cell: dict, rates: tuple[float, ...], out: Path, most: int) -> float:
    """Return the rate with the best accuracy on the rows that are kept apart, of at most so many that are tried."""
    found: dict[float, float] = {}

    def tried(rate: float) -> None:
        searched = {**cell, "phase": "search", "seed": SEARCH_SEED, "rate": rate, "states": 1}
        accuracy = result_of(searched, out)["states"][-1]["accuracy"]
        found[rate] = -1.0 if math.isnan(accuracy) else accuracy

    for rate in rates:
        tried(rate)
    while True:
        best = max(found, key=lambda rate: (found[rate], -rate))  # the smallest if training diverges with all
        beyond = {max(found): best * 2, min(found): best / 2}
        if best not in beyond or len(found) >= most:
            return best
        tried(beyond[best])


def spread(values: list[float]) -> str:
    if diverged := sum(map(math.isnan, values)):
        return f"{diverged} of {len(values)} diverged"
    values = [100 * value for value in values]
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1))
    return f"{mean:.2f} ± {deviation:.2f}" if len(values) > 1 else f"{mean:.2f}"


def seconds_per_row(cells: dict[str, dict], out: Path) -> dict[str, float]:
    """Return each method's processor time of a row: the median of short trainings, all methods by turns."""
    found: dict[str, list[float]] = {method: [] for method in cells}
    for turn in range(TIMED):
        for method, cell in cells.items():
            passes = TIMED_ROWS / cell["rows"]
            timed = {**cell, "phase": "time", "seed": turn, "passes": passes, "states": 1}
            last = result_of(timed, out)["states"][-1]
            found[method].append(last["seconds"] / last["rows"])
    return {method: statistics.median(values) for method, values in found.items()}


def at_time(result: dict, rows: float) -> float:
    """Return the accuracy of the last state that was reached after so many rows."""
    reached = [state["accuracy"] for state in result["states"] if state["rows"] <= rows]
    return reached[-1] if reached else math.nan


def table(name: str, results: dict[str, tuple[float, list[dict]]], costs: dict[str, float]) -> str:
    """Return the table of one network: a row for each method."""
    lines = [
        f"### {name}: {next(iter(results.values()))[1][0]['size']:,} numbers",
        "",
        "| method | rate | accuracy, same rows | accuracy, same time | seconds | MB moved | held | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    reference = next((method for method in ("ist4", "resist") if method in results), next(iter(results)))
    seconds = costs[reference] * results[reference][1][0]["states"][-1]["rows"]
    for method, (rate, runs) in results.items():
        last = [r["states"][-1] for r in runs]
        mean = costs[method] * max(state["rows"] for state in last)
        moved = 4e-6 * max(state["moved"] for state in last)
        peak = max(r["peak_bytes"] for r in runs) / 1e6
        accuracies = spread([s["accuracy"] for s in last]), spread([at_time(r, seconds / costs[method]) for r in runs])
        lines.append(
            f"| {METHODS[method]} | {rate:g} | {accuracies[0]} | {accuracies[1]} | {mean:.1f} | {moved:.1f} | "
            f"{runs[0]['held']:,} | {peak:.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the results, made if it is not there")
    parser.add_argument("--passes", type=float, default=10.0, help="over the rows, in all")
    parser.add_argument("--search-passes", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--states", type=int, default=20, help="of a training that are measured")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=DEFAULT_NETWORKS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, help="by default what makes sense for a network")
    parser.add_argument("--quick", action="store_true", help="one seed, two rates, 6,400 rows, one pass: is it whole?")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.cell:
        cell = json.loads(options.cell)
        write(run_cell(cell), file_of(cell, options.out))
        return 0
    quick = options.quick
    passes, search = (1.0, 1.0) if quick else (options.passes, options.search_passes)
    shared = {"rows": 6400 if quick else 60_000 - KEPT_APART, "states": 4 if quick else options.states}
    for name in options.networks:
        results, timed = {}, {}
        for method in options.methods or NETWORKS[name]:
            cell = {"network": name, "method": method, **shared}
            rates = RATES[1:3] if quick else RATES
            rate = best_rate({**cell, "passes": search}, rates, options.out, len(rates) if quick else MOST_RATES)
            final = {**cell, "phase": "final", "rate": rate, "passes": passes}
            timed[method], seeds = final, range(1 if quick else options.seeds)
            results[method] = rate, [result_of({**final, "seed": seed}, options.out) for seed in seeds]
        print(table(name, results, seconds_per_row(timed, options.out)), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
