"""The engines timed against each other on one request, round by round in turn, so that all see the same machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from .errors import remembered_interrupt
from .session import TrainingSession

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.arrays import FloatArray
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from ..engines.base import Dtype


@dataclass(frozen=True, eq=False)
class EngineTiming:
    """What one engine took.

    Parameters
    ----------
    engine : str
    start : float
        Seconds from the request to the end of the first round: preparation, and compilation or loading of compiled
        code where the engine has some.
    rounds : ndarray, shape (R,)
        Seconds of each further round.
    deviation : float
        Largest distance of the weights from the first engine's, relative to their largest; NaN where
        the engine failed.
    refusal : str, optional
        Why there are no times: what the engine cannot do, or how it failed.
    """

    engine: str
    start: float
    rounds: FloatArray
    deviation: float
    refusal: str | None = None

    @property
    def median(self) -> float:
        """Seconds of the median round."""
        return float(np.median(self.rounds)) if len(self.rounds) else float("nan")


def time_engines(
    network: ShallowReLU,
    X: Any,
    y: Any,
    scheme: TrainingScheme,
    engines: Iterable[str],
    *,
    seed: int = 0,
    dtype: Dtype = "float64",
    threads: int = 1,
) -> list[EngineTiming]:
    """Train the same rounds by each engine in turn and return their times, in the order of ``engines``.

    Round k of every engine is run before round k + 1 of any, since what else a machine does changes over seconds.

    Parameters
    ----------
    network, X, y, scheme, seed, dtype, threads
        As for `subnetlab.train`; the scheme needs at least two rounds, the first being the warm-up.
    engines : iterable of str

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, whatever the engine.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=50, n_features=2, seed=0)
    >>> scheme = sl.dropout(0.5, rounds=3, step_size=0.1)
    >>> timings = time_engines(net, np.eye(2), np.ones(2), scheme, ["reference", "primal"])
    >>> [(timing.engine, len(timing.rounds), bool(timing.deviation < 1e-12)) for timing in timings]
    [('reference', 2, True), ('primal', 2, True)]
    """
    checks.whole_number("time_engines", "rounds", scheme.rounds, least=2)
    names = list(engines)
    sessions: dict[str, TrainingSession] = {}
    refusals: dict[str, str] = {}
    seconds: dict[str, list[float]] = {name: [] for name in names}

    def session(engine: str) -> TrainingSession:
        return TrainingSession(network, X, y, scheme, seed=seed, engine=engine, dtype=dtype, threads=threads)

    with remembered_interrupt() as raise_if_interrupted:
        session("auto")  # its errors, once
        for k in range(scheme.rounds):
            for name in [name for name in names if name not in refusals]:
                raise_if_interrupted()
                began = time.perf_counter()
                try:
                    if k == 0:
                        sessions[name] = session(name)
                    sessions[name].advance()
                except (ValueError, ImportError, ArithmeticError, MemoryError) as error:
                    refusals[name] = str(error).removeprefix("train: ")
                    sessions.pop(name, None)
                    continue
                seconds[name].append(time.perf_counter() - began)
        raise_if_interrupted()
    return [_timing(name, seconds[name], sessions, refusals) for name in names]


def _timing(
    name: str, seconds: list[float], sessions: dict[str, TrainingSession], refusals: dict[str, str]
) -> EngineTiming:
    if name in refusals:
        return EngineTiming(name, float("nan"), np.empty(0), float("nan"), refusals[name])
    base = next(iter(sessions.values())).network.weights
    deviation = float(np.max(np.abs(sessions[name].network.weights - base)) / np.max(np.abs(base)))
    return EngineTiming(name, seconds[0], np.array(seconds[1:]), deviation)
