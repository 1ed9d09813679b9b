"""`subnetlab bench`: the engines against each other, on this machine, this data, this scheme."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..core.network import ShallowReLU
from ..datasets import headline
from ..engines.table import ENGINES, installed_engines
from ..training.errors import remembered_interrupt
from ..training.session import TrainingSession
from ..training.timing import time_engines
from .json_text import json_text
from .options import DataOptions, SchemeOptions

if TYPE_CHECKING:
    from ..training.timing import EngineTiming

_LEAST_ROUNDS = 2  # the first warms up


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab bench`."""

    data: DataOptions = field(default_factory=DataOptions)
    scheme: SchemeOptions = field(default_factory=lambda: SchemeOptions(rounds=20))
    engines: tuple[str, ...] = ()
    """Engines to time; every installed exact engine except reference, if not given. The first is the baseline."""
    seed: int = 0
    """Seed of initial network and masks."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of the engines."""
    threads: int = 1
    """Threads of every engine."""
    json: bool = False
    """Print JSON."""


def run(options: Options) -> int:
    """Time and print; exit code 1 if no engine could run."""
    for name in options.engines:
        if name not in ENGINES:
            raise ValueError(f"bench: engines must be among {', '.join(ENGINES)}, got {name!r}")
    if options.scheme.rounds < _LEAST_ROUNDS:
        raise ValueError(f"bench: rounds must be at least {_LEAST_ROUNDS}, got {options.scheme.rounds}")
    data = options.data.load()
    print(headline(data), file=sys.stderr if options.json else sys.stdout)
    wanted, scheme = options.scheme, options.scheme.scheme()
    network = ShallowReLU.initialize(wanted.width, data.X.shape[1], init_scale=wanted.init_scale, seed=options.seed)
    request: dict[str, Any] = {"seed": options.seed, "dtype": options.dtype, "threads": options.threads}
    with remembered_interrupt() as raise_if_interrupted:
        chosen = TrainingSession(network, data.X, data.y, scheme, **request).settings.engine
        raise_if_interrupted()
    timings = time_engines(network, data.X, data.y, scheme, options.engines or _usual_engines(), **request)
    print(json_text(_record(timings, chosen)) if options.json else _table(timings, chosen))
    return 0 if any(len(timing.rounds) for timing in timings) else 1


def _usual_engines() -> tuple[str, ...]:
    return tuple(name for name in installed_engines() if ENGINES[name].exact and name != "reference")


def _table(timings: list[EngineTiming], chosen: str) -> str:
    best = min((timing.median for timing in timings if len(timing.rounds)), default=math.nan)
    lines = [f"{'engine':<13}{'ms per round':>13}{'quickest':>10}{'to best':>9}{'start, s':>10}{'deviation':>11}"]
    for timing in timings:
        name = timing.engine + (" *" if timing.engine == chosen else "")
        if timing.refusal is not None:
            lines.append(f"{name:<13}{timing.refusal.partition(';')[0]}")
            continue
        lines.append(
            f"{name:<13}{1e3 * timing.median:>13.2f}{1e3 * timing.rounds.min():>10.2f}{timing.median / best:>9.2f}"
            f"{timing.start:>10.2f}{timing.deviation:>11.1e}"
        )
    rounds = max((len(timing.rounds) for timing in timings), default=0)
    return "\n".join(
        [
            *lines,
            f"* what engine=auto takes. Medians of {rounds} rounds, in turn; start: until the first round is done;",
            "deviation: largest distance of the weights from the first engine's, relative to their largest.",
        ]
    )


def _record(timings: list[EngineTiming], chosen: str) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    engines = [{**vars(timing), "median": timing.median, "rounds": timing.rounds.tolist()} for timing in timings]
    return {"auto": chosen, "engines": [{name: plain(value) for name, value in e.items()} for e in engines]}
