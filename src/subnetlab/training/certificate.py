"""The certificate of a run: its rounds are run again, with every crossing kept, and taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.network import ShallowReLU
from ..surroundings import undisturbed
from ..theory.certificate import Certificate, CertificateBuilder
from ..theory.round_parts import round_parts
from .session import run_round

if TYPE_CHECKING:
    from .run import Certify, TrainingRun

_A_MINUTE = 1e11  # operations


@undisturbed(threads=1)
def certify(run: TrainingRun) -> Certificate:
    """Return a bound of the training error that the run has earned, whatever its step size, masks and width.

    The theorems ask for widths that nobody has. Afterwards more is known: the masks drawn, the kernels of the patterns
    that there were, and every neuron that crossed a kink. They prove that |y - u_k|^2 is at most what the masked
    linear maps of the rounds leave of the first error and of the masks' own differences, and what crossings add; see
    `subnetlab.theory.certificate`. The price is that of the run by the event engine, and K p tau products of n x n
    matrices.

    Parameters
    ----------
    run : TrainingRun
        With one output, output weights of -1 and +1, the squared loss and no sample weights; any engine.

    Returns
    -------
    Certificate
        The bounds are of the networks of the rounds as the event engine computes them in float64, the last one of
        ``run.network``; all is sound under rounding.

    Raises
    ------
    ValueError
        If the run is of another kind, or its errors overflow.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=1000, n_features=3, seed=0)
    >>> run = sl.train(net, np.eye(3), np.ones(3), sl.independent_subnets(2, rounds=20, local_steps=5))
    >>> certificate = certify(run)
    >>> bool(run.history.full_error[-1] <= certificate.bound[-1] <= 2 * run.history.full_error[-1])
    True
    """
    from ..engines.event.traced import TracedEngine  # numba

    if reason := why_not(run):
        raise ValueError(f"certify: {reason}")
    X, y, scheme, xi = run.data.X, run.data.y, run.scheme, run.scheme.masks.selection_prob
    signs, gram, eta = run.initial_network.output_weights, X @ X.T, run.settings.step_size
    engine = TracedEngine(run.settings.problem(X, y, signs, xi, None))
    state = engine.start(run.initial_network.weights)
    builder = CertificateBuilder(run.initial_network, X, y, xi)
    for k in range(run.history.rounds):
        state, record = run_round(
            engine.round, state, scheme, k, seed=run.settings.seed, step_size=eta, width=len(signs), n_samples=len(X)
        )
        if not np.isfinite(record.subnetwork_errors).all():
            raise ValueError(f"certify: errors must be finite, in round {k} they overflow")
        last = k + 1 == run.history.rounds
        network = run.network if last else ShallowReLU(engine.weights(state), signs)
        builder.add(round_parts(engine.trace, gram, builder.error, eta, xi), network, engine.trace.crossings)
    return builder.build()


def why_not(run: TrainingRun) -> str:
    """Return why there is no certificate for such a run; empty if there is."""
    if run.initial_network.output_weights.ndim != 1:
        return "the network must have one output"
    if not np.all(np.abs(run.initial_network.output_weights) == 1) or run.settings.learn_output_weights:
        return "output weights must be -1 or +1 and not trained"
    if run.settings.loss != "squared" or run.data.sample_weight is not None:
        return "the loss must be the squared one, without sample weights"
    if run.scheme.unselected != "keep":
        return "unselected must be 'keep': an erased neuron is no crossing"
    return ""


def certificate_of(run: TrainingRun, wanted: Certify) -> Certificate | None:
    """Return the certificate if it is wanted; of "auto", if there is one that takes about a minute at most."""
    if wanted == "never" or (wanted == "auto" and (why_not(run) or _operations(run) > _A_MINUTE)):
        return None
    return certify(run)


def _operations(run: TrainingRun) -> float:
    """Return how many operations the products with matrices take, which is most of the work."""
    n = len(run.data.X)
    return 2.0 * run.history.rounds * run.scheme.masks.n_subnetworks * run.scheme.local_steps * n**3
