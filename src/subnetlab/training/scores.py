"""How well a trained network predicts, in the measures that people compare: R2 or accuracy, and RMSE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import LossName
    from .run import TrainingRun


def predicted(output: FloatArray, loss: LossName) -> FloatArray:
    """Return what the output of a network predicts: the target itself, or of the logistic loss the probability of 1.

    Examples
    --------
    >>> predicted(np.array([0.0, 1000.0]), "logistic")
    array([0.5, 1. ])
    """
    return output if loss == "squared" else 0.5 * (1 + np.tanh(0.5 * output))  # which never overflows


def run_scores(run: TrainingRun) -> dict[str, float | None]:
    """Return the scores of a run on its training rows and, if it has them, on its validation rows.

    Where the targets have exactly two values these are classes: the accuracy is the share of the rows that are
    predicted nearer to their own class. Otherwise R2 is 1 minus the squared error over that of the mean target,
    averaged over the outputs. RMSE is the root of the mean squared error in the units of the target, of the logistic
    loss that of the probability.

    Returns
    -------
    dict
        With keys such as ``r2_training`` and ``rmse_validation``. R2 is None if the targets are constant, for then
        it is not defined.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=500, n_features=3)
    >>> scheme = sl.gradient_descent(rounds=300)
    >>> [f"{name} {score:.2f}" for name, score in run_scores(sl.train(net, np.eye(3), np.arange(3.0), scheme)).items()]
    ['r2_training 1.00', 'rmse_training 0.00']
    """
    data = run.data
    classes = np.unique(data.y)[:3]
    parts = {"training": (data.X, data.y), "validation": (data.X_validation, data.y_validation)}
    found: dict[str, float | None] = {}
    for name, (X, y) in parts.items():
        if X is None or y is None:
            continue
        guess = predicted(run.predict(X), run.settings.loss)
        if len(classes) == 2:
            middle = classes.mean()
            found[f"accuracy_{name}"] = float(np.mean((guess > middle) == (y > middle)))
        else:
            found[f"r2_{name}"] = _r2(y, guess)
        found[f"rmse_{name}"] = float(np.sqrt(np.mean((y - guess) ** 2)))
    return found


def _r2(y: FloatArray, guess: FloatArray) -> float | None:
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    if not np.all(spread > 0):
        return None
    return float(np.mean(1 - ((y - guess) ** 2).sum(axis=0) / spread))
