"""A run held against the theory: which hypotheses it met, what was promised, predicted and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..core.renamed import renamed_members
from ..kernels.eigenvalues import smallest_eigenvalue
from ..kernels.masked import masked_ntk
from ..surroundings import undisturbed
from .convergence import convergence_theorem
from .lazy import lazy_model
from .prediction import predict
from .run_verdict import MaskedEigenvalues, RunVerdict
from .setting import theory_setting
from .table import all_promises

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from ..history import History
    from .prediction import Prediction

_MOST_STEPS = 10**8  # of a run: bounds and prediction hold a number for each
_ROUNDOFF_ERROR = 1e-18  # relative to the first error: below it ratios of errors are rounding


class FinishedRun(Protocol):
    """The parts of a `TrainingRun` that the verdict looks at."""

    @property
    def network(self) -> ShallowReLU: ...  # noqa: D102
    @property
    def initial_network(self) -> ShallowReLU: ...  # noqa: D102
    @property
    def history(self) -> History: ...  # noqa: D102
    @property
    def scheme(self) -> TrainingScheme: ...  # noqa: D102
    @property
    def settings(self) -> Any: ...  # noqa: D102
    @property
    def data(self) -> Any: ...  # noqa: D102


@undisturbed(threads=1)
def verdict(
    run: FinishedRun,
    *,
    failure_prob: float = 0.1,
    init_scale: float | None = None,
    mask_rounds: int = 10,
    networks: Mapping[int, ShallowReLU] | None = None,
) -> RunVerdict:
    """Return the run held against the theory.

    Parameters
    ----------
    run : TrainingRun
    failure_prob : float, default 0.1
        delta, in (0, 1).
    init_scale : float, optional
        kappa; None estimates it from the initial weights.
    mask_rounds : int, default 10
        How many rounds' masks to form masked NTKs with, evenly spread over the run.
    networks : mapping of int to ShallowReLU, optional
        Networks after other rounds than the first and the last, whose masked NTKs are looked at too.

    Returns
    -------
    RunVerdict
        ``print`` it for a text.

    Raises
    ------
    ValueError
        If the theory is not about the data: rows without norm 1, several outputs, sample weights; or the run asks
        for more steps than a curve can show.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=500, n_features=3, seed=0)
    >>> run = sl.train(net, np.eye(3), np.ones(3), sl.dropout(0.5, rounds=5, step_size=0.5))
    >>> result = verdict(run)
    >>> result.theorem, result.kernels_kept
    ('theorem3', True)
    """
    if run.data.sample_weight is not None:
        raise ValueError("theory: sample_weight must be None, the theory is about plain errors")
    if run.scheme.rounds * run.scheme.local_steps > _MOST_STEPS:
        K, tau = run.scheme.rounds, run.scheme.local_steps
        raise ValueError(f"theory: rounds x local_steps must be at most {_MOST_STEPS:,}, got {K} x {tau}")
    X, y = run.data.X, run.data.y
    start = run.initial_network
    kappa = float(np.sqrt(np.mean(start.weights.astype(float) ** 2))) if init_scale is None else init_scale
    setting = theory_setting(
        X,
        y,
        run.scheme,
        init_scale=kappa,
        failure_prob=failure_prob,
        step_size=run.settings.step_size,
        network=start,
    )
    moved = np.linalg.norm(run.network.weights - start.weights, axis=1).max()
    recorded = run.history.weight_movement
    return RunVerdict(
        setting=setting,
        promises=all_promises(setting),
        theorem=convergence_theorem(run.scheme.masks),
        measured=_measured(run),
        prediction=_prediction(run),
        eigenvalues=_masked_eigenvalues(run, mask_rounds, networks or {}),
        movement=float(moved if recorded is None else recorded.max()),
        local_rates=_local_rates(run.history),
        recorded=run.settings.record,
    )


def _measured(run: FinishedRun) -> FloatArray:
    """Return |y - u_k|^2; where the run did not record the first or the last, they are computed from its networks."""
    measured = run.history.full_error.copy()
    for k, network in ((0, run.initial_network), (-1, run.network)):
        if np.isnan(measured[k]):
            measured[k] = np.sum((run.data.y - network.output(run.data.X, run.scheme.masks.selection_prob)) ** 2)
    return measured


def _prediction(run: FinishedRun) -> Prediction | None:
    """Predict the run from its initial network; None if the prediction does not cover its scheme."""
    try:
        model = lazy_model(run.initial_network, run.data.X, run.data.y)
        return predict(model, run.scheme, run.settings.step_size, seed=run.settings.seed)
    except ValueError:
        return None


def _masked_eigenvalues(run: FinishedRun, mask_rounds: int, networks: Mapping[int, ShallowReLU]) -> MaskedEigenvalues:
    done = run.history.rounds
    rounds = np.unique(np.linspace(0, max(0, done - 1), max(1, mask_rounds)).astype(int))
    stages = {0: run.initial_network, **networks, done: run.network}
    m = run.network.width
    values = [
        [
            [smallest_eigenvalue(K) for K in masked_ntk(network, run.data.X, masks)]
            for masks in (run.scheme.masks.sample(run.settings.seed, int(k), m) for k in rounds)
        ]
        for network in stages.values()
    ]
    return MaskedEigenvalues(np.array(list(stages)), rounds, np.array(values))


def _local_rates(history: History) -> FloatArray:
    if history.subnetwork_errors is not None:
        errors = history.subnetwork_errors
    else:
        errors = np.column_stack([history.sampled_error, history.local_error])[:, :, np.newaxis]
    judged = errors[:, :-1] > _ROUNDOFF_ERROR * max(float(history.full_error[0]), 1e-300)
    return np.divide(errors[:, 1:], errors[:, :-1], out=np.full(errors[:, 1:].shape, np.nan), where=judged)


__getattr__ = renamed_members(__name__, Verdict=RunVerdict)
