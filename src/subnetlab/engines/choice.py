"""engine="auto": the engine for a request, from settings and counts alone, never from a clock.

The model counts operations and multiplies them by times fitted once on one core of an AMD EPYC (Zen 4); only their
ratios matter. What the event engine does depends on how many pre-activations can reach zero within a round, which
is guessed from the scales of weights, targets and step size (`Workload.watched_share`). docs/engines.md compares
guesses with measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..surroundings import undisturbed
from .table import ENGINES, check_capabilities, check_place, needed_capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import FloatArray
    from ..core.scheme import TrainingScheme
    from .base import Capability, Device, Dtype, Problem

_ROWS_LOOKED_AT = 512  # of the data, for the mean of |G|
_ITERATIONS = 30
_MARGIN = 1.15  # the event engine's own
_NTK_SHARE = 0.33  # of G's largest eigenvalue in that of the NTK: 1/4 for random rows, 0.4 where all G_ij are near 1

# nanoseconds
_FLOP = {"float64": 1 / 40, "float32": 1 / 80}  # in a matrix product
_ENTRY = {"float64": 1.7, "float32": 0.9}  # of m_l x n in a local step, outside the products
_LOOKED_UP = {"float64": 0.016, "float32": 0.008}  # of m_l x n x n in a local step of the look-up engine
_TABULATED = {"float64": 0.3, "float32": 0.15}  # of n x n in it
_SEEN_ENTRY = {"float64": 0.4, "float32": 0.2}  # of m_l x n in it
_MOVED_ENTRY = {"float64": 8.0, "float32": 4.0}  # of m_l x n in a subnetwork's round
_EVENT_ENTRY = 7.0  # of m x n in a round of the event engine, outside its product
_EVENT_PAIR = 0.08  # per word of 64 neurons and pair of rows, for the masked NTK
_EVENT_STEP = 0.4  # per pair of rows and local step
_WATCH, _PASS, _WATCH_ROW = 40.0, 0.8, 0.2  # per watched entry; also per local step; also per row of the data
_STEP_CALL, _PHASE_CALL = 12_000.0, 40_000.0  # of Python, per local step; per subnetwork in the compiled engines
_LOAD = 4e8  # of numba and its cached code, once


@dataclass(frozen=True)
class Workload:
    """What decides the cost of a round.

    Parameters
    ----------
    m, n, d, p, tau, rounds : int
    batch : float
        Rows that a local step reads, on average.
    step_errors, full_errors : bool
        Whether errors inside rounds are measured, and those of the whole network after them.
    share : float
        The part of the neurons that a subnetwork holds on average.
    step_size : float
    dtype : {"float64", "float32"}
    activation_scale : float
        Root mean square of z_rj = <w_r, x_j>.
    target_scale : float
        Root mean square of y.
    gram_mean : float
        Mean of |G_ij|.
    ntk_top : float
        Guess of the largest eigenvalue of the NTK of the whole network, xi = 1.
    """

    m: int
    n: int
    d: int
    p: int
    tau: int
    rounds: int
    batch: float
    step_errors: bool
    full_errors: bool
    share: float
    step_size: float
    dtype: Dtype
    activation_scale: float
    target_scale: float
    gram_mean: float
    ntk_top: float

    @classmethod
    @undisturbed(threads=1)
    def estimate(
        cls,
        problem: Problem,
        scheme: TrainingScheme,
        *,
        init_scale: float,
        dtype: Dtype,
    ) -> Workload:
        """Return the workload of a request; a step size that is a word is guessed.

        Parameters
        ----------
        init_scale : float
            kappa, or the root mean square of given weights.
        """
        X = problem.X
        n, d = X.shape
        some = X[:: -(-n // _ROWS_LOOKED_AT)]
        gram = some @ some.T
        off_diagonal = (np.abs(gram).sum() - gram.trace()) / max(1, len(some) * (len(some) - 1))
        ntk_top = _NTK_SHARE * n / len(some) * _largest_eigenvalue(gram)
        share = scheme.masks.selection_prob
        return cls(
            m=len(problem.signs),
            n=n,
            d=d,
            p=scheme.masks.n_subnetworks,
            tau=scheme.local_steps,
            rounds=scheme.rounds,
            batch=min(n / (scheme.shards or 1), scheme.batch_size or n),
            step_errors=problem.step_errors,
            full_errors=problem.full_errors,
            share=share,
            step_size=1.0 / (share * ntk_top) if isinstance(scheme.step_size, str) else scheme.step_size,
            dtype=dtype,
            activation_scale=float(init_scale * np.sqrt(np.mean(np.sum(X**2, axis=1)))),
            target_scale=float(np.sqrt(np.mean(problem.y**2))),
            gram_mean=float(off_diagonal + gram.trace() / len(some) / n),
            ntk_top=ntk_top,
        )

    @property
    def neurons(self) -> float:
        """The number of neurons that a subnetwork holds on average."""
        return self.share * self.m

    def watched_share(self) -> float:
        """Return the guessed part of a subnetwork's m_l n pre-activations that can reach zero within a round.

        They move by at most (eta / 2 sqrt m) n mean |G| sum over steps of |residual|, the half because one sign of
        the residual moves them one way. The residual is that of a subnetwork at the start of training; half of it
        shrinks at the rate of the largest eigenvalue, the other half stays.
        """
        residual = math.hypot(self.target_scale, math.sqrt(self.share / 2) * self.activation_scale)
        shrinks = min(1.0, self.step_size * self.share * self.ntk_top)
        shrinking = (1 - (1 - shrinks) ** self.tau) / shrinks if shrinks else self.tau  # so small a step moves nothing
        steps = (self.tau + shrinking) / 2
        motion = 0.5 * self.step_size / math.sqrt(self.m) * steps * residual * self.n * self.gram_mean
        return math.erf(_MARGIN * motion / (math.sqrt(2) * max(self.activation_scale, 1e-300)))


def _largest_eigenvalue(gram: FloatArray) -> float:
    """Return a rough estimate, by power iteration from a vector without symmetries.

    A power of two, which costs no bit, first brings the matrix near 1: squares of its entries may overflow or vanish.
    """
    exponent = int(np.frexp(np.max(np.abs(gram)))[1])
    near_one = np.ldexp(gram, -exponent)
    vector = np.cos(np.arange(len(gram)) + 0.5)
    for _ in range(_ITERATIONS):
        vector = near_one @ vector
        vector /= np.linalg.norm(vector)
    return float(np.ldexp(vector @ near_one @ vector, exponent))


def _primal(work: Workload) -> float:
    return _dense_steps(work, 4 * work.d) + 2 * work.m * work.n * work.d * _FLOP[work.dtype]


def _dual(work: Workload) -> float:
    return _dense_steps(work, 2 * work.n) + 2 * work.m * work.n**2 * _FLOP[work.dtype]


def _dense_steps(work: Workload, flops: float) -> float:
    """Local steps with so many operations in products for each entry of m_l x n."""
    steps = work.p * work.tau
    return steps * (_STEP_CALL + work.neurons * work.n * (flops * _FLOP[work.dtype] + _ENTRY[work.dtype]))


def _minibatch(work: Workload) -> float:
    flop, entry = _FLOP[work.dtype], _ENTRY[work.dtype]
    # a step takes two products; studies, which always measure, count three: their keys hold what they chose by it
    products = 3 if work.full_errors else 2
    step = work.neurons * work.batch * (2 * products * work.d * flop + entry)
    error = work.neurons * work.n * (2 * work.d * flop + entry) if work.step_errors else 0.0
    whole = 2 * work.m * work.n * work.d * flop if work.full_errors else 0.0
    return work.p * work.tau * (_STEP_CALL + step + error) + whole


def _lookup(work: Workload) -> float:
    dtype, n = work.dtype, work.n
    entries = work.neurons * n
    step = _STEP_CALL + n**2 * _TABULATED[dtype] + entries * (n * _LOOKED_UP[dtype] + _SEEN_ENTRY[dtype])
    linear = (work.p * entries + work.m * n) * _MOVED_ENTRY[dtype]
    return work.p * (_PHASE_CALL + work.tau * step) + linear + _LOAD / work.rounds


def _event(work: Workload) -> float:
    m, n, p, tau = work.m, work.n, work.p, work.tau
    linear = m * n * (_EVENT_ENTRY + 2 * n * _FLOP["float64"])
    kernels = p * n**2 * (m / 64 * _EVENT_PAIR + tau * _EVENT_STEP)
    watched = p * work.neurons * n * work.watched_share()
    phases = p * _PHASE_CALL + watched * (_WATCH + _PASS * tau + _WATCH_ROW * n)
    return linear + kernels + phases + _LOAD / work.rounds


NANOSECONDS_PER_ROUND: dict[str, Callable[[Workload], float]] = {
    "primal": _primal,
    "dual": _dual,
    "lookup": _lookup,
    "event": _event,
    "minibatch": _minibatch,
}


def resolve_engine(
    engine: str, problem: Problem, scheme: TrainingScheme, *, init_scale: float, dtype: Dtype, device: Device
) -> str:
    """Return the name of the engine that a request means; runs, studies and estimators all ask here.

    Parameters
    ----------
    engine : str
        A name, or "auto": the fastest by the cost model, which guesses a step size that is a word, so that the
        choice follows from settings and counts.
    problem, scheme, dtype, device
        The request.
    init_scale : float
        kappa, or the root mean square of given weights.

    Raises
    ------
    ValueError
        If the engine lacks something that is needed, or no engine has it all.
    ImportError
        If the engine needs an extra that is not installed.
    """
    needed = needed_capabilities(problem, scheme, dtype)
    if engine == "auto":
        work = Workload.estimate(problem, scheme, init_scale=init_scale, dtype=dtype)
        engine = choose_engine(needed, work)
    check_capabilities(engine, needed)
    check_place(engine, device)
    return engine


def choose_engine(needed: set[Capability], work: Workload | None = None) -> str:
    """Return the name of the engine that ``engine="auto"`` means.

    Parameters
    ----------
    needed : set of Capability
    work : Workload, optional
        If it is missing, the first capable engine is taken.

    Raises
    ------
    ValueError
        If no engine can do what is needed.
    """
    able = [name for name in (*NANOSECONDS_PER_ROUND, "reference") if needed <= ENGINES[name].capabilities]
    if not able:
        raise ValueError(f"train: no engine supports {', '.join(sorted(needed))} together")
    modelled = [name for name in able if name in NANOSECONDS_PER_ROUND]
    if work is None or not modelled:
        return able[0]
    return min(modelled, key=lambda name: NANOSECONDS_PER_ROUND[name](work))
