"""The planner: which p, xi, tau, eta and m the linearized prediction expects to reach a target error soonest."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..core.masks import Bernoulli, Categorical
from ..core.network import ShallowReLU
from ..core.renamed import renamed_members
from ..core.scheme import TrainingScheme
from ..surroundings import undisturbed
from .convergence import convergence_theorem
from .lazy import average_lazy_model, lazy_model
from .linearized import floor, linearized_course
from .prediction import predict
from .round_map import RoundMap, geometric_sum
from .setting import one_output_data, theory_setting
from .table import THEOREMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.arrays import FloatArray
    from ..core.masks import MaskLaw
    from .lazy import LazyModel
    from .prediction import Prediction
    from .record import Promise

STEP_SHARES = (0.5, 0.25, 0.1, 0.03)  # of 2 / lambda_max, the largest stable step
_CURVES = 4  # numbers per row and round that are in memory at once


@dataclass(frozen=True)
class Costs:
    """What training costs on the machines that it will run on; each subnetwork has a worker of its own.

    Parameters
    ----------
    neuron_step : float
        Seconds that one local step takes per neuron of the subnetwork.
    neuron_bytes : float
        Bytes that a neuron's weights take on the wire; they travel to the worker and back.
    bytes_per_second : float
        Of each worker's link.
    latency : float
        Seconds per round besides.
    """

    neuron_step: float = 1e-7
    neuron_bytes: float = 800.0
    bytes_per_second: float = 1e8
    latency: float = 1e-2

    def __post_init__(self) -> None:
        for name in ("neuron_step", "neuron_bytes", "bytes_per_second"):
            checks.positive_number("Costs", name, getattr(self, name))
        if checks.finite_number("Costs", "latency", self.latency) < 0:
            raise ValueError(f"Costs: latency must be at least 0, got {self.latency}")

    def traffic_per_round(self, neurons: float, n_subnetworks: int) -> float:
        """Return the bytes of one round, of all workers and both ways."""
        return 2 * n_subnetworks * neurons * self.neuron_bytes

    def seconds_per_round(self, neurons: float, local_steps: int) -> float:
        """Return the seconds of one round with ``neurons`` neurons per subnetwork."""
        sending = 2 * neurons * self.neuron_bytes / self.bytes_per_second
        return self.latency + local_steps * neurons * self.neuron_step + sending


@dataclass(frozen=True)
class TrainingPlan:
    """One way to train, and what it is predicted to cost.

    Parameters
    ----------
    scheme : TrainingScheme
        With the step size as a number and as many rounds as are needed.
    width : int
        m.
    predicted_error : float
        E |y - u|^2 after these rounds, averaged over masks and initial networks.
    seconds, traffic : float
        Total time, and total bytes of all workers.
    model : LazyModel
        What was predicted from.
    """

    scheme: TrainingScheme
    width: int
    predicted_error: float
    seconds: float
    traffic: float
    model: LazyModel = field(repr=False, compare=False)

    @cached_property
    def floor(self) -> float:
        """The predicted error of ever more rounds, of order 1/m."""
        return floor(self.model, RoundMap.of(self.scheme.masks, float(self.scheme.step_size), self.scheme.local_steps))

    def followed(self, init_scale: float = 1.0, seed: int = 0, *, rounds: int | None = None) -> Prediction:
        """Predict the plan again for one initial network, whose neurons move and cross kinks (`predict`).

        The plan itself takes activation patterns to stay; where they do not, this error is higher than the plan's.
        Some 8 ms per local step and 40 rows. `fastest_followed` finds the plan that is the fastest then.

        Parameters
        ----------
        init_scale : float, default 1.0
            kappa, as the plan was asked for.
        seed : int, default 0
            Of the network.
        rounds : int, optional
            Instead of the plan's.

        Raises
        ------
        TypeError, ValueError
            If an argument breaks its rule.
        """
        scheme = self.scheme if rounds is None else replace(self.scheme, rounds=rounds)
        X, y = self.model.X, self.model.eigenvectors @ self.model.targets
        network = ShallowReLU.initialize(self.width, X.shape[1], init_scale, seed=seed)
        return predict(lazy_model(network, X, y), scheme, patterns="moving")

    def guarantee(self, X: Any, y: Any, init_scale: float = 1.0) -> Promise:
        """Return what the paper's theorem guarantees of this plan."""
        setting = theory_setting(X, y, self.scheme, width=self.width, init_scale=init_scale)
        return THEOREMS[convergence_theorem(self.scheme.masks)](setting, "paper")


