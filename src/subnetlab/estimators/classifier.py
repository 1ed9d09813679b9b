"""SubnetClassifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..core import checks
from ..core.losses import LOSSES
from ..surroundings import undisturbed
from .base import SubnetEstimator
from .weights import checked_weights

if TYPE_CHECKING:
    from typing import Self

    from ..core.arrays import FloatArray
    from ..core.losses import LossName


@dataclass(kw_only=True, eq=False, repr=False)
class SubnetClassifier(ClassifierMixin, SubnetEstimator):
    """Classification by a shallow ReLU network that is trained as random subnetworks (Algorithm 1).

    Two classes have one output, more have one output each (one class against the rest). Features are treated as in
    `SubnetRegressor`.

    Parameters
    ----------
    loss : {"logistic", "squared"}, default "logistic"
        "squared" fits outputs of -1 and +1.
    **parameters
        Those of `SubnetRegressor`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    validation_errors_ : ndarray
        Mean deviance or squared error of the held-out rows at each check; with early stopping.

    And those of `SubnetRegressor`, without the target's scaling.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SubnetClassifier(random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    loss: LossName = "logistic"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X, shape (n, d), classes y, shape (n,), and weights, shape (n,); see `SubnetRegressor.fit`."""
        going_on = self.warm_start and hasattr(self, "network_")
        with self._all_or_nothing():
            return self._fit_classes(X, y, sample_weight, classes=None, fresh=not going_on)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go on training with one pass over these rows; the first call fixes scaling and classes.

        Parameters
        ----------
        classes : array, shape (n_classes,), optional
            All classes that will ever be seen, for the first call; those of ``y`` if None.
        """
        fresh = not hasattr(self, "network_")
        with self._all_or_nothing():
            return self._fit_classes(X, y, sample_weight, classes=classes, fresh=fresh, one_pass=True)

    @undisturbed(threads=1)
    def decision_function(self, X: Any) -> FloatArray:
        """Return the whole network's output, with the factor xi; shape (n,) for two classes, else (n, n_classes)."""
        return self._output(self._checked(X))

    @undisturbed(threads=1)
    def predict(self, X: Any) -> Any:
        """Return the most probable class of each row, shape (n,)."""
        output = self.decision_function(X)
        best = (output > 0).astype(int) if output.ndim == 1 else output.argmax(axis=1)
        return self.classes_[best]

    @undisturbed(threads=1)
    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probability of each class, shape (n, n_classes)."""
        return self._probabilities(self.decision_function(X))

    @undisturbed(threads=1)
    def predict_std(self, X: Any, n_samples: int = 100) -> FloatArray:
        """Return the standard deviation over random subnetworks of each class's probability, shape (n, n_classes)."""
        outputs = self._subnetwork_outputs(self._checked(X), n_samples)
        return np.std([self._probabilities(output) for output in outputs], axis=0)

    def _fit_classes(
        self, X: Any, y: Any, sample_weight: Any, *, classes: Any, fresh: bool, one_pass: bool = False
    ) -> Self:
        checks.one_of("SubnetClassifier", "loss", self.loss, tuple(LOSSES))
        X, y = validate_data(self, X, y, reset=fresh, dtype=np.float64, order="C")
        check_classification_targets(y)
        seen = np.unique(y)
        known = np.unique(classes) if classes is not None else seen if fresh else self.classes_
        if not fresh and not np.array_equal(known, self.classes_):
            raise ValueError(f"SubnetClassifier: classes must be {self.classes_} as in the first call, got {known}")
        unknown = np.setdiff1d(seen, known)
        if len(unknown):
            raise ValueError(f"SubnetClassifier: y must hold the classes {known}, got {unknown} too")
        if len(known) < 2:
            raise ValueError(f"SubnetClassifier: y must hold at least two classes, got the one class {known[0]}")
        weights = checked_weights(sample_weight, X, "SubnetClassifier")
        X, numbers, weights = self._rows(X, np.searchsorted(known, y), weights)
        one_hot = (numbers[:, np.newaxis] == np.arange(len(known))).astype(np.float64)
        targets = one_hot[:, 1] if len(known) == 2 else one_hot
        if self.loss == "squared":
            targets = 2 * targets - 1
        self._fit(X, targets, weights, self.loss, fresh=fresh, one_pass=one_pass, classes=numbers)
        self.classes_ = known
        return self

    def _chance(self, output: FloatArray) -> FloatArray:
        return expit(output) if self.loss == "logistic" else np.clip(0.5 * (1 + output), 0, 1)

    def _probabilities(self, output: FloatArray) -> FloatArray:
        """Return each class's own probability, scaled to sum to one over more than two classes."""
        if output.ndim == 1:
            return np.column_stack([self._chance(-output), self._chance(output)])
        p = self._chance(output)
        total = p.sum(axis=1, keepdims=True)
        return np.where(total > 0, p / np.where(total > 0, total, 1), 1 / p.shape[1])
