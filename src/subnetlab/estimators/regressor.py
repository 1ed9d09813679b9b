"""SubnetRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from ..surroundings import undisturbed
from .base import SubnetEstimator
from .scaling import TargetScaling
from .weights import checked_weights

if TYPE_CHECKING:
    from typing import Self

    from ..core.arrays import FloatArray


class SubnetRegressor(RegressorMixin, SubnetEstimator):
    """Regression by a shallow ReLU network that is trained as random subnetworks (Algorithm 1), with squared loss.

    The network sees the features moved to mean zero and divided by one common number, a constant column for the
    intercept, and targets of mean zero and variance one. Features of very different scale need a `StandardScaler`
    before; a warning says so.

    Parameters
    ----------
    width : int or "auto", default "auto"
        m, hidden neurons. "auto" is 128 for up to ten outputs and 20 for each output of more, which share the neurons.
    init_scale : float, default 0.05
        kappa. Small values let the weights move far from their start, so that features are learned; with 1 the
        network stays close to kernel regression with the NTK.
    scheme : {"ist", "dropout", "multi_sample_dropout", "gradient_descent"} or TrainingScheme, default "ist"
        How masks are drawn: Independent Subnet Training, one Bernoulli subnetwork, several, or none. A
        `TrainingScheme` is used as it is, and the six parameters from ``n_subnetworks`` to ``batch_size`` are not.
    n_subnetworks : int, default 2
        p, for "ist" and "multi_sample_dropout".
    selection_prob : float, default 0.5
        xi, the chance to KEEP a neuron, for "dropout" and "multi_sample_dropout".
    rounds : int or "auto", default "auto"
        K, at most. "auto" is as many as hold 100 local steps on full batches, or one local step per row, up to 2,000.
    local_steps : int, default 10
        tau, for "ist" and "gradient_descent" (where it changes nothing but the size of a round).
    step_size : float, "auto" or "theory", default "auto"
        eta in the network's units, see `TrainingScheme`.
    batch_size : int, None or "auto", default "auto"
        Rows per local step; None is all. "auto" is all up to 500 rows and 200 above.
    learn_output_weights : bool, default False
        The paper keeps them fixed at -1 and +1.
    warm_start : bool, default False
        Whether `fit` goes on with the present network and scalings. It refuses another ``width``, ``init_scale`` or
        ``random_state`` then; every other parameter may change.
    early_stopping : bool or "auto", default "auto"
        Hold rows out, stop when their error no longer falls, and keep the best network. "auto" means above 500 rows.
        Rows of weight zero do not count, and equal rows are held out together.
    validation_fraction : float, default 0.1
        Share of the rows held out.
    n_rounds_no_change : int, default 10
        Rounds without better validation error before stopping.
    random_state : int, RandomState or None
    n_jobs : int, optional
        Threads; -1 is all cores. Another number may give other last bits.
    verbose : bool, default False
        Show a progress bar on stderr if that is a terminal, otherwise print a line a minute.
    engine : str, default "auto"
        A name in ``subnetlab.engines.table.ENGINES``; "auto" is the fastest by the cost model, as in
        `subnetlab.train`.
    dtype : {"auto", "float64", "float32"}
        "auto" is float32 for minibatches and float64 for full batches.

    Attributes
    ----------
    network_ : ShallowReLU
    masks_ : MaskLaw
        Its ``selection_prob`` is the factor xi of predictions.
    step_size_ : float
        eta as a number.
    n_iter_ : int
        Rounds done, those of `partial_fit` and warm starts included.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X had names.
    feature_scaling_, target_scaling_
        Between the user's units and the network's.
    validation_errors_ : ndarray
        Mean squared error of the held-out rows at each check, in units of the targets' variance; with early stopping.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SubnetRegressor(random_state=0).fit(X[:300], y[:300])
    >>> bool(model.score(X[300:], y[300:]) > 0.4)
    True
    >>> model.predict_std(X[300:302]).shape
    (2,)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X, shape (n, d), targets y, shape (n,) or (n, o), and weights, shape (n,).

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data break their rule; an earlier fit stays as it was.
        DivergenceError
            If a given step size proves too large.
        """
        going_on = self.warm_start and hasattr(self, "network_")
        with self._all_or_nothing():
            return self._fit_targets(X, y, sample_weight, fresh=not going_on)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go on training with one pass over these rows; the first call fixes scalings and outputs."""
        with self._all_or_nothing():
            return self._fit_targets(X, y, sample_weight, fresh=not hasattr(self, "network_"), one_pass=True)

    @undisturbed(threads=1)
    def predict(self, X: Any) -> FloatArray:
        """Return the whole network's prediction, with the factor xi; shape (n,) or (n, o)."""
        output = self._output(self._checked(X))
        return self.target_scaling_.inverse(output)

    @undisturbed(threads=1)
    def predict_std(self, X: Any, n_samples: int = 100) -> FloatArray:
        """Return the standard deviation of ``n_samples`` random subnetworks' predictions, shape (n,) or (n, o).

        This is Monte Carlo dropout with the scheme's own masks: it measures how much the subnetworks disagree, not
        the noise of the targets. Zero for "gradient_descent".
        """
        outputs = self._subnetwork_outputs(self._checked(X), n_samples)
        return np.std(outputs, axis=0) * self.target_scaling_.scale

    def _fit_targets(self, X: Any, y: Any, sample_weight: Any, *, fresh: bool, one_pass: bool = False) -> Self:
        X, y = validate_data(
            self, X, y, reset=fresh, dtype=np.float64, order="C", multi_output=True, y_numeric=True
        )  # another order in memory gives other bits
        y, weights = y.astype(np.float64), checked_weights(sample_weight, X, "SubnetRegressor")
        X, y, weights = self._rows(X, y, weights)
        if not fresh and y.shape[1:] != self.network_.output_weights.shape[1:]:
            raise ValueError(
                f"SubnetRegressor: y must have the outputs {self.network_.output_weights.shape[1:]} of the first fit, "
                f"got {y.shape[1:]}"
            )
        scaling = TargetScaling.of(y, weights) if fresh else self.target_scaling_.widened(y, weights)
        self._fit(X, scaling.transform(y), weights, "squared", fresh=fresh, one_pass=one_pass)
        self.target_scaling_ = scaling
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags
