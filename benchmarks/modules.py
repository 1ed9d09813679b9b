"""What training a module in subnetworks costs beside plain PyTorch, in ratios within one run.

    python benchmarks/modules.py [--turns 40] [--rounds 8] [--cases step round cut at-once compile]

step    a local step of a sliced subnetwork against a plain module of that size written by hand (784-256-256-10):
        without a factor at its units (scale 0), and with the factor 4 of scale 1 against a plain module that multiplies
        its units, too, and one that does not
round   cutting and putting back as a share of a round (784-1024-1024-10, four subnetworks, 25 local steps)
cut     seconds of `sl.cut` for a network of 10 layers and for one of ResNet-50's shape, and of `Cut.verify`
at-once a local step of all subnetworks of a round together (torch.func.stack_module_state and vmap) against in turn
compile a step of a subnetwork under torch.compile, refilled for other masks in every turn, against the same without

Competitors take turns on one thread, and their processor time is measured: what else runs on the machine costs them
cache at most. Ratios are medians over the turns, with the lower and upper quartile in brackets.
"""

from __future__ import annotations

import argparse
import copy
import os
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


def alternating(works, turns: int, repeats: int, before=lambda: None) -> dict[str, list[float]]:
    """Return the seconds of each work, by turns; ``before`` is called at the start of each and not timed."""
    for work in works.values():
        seconds_of(work, repeats)
    times = {name: [] for name in works}
    for turn in range(turns):
        before()
        for name in list(works)[:: 1 if turn % 2 else -1]:
            times[name].append(seconds_of(works[name], repeats))
    return times


class Scaled(nn.Module):
    """Layers whose units' outputs are multiplied by a number, as inverted dropout does."""

    def __init__(self, layers: nn.Sequential, number: float) -> None:
        super().__init__()
        self.layers, self.number = layers, number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x) * self.number if isinstance(layer, nn.ReLU) else layer(x)
        return x


def step(turns: int) -> None:
    """Print the cost of a local step of a subnetwork, in plain steps of a module of its size."""
    x, y = torch.rand(BATCH, 784), torch.randint(10, (BATCH,))
    cut = sl.cut(perceptron(784, 1024, 1024, 10), x[:2])
    masks = {name: np.arange(1024) % P == 0 for name in cut.groups}
    modules = {
        "sliced": cut.subnetwork(masks),
        "sliced, factor": cut.subnetwork(masks, dict.fromkeys(cut.groups, float(P))),
        "plain": perceptron(784, 256, 256, 10),
        "plain, factor": Scaled(perceptron(784, 256, 256, 10), float(P)),
    }
    times = alternating({name: stepper(module, x, y) for name, module in modules.items()}, turns, TAU)
    for ours, theirs in (("sliced", "plain"), ("sliced, factor", "plain, factor"), ("sliced, factor", "plain")):
        ratios = [a / b for a, b in zip(times[ours], times[theirs], strict=True)]
        print(f"step    ({ours}) / ({theirs}) {quartiles(ratios)}")
    print(f"step    a plain step takes {1e3 * float(np.median(times['plain'])):.2f} ms")


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


def images(channels: int) -> nn.Sequential:
    """Two convolutions and a layer, on images of one channel and 16 x 16 pixels."""
    return nn.Sequential(
        *(nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * channels, 10)),
    )


def equal_parts(cut: sl.Cut, p: int) -> list[nn.Module]:
    masks = [{name: np.arange(group.size) % p == l for name, group in cut.groups.items()} for l in range(p)]
    return [cut.subnetwork(mask, dict.fromkeys(cut.groups, float(p))) for mask in masks]


def at_once(turns: int) -> None:
    """Print the cost of a step of all subnetworks of a round together, in steps of one after another."""
    for name, model, shape, p, batch in (
        ("784-256-256-10", perceptron(784, 1024, 1024, 10), (784,), 4, 64),
        ("small CNN", images(64), (1, 16, 16), 4, 64),
        ("784-64-64-10", perceptron(784, 1024, 1024, 10), (784,), 16, 16),
    ):
        x, y = torch.rand(p, batch, *shape), torch.randint(10, (p, batch))
        subnets = equal_parts(sl.cut(model, x[0, :2]), p)
        parameters, buffers = torch.func.stack_module_state([copy.deepcopy(subnet) for subnet in subnets])
        one, optimizer = subnets[0], torch.optim.SGD(parameters.values(), lr=0.1)

        def loss(of_one, its_buffers, x_l, y_l, one=one):
            return nn.functional.cross_entropy(torch.func.functional_call(one, (of_one, its_buffers), (x_l,)), y_l)

        def together(parameters=parameters, buffers=buffers, x=x, y=y, optimizer=optimizer, loss=loss) -> None:
            optimizer.zero_grad(set_to_none=True)
            torch.func.vmap(loss)(parameters, buffers, x, y).sum().backward()
            optimizer.step()

        steps = [stepper(subnet, x[l], y[l]) for l, subnet in enumerate(subnets)]

        def in_turn(steps=steps) -> None:
            for work in steps:
                work()

        times = alternating({"at once": together, "in turn": in_turn}, turns, 5)
        ratios = [a / b for a, b in zip(times["at once"], times["in turn"], strict=True)]
        print(
            f"at-once {name}, {p} subnetworks, batch {batch}: at once / in turn {quartiles(ratios)}; "
            f"in turn {1e3 * float(np.median(times['in turn'])):.1f} ms"
        )


def compilation(turns: int) -> None:
    """Print what torch.compile costs once, with its processes, and then a step, refilled for other masks by turns."""
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    for name, model, shape in (
        ("784-256-256-10", perceptron(784, 1024, 1024, 10), (784,)),
        ("small CNN", images(64), (1, 16, 16)),
    ):
        x, y = torch.rand(BATCH, *shape), torch.randint(10, (BATCH,))
        cut = sl.cut(model, x[:2])
        plain, refilled = equal_parts(cut, P)[:2]
        began = sum(os.times()[:4])
        compiled = torch.compile(refilled)
        steps = {"compiled": stepper(compiled, x, y), "plain": stepper(plain, x, y)}
        steps["compiled"]()
        once, drawn = sum(os.times()[:4]) - began, iter(range(turns))

        def refill(cut=cut, both=(plain, refilled), drawn=drawn) -> None:
            first = next(drawn)
            for subnet in both:
                subnet.fill(cut.state(), {g: np.arange(m) % P == first % P for g, m in cut.units.groups.items()})

        times = alternating(steps, turns, TAU, refill)
        ratios = [a / b for a, b in zip(times["compiled"], times["plain"], strict=True)]
        print(
            f"compile {name}: compiled / plain {quartiles(ratios)} after {once:.1f} s of compilation; "
            f"plain {1e3 * float(np.median(times['plain'])):.2f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=Path(__file__).name)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--cases", nargs="+", default=["step", "round", "cut", "at-once", "compile"])
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, processor time")
    cases = {
        "step": lambda: step(options.turns),
        "round": lambda: whole_round(options.rounds),
        "cut": cutting,
        "at-once": lambda: at_once(options.turns),
        "compile": lambda: compilation(options.turns),
    }
    for case in options.cases:
        cases[case]()


if __name__ == "__main__":
    main()
