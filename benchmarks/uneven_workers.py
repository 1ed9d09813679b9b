"""How long a round is when one of four workers is four times slower, without and with rates.

    python benchmarks/uneven_workers.py [--rounds 12] [--step 0.03]

Four workers train 784-1024-1024-10 on this machine. Each of them rests for ``--step`` seconds in every local step, and
the slow one four times as long: an accelerator that the processor waits for. So the workers do not take the
processors from each other, and what is measured is who waits for whom. A round is the median time between the ends of
two rounds, as the launch's log tells them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

SLOW, TAU = 4, 20
SCRIPT = f"""
import os, sys, time

import torch

import subnetlab as sl

rounds, step, slow = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "slow"
torch.manual_seed(0)
widths = (784, 1024, 1024, 10)
layers = [part for a, b in zip(widths, widths[1:]) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())][:-1]
x, y = torch.randn(640, 784), torch.randint(10, (640,))
scheme = sl.independent_subnets(4, rounds=rounds, local_steps={TAU}, step_size=0.01, batch_size=16)
training = sl.ModuleTraining(sl.cut(torch.nn.Sequential(*layers), x[:2]), scheme)
rest = step * ({SLOW} if slow and training.workers.rank == 3 else 1)
for round in training.rounds():
    for subnet in round:
        for xb, yb in subnet.batches((x, y)):
            subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
            time.sleep(rest)
"""


def main() -> None:
    """Print the three times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--step", type=float, default=0.03)
    options = parser.parse_args()
    rates = ("--rates", "1", "1", "1", str(1 / SLOW))
    equal = seconds_of_a_round(options.rounds, options.step, "equal")
    print(
        "| workers | a round | beside equal workers |", "|---|---|---|", f"| equal | {equal:.2f} s | 1.00 |", sep="\n"
    )
    for name, words in ((f"one {SLOW} times slower", ()), ("the same, with its rate", rates)):
        took = seconds_of_a_round(options.rounds, options.step, "slow", *words)
        print(f"| {name} | {took:.2f} s | {took / equal:.2f} |", flush=True)


def seconds_of_a_round(rounds: int, step: float, kind: str, *words: str) -> float:
    """Return the median over the rounds but the first, in which the modules are made."""
    with tempfile.TemporaryDirectory() as scratch:
        script, out = Path(scratch, "train.py"), Path(scratch, "out")
        script.write_text(SCRIPT)
        launch = [sys.executable, "-m", "subnetlab", "launch", "--workers", "4", "--quiet", "--out", str(out), *words]
        subprocess.run([*launch, str(script), str(rounds), str(step), kind], check=True)
        events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        ends = [event["time"] for event in events if event["event"] == "script_round"]
    return statistics.median(b - a for a, b in pairwise(ends))


if __name__ == "__main__":
    main()
