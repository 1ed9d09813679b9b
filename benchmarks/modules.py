"""What training a module in subnetworks costs beside plain PyTorch, in ratios within one run.

    python benchmarks/modules.py [--turns 40] [--rounds 8]

step    a local step of a sliced subnetwork against a plain module of that size written by hand (784-256-256-10)
round   cutting and putting back as a share of a round (784-1024-1024-10, four subnetworks, 25 local steps)
cut     seconds of `sl.cut` for a network of 10 layers and for one of ResNet-50's shape, and of `Cut.verify`

Competitors take turns on one thread, and their processor time is measured: what else runs on the machine costs them
cache at most. Ratios are medians over the turns, with the lower and upper quartile in brackets.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

import subnetlab as sl

BATCH, TAU, P = 64, 25, 4


def perceptron(*widths: int) -> nn.Sequential:
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions."""

    def __init__(self, channels: int, inner: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)
        shortcut = [nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)]
        self.shortcut = nn.Sequential(*shortcut) if channels != out else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        return (self.bn3(self.conv3(y)) + self.shortcut(x)).relu()


def resnet_50() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2)]
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for i in range(blocks):
            inner, stride = 64 * 2**stage, 2 if stage and i == 0 else 1
            layers.append(Bottleneck(channels, inner, 4 * inner, stride))
            channels = 4 * inner
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def quartiles(values: list[float]) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def seconds_of(work, repeats: int) -> float:
    began = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - began) / repeats


def stepper(module: nn.Module, x: torch.Tensor, y: torch.Tensor):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()

    return step


def step(turns: int) -> None:
    """Print the cost of a local step of a subnetwork, in plain steps of a module of its size."""
    x, y = torch.rand(BATCH, 784), torch.randint(10, (BATCH,))
    cut = sl.cut(perceptron(784, 1024, 1024, 10), x[:2])
    subnet = cut.subnetwork(
        {name: np.arange(1024) % P == 0 for name in cut.groups}, dict.fromkeys(cut.groups, float(P))
    )
    steps = {"sliced": stepper(subnet, x, y), "plain": stepper(perceptron(784, 256, 256, 10), x, y)}
    for work in steps.values():
        seconds_of(work, 20)
    times = {name: [] for name in steps}
    for turn in range(turns):
        for name in list(steps)[:: 1 if turn % 2 else -1]:
            times[name].append(seconds_of(steps[name], TAU))
    ratios = [a / b for a, b in zip(times["sliced"], times["plain"], strict=True)]
    plain = 1e3 * float(np.median(times["plain"]))
    print(f"step    sliced / plain {quartiles(ratios)}; a plain step takes {plain:.2f} ms")


def whole_round(rounds: int) -> None:
    """Print which share of a round is not spent in local steps."""
    x, y = torch.rand(6000, 784), torch.randint(10, (6000,))
    model = perceptron(784, 1024, 1024, 10)
    for name, scheme in (
        ("equal parts", sl.independent_subnets(P, rounds, TAU, 0.1, balanced=True, batch_size=BATCH)),
        ("Bernoulli .5", sl.TrainingScheme(sl.Bernoulli(P, 0.5), rounds, TAU, step_size=0.1, batch_size=BATCH)),
    ):
        training = sl.ModuleTraining(sl.cut(model, x[:2]), scheme)
        shares, totals = [], []
        began, inside = time.process_time(), 0.0
        for round in training.rounds():
            for subnet in round:
                start = time.process_time()
                for xb, yb in subnet.batches((x, y)):
                    subnet.step(nn.functional.cross_entropy(subnet.module(xb), yb))
                inside += time.process_time() - start
            round.finish()
            total = time.process_time() - began
            shares.append(1 - inside / total)
            totals.append(total)
            began, inside = time.process_time(), 0.0
        print(
            f"round   {name}: cutting and putting back {quartiles(shares[1:])} of a round of "
            f"{1e3 * float(np.median(totals[1:])):.0f} ms"
        )


def cutting() -> None:
    """Print the seconds that finding the units takes."""
    networks = {
        "10 layers": (perceptron(64, *[256] * 9, 10), torch.zeros(2, 64)),
        "ResNet-50": (resnet_50(), torch.zeros(2, 3, 64, 64)),
    }
    sl.cut(perceptron(4, 8, 2), torch.zeros(2, 4))  # what torch.export loads at its first call
    for name, (model, example) in networks.items():
        began = time.process_time()
        cut = sl.cut(model, example)
        found = time.process_time()
        cut.verify()
        print(
            f"cut     {name}: {found - began:.2f} s for {len(cut.groups)} groups; "
            f"verify {time.process_time() - found:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=Path(__file__).name)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, processor time")
    step(options.turns)
    whole_round(options.rounds)
    cutting()


if __name__ == "__main__":
    main()
