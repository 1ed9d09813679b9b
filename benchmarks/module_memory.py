"""Memory of each worker that trains a perceptron of 92 million parameters together with others, phase by phase.

    python benchmarks/module_memory.py [--width 9216] [--workers 1 4] [--law balanced] [--rounds 2] [--made mapped]

Peaks of resident memory (VmHWM) in MB, of the worker with the largest one, above what a process needs that has only
imported torch and this package; the same of a tiny network tells what torch itself takes to export and train. The peak
is set back (/proc/self/clear_refs) between phases: making the module and its cut, making the training, rounds, the
checkpoint, and a second training that is restored from it. The module is drawn by every process, or mapped from a file;
in both cases it gives its numbers up (``model.to("meta")``) once the training has taken its rows. With
MALLOC_MMAP_THRESHOLD_=1048576 in the environment, glibc gives back at once what is free.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

import subnetlab as sl

if TYPE_CHECKING:
    from collections.abc import Iterator

P, FEATURES, CLASSES, MB = 4, 784, 10, 1e6


def status(name: str) -> float:
    """Return a line of /proc/self/status, in MB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":")]
    return int(line.split()[1]) * 1024 / MB


class Peaks:
    """Peaks of resident memory by phase, above that of this moment."""

    def __init__(self) -> None:
        self._base = status("VmRSS")
        self.found: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        Path("/proc/self/clear_refs").write_text("5")
        yield
        self.found[name] = round(status("VmHWM") - self._base, 1)


def perceptron(width: int) -> torch.nn.Module:
    """Return 784-width-width-10."""
    layers = [torch.nn.Linear(FEATURES, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, CLASSES))


def worker(width: int, law: str, rounds: int, checkpoint: str, weights: str | None) -> None:
    """Train as one of the workers that the environment names; print the peaks."""
    peaks = Peaks()
    x, y = torch.zeros(8, FEATURES), torch.zeros(8, dtype=torch.int64)
    laws = {"balanced": sl.Balanced(P), "categorical": sl.Categorical(P), "bernoulli": sl.Bernoulli(P, 0.5)}
    with peaks.phase("module and cut"):
        with torch.device("meta" if weights else "cpu"):
            torch.manual_seed(0)
            model = perceptron(width)
        if weights:
            model.load_state_dict(load_file(weights), assign=True)
        cut = sl.cut(model, x[:2])

    def training(rounds: int) -> sl.ModuleTraining:
        scheme = sl.TrainingScheme(laws[law], rounds, 2, step_size=0.1, batch_size=4)
        return sl.ModuleTraining(cut, scheme, checkpoint=checkpoint, checkpoint_every=rounds + 1)

    with peaks.phase("training"):
        first = training(rounds + 1)
        model.to("meta")
    with peaks.phase("rounds"):
        train(first, rounds, (x, y))
    gc.collect()  # the round that was left in the middle
    with peaks.phase("checkpoint"):
        first.save_checkpoint()
    del first
    gc.collect()
    if weights:
        model.load_state_dict(load_file(weights), assign=True)
        with peaks.phase("restored"):
            training(rounds + 1)
    print(json.dumps(peaks.found))


def train(training: sl.ModuleTraining, rounds: int, data: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Train some rounds."""
    for round in training.rounds():
        if round.index == rounds:
            break
        for subnet in round:
            for xb, yb in subnet.batches(data):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(xb), yb))


def measured(workers: int, arguments: list[str], weights: torch.nn.Module | None) -> dict[str, float]:
    """Return the largest peaks among so many processes."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    there = {"WORLD_SIZE": str(workers), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *arguments, "--checkpoint", str(Path(folder) / "run.safetensors")]
        if weights is not None:
            save_file(weights.state_dict(), file := Path(folder) / "first.safetensors")
            command += ["--weights", str(file)]
        processes = [
            subprocess.Popen(command, env=os.environ | there | {"RANK": str(r)}, stdout=subprocess.PIPE, text=True)
            for r in range(workers)
        ]
        outputs = [process.communicate()[0] for process in processes]
        if any(process.returncode for process in processes):
            raise SystemExit("a worker failed")
    peaks = [json.loads(output) for output in outputs]
    return {phase: max(peak[phase] for peak in peaks) for phase in peaks[0]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=9216)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--law", default="balanced")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--made", nargs="+", default=["mapped", "drawn"])
    parser.add_argument("--checkpoint")
    parser.add_argument("--weights")
    asked = parser.parse_args()
    if asked.checkpoint:
        worker(asked.width, asked.law, asked.rounds, asked.checkpoint, asked.weights)
        return
    whole, tiny = perceptron(asked.width), perceptron(8)
    size = sum(parameter.numel() for parameter in whole.parameters()) * 4 / MB
    rest = ["--law", asked.law, "--rounds", str(asked.rounds)]
    for workers in asked.workers:
        for made in asked.made:
            print(f"{asked.law}, {size:.0f} MB, {made}, {workers} workers: a share {size / workers:.0f} MB", flush=True)
            weights = [None, None] if made == "drawn" else [whole, tiny]
            peaks = measured(workers, ["--width", str(asked.width), *rest], weights[0])
            least = measured(workers, ["--width", "8", *rest], weights[1])
            for phase, peak in peaks.items():
                print(f"    {phase:16}{peak:8.0f} MB, {peak - least[phase]:6.0f} MB above a network of width 8")


if __name__ == "__main__":
    main()
