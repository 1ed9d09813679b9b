"""Training of modules in both engines against Algorithm 1 by plain multiplication, over many rounds in float64.

    python stress/modules.py [WORD ...] [--rounds 50] [--runs 9] [--all] [--write]

The networks and the plain loop are those of tests/modules: ten kinds, whose units are written down by hand. Every run
is one of (law, optimizer, state, scale), 270 for a network; without --all, --runs of them are taken, with the laws,
optimisers, states and scales in turn. Words choose networks whose names contain one.

Rounding is amplified by training, so the worst run of every network is repeated by the masked engine alone, from
weights moved by one unit in their last place: as far apart as these two are, two right engines may be. The exit code
is 1 if the engines and the loop are further apart than 1e-10, and than ten times that.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pages import put_between_marks

import subnetlab as sl

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "modules"))
import plain_networks
from plain_training import (
    LAWS,
    OPTIMIZERS,
    SCALES,
    STATES,
    by_engine,
    by_plain_loop,
    factors_by_hand,
    law_and_xi,
    off,
)  # fmt: skip

TOLERANCE = 1e-10


class Run(NamedTuple):
    """One combination of settings."""

    law: str
    optimizer: str
    state: str
    scale: float


class Outcome(NamedTuple):
    """The largest differences of any entry after a run: sliced from masked, either from the plain loop."""

    masked: float
    plain: float
    run: Run
    entries: dict[str, torch.Tensor]  # of the masked engine
    seconds: float

    @property
    def worst(self) -> float:
        """The larger of the two."""
        return max(self.masked, self.plain)


def runs(place: int, count: int | None) -> list[Run]:
    """Return the grid, or some of it: all settings in turn, with another beginning for every network."""
    if count is None:
        return [Run(*settings) for settings in itertools.product(LAWS, OPTIMIZERS, STATES, SCALES)]
    optimizers = list(OPTIMIZERS)
    numbers = range(place * count, (place + 1) * count)
    return [
        Run(LAWS[n % 9], optimizers[(n + n // 9) % 5], STATES[(n + n // 10) % 2], SCALES[(n + n // 9) % 3])
        for n in numbers
    ]


def arguments(run: Run, cut: sl.Cut, rounds: int) -> tuple[sl.TrainingScheme, dict[str, Any], Any]:
    """Return the scheme, the other settings of the engines, and the factors of the plain loop."""
    law, xi = law_and_xi(run.law, cut.units.groups, rounds)
    settings = {"optimizer": OPTIMIZERS[run.optimizer], "state": run.state, "scale": run.scale, "seed": 3}
    return sl.TrainingScheme(law, rounds, 2, batch_size=7), settings, factors_by_hand(xi, cut.groups, run.scale)


def compare(cut: sl.Cut, network: plain_networks.Declared, run: Run, rounds: int) -> Outcome:
    """Train by both engines and by the plain loop."""
    began = time.process_time()
    scheme, settings, factors = arguments(run, cut, rounds)
    sliced, masked = (by_engine(cut, network, scheme, engine, **settings) for engine in ("sliced", "masked"))
    plain = by_plain_loop(network, sliced, factors, OPTIMIZERS[run.optimizer], run.state)
    from_plain = max(off(sliced.entries, plain), off(masked.entries, plain))
    seconds = time.process_time() - began
    return Outcome(off(sliced.entries, masked.entries), from_plain, run, masked.entries, seconds)


def one_ulp(cut: sl.Cut, network: plain_networks.Declared, outcome: Outcome, rounds: int) -> float:
    """Return how far the masked engine ends from itself if its weights begin one unit in the last place away."""
    scheme, settings, _ = arguments(outcome.run, cut, rounds)

    def moved(weights: torch.Tensor) -> torch.Tensor:
        return torch.nextafter(weights, torch.full_like(weights, math.inf))

    return off(outcome.entries, by_engine(cut, network, scheme, "masked", change=moved, **settings).entries)


def main() -> None:
    """Compare, print a table, and put it into the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into docs/testing.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines, wrong = [], []
    for place, kind in enumerate(plain_networks.KINDS):
        if options.words and not any(word in kind for word in options.words):
            continue
        network = plain_networks.made(kind)
        cut = sl.cut(network.model, network.x[:3])
        chosen = runs(place, None if options.all else options.runs)
        outcomes = [compare(cut, network, run, options.rounds) for run in chosen]
        worst = max(outcomes, key=lambda outcome: outcome.worst)
        ulp = one_ulp(cut, network, worst, options.rounds)
        if not worst.worst <= max(TOLERANCE, 10 * ulp):
            wrong.append(kind)
        largest = [max(o.masked for o in outcomes), max(o.plain for o in outcomes), ulp]
        numbers = " | ".join(f"{number:.0e}" for number in largest)
        lines.append(f"| {kind} | {len(outcomes)} | {numbers} | {', '.join(map(str, worst.run))} |")
        print(lines[-1], f"{sum(o.seconds for o in outcomes):.0f} s", flush=True)
        for outcome in outcomes:
            if outcome.worst > TOLERANCE:
                print("   ", outcome.run, f"{outcome.masked:.0e} {outcome.plain:.0e}", flush=True)
    if options.write:
        head = [
            f"{options.rounds} rounds of 2 local steps, 3 subnetworks, torch {torch.__version__}, one thread;",
            "the largest difference of any entry.",
            "",
            "| network | runs | sliced from masked | both from the plain loop | one unit away | worst run |",
            "|---|---|---|---|---|---|",
        ]
        put_between_marks("testing.md", "modules", [*head, *lines])
    sys.exit(f"further apart than rounding explains: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
