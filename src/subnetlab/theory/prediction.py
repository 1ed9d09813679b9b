"""Predictions, not bounds: the expected error curve, without training, and where it ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..core import checks
from ..core.scheme import TrainingScheme
from ..plotting import plot
from ..surroundings import undisturbed
from .course import Course
from .lazy import LazyModel
from .linearized import floor, linearized_course, plateau
from .moving_patterns import moving_course
from .round_map import RoundMap
from .seen_rows import SeenRows

if TYPE_CHECKING:
    from ..core.arrays import FloatArray

Patterns: TypeAlias = Literal["frozen", "moving"]

MOST_ROWS_FOLLOWED = 300  # with more, patterns are taken as frozen by default: following them costs n^2 per neuron


@dataclass(frozen=True, eq=False)
class Prediction:
    """Expected errors, over masks and batches only; sums over all rows, as `History` has them.

    Parameters
    ----------
    full_error : ndarray, shape (K + 1,)
        E |y - u_k|^2.
    sampled_error : ndarray, shape (K,)
        E |y - f^l|^2 right after sampling.
    local_error : ndarray, shape (K, tau)
        The same after each local step.
    mean_part, noise_part : ndarray, shape (K + 1,)
        full_error = |y - E u_k|^2 + E |u_k - E u_k|^2; averaged over initial networks, the first
        holds their spread.
    patterns : {"frozen", "moving"}
        Whether activation patterns were taken to stay, or followed.
    model : LazyModel
    round_map : RoundMap
        What was predicted from.
    """

    full_error: FloatArray
    sampled_error: FloatArray
    local_error: FloatArray
    mean_part: FloatArray
    noise_part: FloatArray
    patterns: Patterns
    model: LazyModel
    round_map: RoundMap

    @cached_property
    def floor(self) -> float:
        """The limit of full_error for ever more rounds while patterns stay, of order 1/m; infinite without one."""
        return floor(self.model, self.round_map)

    @cached_property
    def plateau(self) -> float:
        """Where full_error stands for a while, k << m / (eta lambda): with the noise of the initial neurons."""
        return plateau(self.model, self.round_map)

    def __repr__(self) -> str:
        error, steps = self.full_error, self.local_error.shape[1]
        return (
            f"Prediction(rounds={len(error) - 1}, local_steps={steps}, patterns={self.patterns!r}, full error "
            f"{error[0]:.4g} -> {error[-1]:.4g}, floor {self.floor:.4g})"
        )

    def plot(self, ax: Any = None, *, style: Any = "publication") -> Any:
        """Draw the expected errors, dashed, and their floor; ``prediction.plot(run.plot())`` has a run beside them.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if not given.
        style : {"publication"}, a style of matplotlib, or None
            The look of this package's figures, what ``matplotlib.style.context`` takes, or whatever is set.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            If there is nothing to draw.

        Examples
        --------
        >>> import subnetlab as sl
        >>> model = sl.average_lazy_model(np.eye(3), np.ones(3), width=1000)
        >>> ax = sl.predict(model, sl.dropout(0.5, rounds=20), step_size=0.2).plot()
        >>> [line.get_label() for line in ax.lines][2:]
        ['whole network, predicted', 'predicted floor']
        """
        return plot("prediction", self, ax=ax, style=style)


@undisturbed(threads=1)
@np.errstate(over="ignore", invalid="ignore")  # a step that is too large grows without limit
def predict(
    model: LazyModel,
    scheme: TrainingScheme,
    step_size: float | None = None,
    *,
    patterns: Patterns | None = None,
    seed: int = 0,
) -> Prediction:
    """Return what Algorithm 1 does on average over masks and batches.

    It follows a sample of the given network's neurons, which move and cross kinks on their way (`moving_course`): no
    training, but a few products of some ten thousand neurons with n x n matrices in every local step.
    ``patterns="frozen"`` is about linearized training, for any number of rounds and exact in the limit of width
    (`linearized_course`). Either way the noise wears off over some m / (eta lambda) rounds, by Lemma 2's penalty.
    docs/derivations derives both, and says how far they are right.

    Parameters
    ----------
    model : LazyModel
        From `lazy_model` (a given network) or `average_lazy_model`.
    scheme : TrainingScheme
        Its masks follow a law in `subnetlab.theory.moments.MOMENTS`. Shards and minibatches are covered, but every
        shard must have a subnetwork, and unselected neurons must be kept.
    step_size : float, optional
        eta; None takes the scheme's, which must then be a number.
    patterns : {"moving", "frozen"}, optional
        None takes "moving" for a given network with at most 300 rows, as the price goes with n^2, and "frozen" for
        others and for averages over initial networks. Floor and plateau are those of frozen patterns in any case.
    seed : int, default 0
        That of the run: it decides which rows are in which shard. Masks and batches are averaged over.

    Returns
    -------
    Prediction

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the prediction is not about the scheme, or moving patterns are asked of an
        average over initial networks.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=1000, n_features=3, seed=0)
    >>> y = np.array([1.0, 0.0, -1.0])
    >>> scheme = sl.dropout(0.5, rounds=100, step_size=1.0)
    >>> prediction = predict(sl.lazy_model(net, np.eye(3), y), scheme)
    >>> bool(np.isclose(prediction.full_error[0], np.sum((y - net.output(np.eye(3), 0.5)) ** 2)))
    True
    """
    checks.instance("predict", "model", model, LazyModel)
    checks.instance("predict", "scheme", scheme, TrainingScheme)
    eta = _step_size(scheme, step_size)
    _check_scheme(scheme, len(model.X))
    if patterns is not None:
        checks.one_of("predict", "patterns", patterns, ("frozen", "moving"))
    checks.seed_number("predict", seed)
    rows = SeenRows.of(scheme, len(model.X), seed)
    round_map = RoundMap.of(scheme.masks, eta, scheme.local_steps, rows)
    chosen = patterns or ("frozen" if model.output is None or len(model.X) > MOST_ROWS_FOLLOWED else "moving")
    if round_map.overflows(model.eigenvalues):
        course = Course(round_map, scheme.rounds)
        course.diverge(0, float(model.initial_moment(round_map.selection_prob).sum()), 0.0)
    else:
        course = (linearized_course if chosen == "frozen" else moving_course)(model, round_map, scheme.rounds)
    for errors in (course.mean, course.noise, course.subnetworks):
        errors[np.isnan(errors)] = np.inf  # what has grown beyond all numbers, less itself
    return Prediction(
        full_error=course.mean + course.noise,
        sampled_error=course.subnetworks[:, 0],
        local_error=course.subnetworks[:, 1:],
        mean_part=course.mean,
        noise_part=course.noise,
        patterns=chosen,
        model=model,
        round_map=round_map,
    )


def _step_size(scheme: TrainingScheme, step_size: float | None) -> float:
    eta = scheme.step_size if step_size is None else step_size
    if isinstance(eta, str):
        raise ValueError(f"predict: step_size must be given as a number, the scheme has {eta!r}")
    return checks.positive_number("predict", "step_size", eta)


def _check_scheme(scheme: TrainingScheme, n_samples: int) -> None:
    if scheme.unselected != "keep":
        raise ValueError(
            f"predict: unselected must be 'keep', got {scheme.unselected!r}: the prediction is not about it"
        )
    if scheme.shards is not None and scheme.shards > scheme.masks.n_subnetworks:
        raise ValueError(
            f"predict: shards must be at most the number of subnetworks {scheme.masks.n_subnetworks}, got "
            f"{scheme.shards}: nobody trains on the others"
        )
    scheme.check_rows(n_samples)
