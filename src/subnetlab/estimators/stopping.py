"""The loop over rounds, and when to end it: after all of them, or when validation rows gain no more."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..progress import progress_bar
from ..surroundings import undisturbed
from ..training.errors import deferred_interrupt

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import Loss
    from ..core.network import ShallowReLU
    from ..training import TrainingSession

_STEPS_BETWEEN_CHECKS = 20  # a check costs a pass over the validation rows


@dataclass
class EarlyStopping:
    """Remembers the best network on validation rows.

    Parameters
    ----------
    X, y : ndarray, shapes (v, d) and (v,) or (v, o)
        In the network's units.
    sample_weight : ndarray, shape (v,), optional
    loss : Loss
    patience : int
        Rounds without an improvement of the mean error by ``tol`` after which to stop.
    tol : float
    """

    X: FloatArray
    y: FloatArray
    sample_weight: FloatArray | None
    loss: Loss
    patience: int
    tol: float
    errors: list[float] = field(default_factory=list)
    best: ShallowReLU | None = None
    _best_error: float = np.inf
    _improved: int = 0  # the round of the last improvement by tol

    @undisturbed(threads=1)
    def check(self, network: ShallowReLU, selection_prob: float, rounds_done: int) -> bool:
        """Note the network's validation error; return whether to stop."""
        rows = len(self.X) if self.sample_weight is None else float(self.sample_weight.sum())
        error = self.loss.total_error(network.output(self.X, selection_prob), self.y, self.sample_weight) / rows
        if error < self._best_error - self.tol or self.best is None:
            self._improved = rounds_done
        if error < self._best_error or self.best is None:
            self._best_error, self.best = error, network
        self.errors.append(error)
        return rounds_done - self._improved >= self.patience


def run_rounds(session: TrainingSession, stopping: EarlyStopping | None, *, progress: bool) -> ShallowReLU:
    """Run the session's rounds and return the network to keep: the best if ``stopping`` watches, or else the last.

    Ctrl-C ends the loop after the round at work, with a warning instead of an error, as in scikit-learn: nothing
    learned is lost. A second one acts at once.

    Raises
    ------
    DivergenceError
        If the step size proves too large.
    """
    scheme = session.scheme
    between = max(1, _STEPS_BETWEEN_CHECKS // scheme.local_steps)
    with deferred_interrupt() as interrupted, progress_bar(scheme.rounds, "round", quiet=not progress) as advance:
        for done in range(1, scheme.rounds + 1):
            session.advance()
            text = ""
            if stopping is not None and (done % between == 0 or done == scheme.rounds):
                stop = stopping.check(_finite_network(session), scheme.masks.selection_prob, done)
                text = f"validation error {stopping.errors[-1]:.4g}"
                if stop:
                    break
            advance(text)
            if interrupted():
                warnings.warn(f"training interrupted after {done} of {scheme.rounds} rounds", UserWarning, stacklevel=5)
                break
    session.measure()
    return session.network if stopping is None or stopping.best is None else stopping.best


def _finite_network(session: TrainingSession) -> ShallowReLU:
    try:
        return session.network
    except ValueError:  # it has weights that are not finite
        session.measure()  # says so as a divergence
        raise