@undisturbed(threads=1)
def plan(
    X: Any,
    y: Any,
    target_error: float,
    costs: Costs | None = None,
    *,
    n_subnetworks: Sequence[int] = (1, 2, 4, 8),
    selection_probs: Sequence[float] = (0.2, 0.5, 0.8, 1.0),
    local_steps: Sequence[int] = (1, 2, 5, 10, 20),
    widths: Sequence[int] = (4000, 16_000),
    init_scale: float = 1.0,
    max_rounds: int = 10_000,
) -> tuple[TrainingPlan, ...]:
    """Return all ways that are predicted to reach a target error, the fastest first.

    The prediction is that of linearized training, averaged over initial networks and for any number of rounds: good to
    a few per cent while activation patterns hardly change (docs/theory.md), and too low where they do, above all where
    rows are many for their dimension: `fastest_followed` finds the fastest of the plans with patterns that change. Step
    sizes tried are shares of the largest stable one.

    Parameters
    ----------
    X : array, shape (n, d)
    y : array, shape (n,)
    target_error : float
        Of |y - u|^2, summed over the rows; above 0.
    costs : Costs, optional
    n_subnetworks, selection_probs, local_steps, widths : sequences
        The values of p, xi (Bernoulli masks), tau and m to combine; categorical masks have xi = 1/p.
    init_scale : float, default 1.0
        kappa.
    max_rounds : int, default 10,000

    Returns
    -------
    tuple of TrainingPlan
        Empty if nothing reaches the target: then more rounds, a smaller init_scale or more width are needed.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule.

    Examples
    --------
    >>> plans = plan(np.eye(3), np.ones(3), 0.1, local_steps=(1, 5), widths=(1000,), max_rounds=500)
    >>> plans[0].predicted_error <= 0.1
    True
    """
    checks.positive_number("plan", "target_error", target_error)
    checks.whole_number("plan", "max_rounds", max_rounds, least=1)
    checks.instance("plan", "costs", costs, Costs | None)
    costs = Costs() if costs is None else costs
    laws = [*_laws(_values("n_subnetworks", n_subnetworks), _values("selection_probs", selection_probs, least=0))]
    steps = [checks.whole_number("plan", "local_steps", tau, least=1) for tau in _values("local_steps", local_steps)]
    wide = [checks.whole_number("plan", "widths", m, least=1) for m in _values("widths", widths)]
    X, y = one_output_data("plan", X, y)
    checks.memory("plan", "max_rounds", "error curves", _CURVES * 8 * len(X) * (max_rounds + 1))
    found: list[TrainingPlan] = []
    for m in wide:
        model = average_lazy_model(X, y, m, init_scale)
        for masks, tau in itertools.product(laws, steps):
            found += _plans(model, masks, tau, target_error, costs, max_rounds)
    return tuple(sorted(found, key=lambda p: (p.seconds, p.traffic)))


def trade_off(plans: Sequence[TrainingPlan]) -> tuple[TrainingPlan, ...]:
    """Return the plans that no other beats in both time and traffic, the fastest first."""
    kept: list[TrainingPlan] = []
    for candidate in sorted(plans, key=lambda p: (p.seconds, p.traffic)):
        if not kept or candidate.traffic < kept[-1].traffic:
            kept.append(candidate)
    return tuple(kept)


def _values(name: str, values: Any, *, least: int = 1) -> list[Any]:
    """Return the values to try, of which there must be ``least``."""
    if isinstance(values, str) or not np.ndim(values) or len(values) < least:
        raise ValueError(f"plan: {name} must be a list of at least {least} values, got {values!r}")
    return list(values)


def _laws(n_subnetworks: Sequence[int], selection_probs: Sequence[float]) -> Iterator[MaskLaw]:
    for p in n_subnetworks:
        for xi in selection_probs:
            law = Bernoulli(p, xi)
            if p == 1 or xi < 1:
                yield law
        if p > 1:
            yield Categorical(p)


def _plans(
    model: LazyModel, masks: MaskLaw, tau: int, target: float, costs: Costs, max_rounds: int
) -> Iterator[TrainingPlan]:
    xi, m = masks.selection_prob, model.width
    for share in STEP_SHARES:
        eta = share * 2 / (xi * float(model.eigenvalues[-1]))
        rounds, predicted = None, np.empty(0)
        for looked_at in _rounds_to_look_at(model, RoundMap.of(masks, eta, tau), target, max_rounds):
            course = linearized_course(model, RoundMap.of(masks, eta, tau), looked_at, coarse=True)
            predicted = course.mean + course.noise
            rounds = first_below(predicted, target)
            if rounds is not None:
                break
        if rounds is None:
            continue
        chosen = TrainingScheme(masks, rounds=max(1, rounds), local_steps=tau, step_size=eta)
        yield TrainingPlan(
            scheme=chosen,
            width=m,
            predicted_error=float(predicted[chosen.rounds]),
            seconds=chosen.rounds * costs.seconds_per_round(xi * m, tau),
            traffic=chosen.rounds * costs.traffic_per_round(xi * m, masks.n_subnetworks),
            model=model,
        )


def _rounds_to_look_at(model: LazyModel, round_map: RoundMap, target: float, max_rounds: int) -> Sequence[int]:
    """Return by when the target is probably reached, and all rounds; none if the mean error alone stays above it.

    The first is a guess: noise that has not worn off gives a curve that is too high for long, and is soon computed, but
    the noise of products, which is all that there is for categorical masks, is left out.
    """
    h = round_map.selection_prob * model.eigenvalues
    rho, k = (1 - round_map.gain(h)) ** 2, np.arange(max_rounds + 1.0)[:, np.newaxis]
    mean = rho**k @ model.initial_moment(round_map.selection_prob)
    if first_below(mean, target) is None:
        return ()
    noise = round_map.shared * round_map.mask_variance * round_map.gain(h) ** 2 * model.spread
    late = first_below(1.05 * (mean + geometric_sum(rho, k) @ noise), target)
    return (max_rounds,) if late is None or late + 1 >= max_rounds else (late + 1, max_rounds)


def first_below(curve: FloatArray, target: float) -> int | None:
    """Return the first round after which an error is at most the target; None if it never is."""
    below = np.flatnonzero(curve <= target)
    return int(below[0]) if below.size else None


__getattr__ = renamed_members(__name__, Plan=TrainingPlan)
