"""What both estimators share: parameters, fitting by rounds, going on, the network's output in batches of rows."""

from __future__ import annotations

import inspect
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..core import checks
from ..core.losses import LOSSES
from ..core.network import ShallowReLU
from ..core.randomness import Purpose, random_words
from ..core.scheme import TrainingScheme
from ..surroundings import undisturbed
from ..training import TrainingSession
from .hold_out import distinct_rows, hold_out
from .scaling import FeatureScaling, warn_about_bad_scaling
from .schemes import FEW_ROWS, OF_NAMED_SCHEMES, build_scheme, unused_parameters
from .stopping import EarlyStopping, run_rounds
from .weights import weights_in_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.arrays import FloatArray, IntArray
    from ..core.losses import LossName
    from ..core.masks import MaskLaw
    from .hold_out import Targets
    from .schemes import SchemeName

_ROWS_AT_ONCE = 4096
_PER_OUTPUT, _FEW_OUTPUTS, _WIDTH = 20, 10, 128  # neurons; see `SubnetRegressor`
_FIXED_BY_START = ("width", "init_scale", "random_state")
_TOL = 1e-4  # of the validation error, whose scale is that of targets with variance one


@dataclass(kw_only=True, eq=False, repr=False)
class SubnetEstimator(BaseEstimator):
    """The shell around `TrainingSession`; `SubnetRegressor` and `SubnetClassifier` say what goes in and out."""

    width: int | str = "auto"
    init_scale: float = 0.05
    scheme: SchemeName | TrainingScheme = "ist"
    n_subnetworks: int = 2
    selection_prob: float = 0.5
    rounds: int | str = "auto"
    local_steps: int = 10
    step_size: float | str = "auto"
    batch_size: int | str | None = "auto"
    learn_output_weights: bool = False
    warm_start: bool = False
    early_stopping: bool | str = "auto"
    validation_fraction: float = 0.1
    n_rounds_no_change: int = 10
    random_state: Any = None
    n_jobs: int | None = None
    verbose: bool | int = False
    engine: str = "auto"
    dtype: str = "auto"

    network_: ShallowReLU = field(init=False)
    feature_scaling_: FeatureScaling = field(init=False)
    masks_: MaskLaw = field(init=False)
    n_iter_: int = field(init=False)
    _seed: int = field(init=False)
    _start: dict[str, Any] = field(init=False)  # the parameters that it began with
    _sessions: int = field(init=False)  # trained so far: each has masks of its own

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Put all attributes back if the block fails, so that an earlier fit stays as it was."""
        before = dict(vars(self))
        try:
            with undisturbed():
                yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fit(
        self,
        X: FloatArray,
        y: FloatArray,
        sample_weight: FloatArray | None,
        loss: LossName,
        *,
        fresh: bool,
        one_pass: bool = False,
        classes: IntArray | None = None,
    ) -> None:
        """Train on checked features and on targets in the network's units.

        Parameters
        ----------
        fresh : bool
            Start from a new network, or else go on with the present one.
        one_pass : bool
            One pass over the rows instead of all rounds, without early stopping.
        classes : ndarray of int, shape (n,), optional
            The number of each row's class: validation rows shall hold them in the shares of all rows.
        """
        if fresh:
            warn_about_bad_scaling(X, sample_weight, type(self).__name__)
            self._begin(X, y, sample_weight)
        else:
            self._refuse_another_start()
        vars(self).pop("validation_errors_", None)  # of an earlier fit
        self._warn_of_unused()
        features = self.feature_scaling_.transform(X)
        stopping = None
        if not one_pass and self._stops_early(len(X)):
            features, y, sample_weight, stopping = self._hold_out(features, y, sample_weight, loss, classes)
        scheme = self._scheme(len(features))
        if one_pass:
            rows = scheme.batch_size or len(X)
            scheme = replace(scheme, rounds=max(1, round(len(X) / (rows * scheme.local_steps))))
        session = TrainingSession(
            self.network_,
            features,
            y,
            scheme,
            seed=int(random_words(self._seed, Purpose.SESSIONS, 0, self._sessions, 1)[0]),
            engine=self.engine,
            dtype=self._dtype(scheme),
            threads=_threads(self.n_jobs, type(self).__name__),
            record="none",
            sample_weight=sample_weight if isinstance(scheme.step_size, float) else weights_in_range(sample_weight),
            loss=loss,
            learn_output_weights=self.learn_output_weights,
        )
        network = run_rounds(session, stopping, progress=bool(self.verbose))
        self.network_ = ShallowReLU(network.weights.astype(np.float64), network.output_weights.astype(np.float64))
        self._sessions += 1
        self.n_iter_ += session.rounds_done
        self.masks_ = scheme.masks
        self.step_size_ = session.settings.step_size
        if stopping is not None:
            self.validation_errors_ = np.array(stopping.errors)

    def _begin(self, X: FloatArray, y: FloatArray, sample_weight: FloatArray | None) -> None:
        """Set what a fit starts from: the random network, and features scaled as these rows want."""
        name = type(self).__name__
        self._seed, self._sessions, self.n_iter_ = int(check_random_state(self.random_state).randint(2**31)), 0, 0
        self.feature_scaling_ = FeatureScaling.of(X, sample_weight)
        outputs = None if y.ndim == 1 else y.shape[1]
        width = self.width
        if isinstance(width, str):
            checks.one_of(name, "width", width, ("auto",))
            width = _WIDTH if outputs is None or outputs <= _FEW_OUTPUTS else _PER_OUTPUT * outputs
        self.network_ = ShallowReLU.initialize(
            checks.whole_number(name, "width", width, least=1),
            X.shape[1] + 1,
            checks.positive_number(name, "init_scale", self.init_scale),
            self._seed,
            n_outputs=outputs,
        )
        self._start = {parameter: getattr(self, parameter) for parameter in _FIXED_BY_START}

    def _warn_of_unused(self) -> None:
        """Warn of parameters that are set but change nothing."""
        parameters = self.get_params(deep=False)
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        unused = unused_parameters(self.scheme, self.early_stopping, parameters, defaults)
        if unused:
            scheme = "a TrainingScheme" if isinstance(self.scheme, TrainingScheme) else f"scheme={self.scheme!r}"
            given = ", ".join(f"{name}={parameters[name]!r}" for name in unused)
            warnings.warn(
                f"{type(self).__name__}: {given} changes nothing with {scheme} and early_stopping="
                f"{self.early_stopping!r}",
                UserWarning,
                stacklevel=5,
            )

    def _refuse_another_start(self) -> None:
        """Raise ValueError if a parameter that decided how the present network began has changed since."""
        for name, value in getattr(self, "_start", {}).items():  # estimators pickled before have none
            now = getattr(self, name)
            if now is not value and now != value:
                raise ValueError(
                    f"{type(self).__name__}: {name} must be {value!r} as in the first fit while training goes on, "
                    f"got {now!r}; fit with warm_start=False begins anew"
                )

    def _scheme(self, n_samples: int) -> TrainingScheme:
        parameters = {name: getattr(self, name) for name in OF_NAMED_SCHEMES}
        return build_scheme(type(self).__name__, self.scheme, n_samples, **parameters)

    def _dtype(self, scheme: TrainingScheme) -> Any:
        if self.dtype == "auto":
            return "float64" if scheme.batch_size is None else "float32"
        return self.dtype

    def _stops_early(self, n_samples: int) -> bool:
        if self.early_stopping == "auto":
            return n_samples > FEW_ROWS
        return checks.flag(type(self).__name__, "early_stopping", self.early_stopping)

    def _rows(
        self, X: FloatArray, y: Targets, sample_weight: FloatArray | None
    ) -> tuple[FloatArray, Targets, FloatArray | None]:
        """Return the rows to work on: where the fit draws from them, equal ones are one (`distinct_rows`)."""
        scheme = self._scheme(len(X))
        if scheme.batch_size is None and scheme.shards is None and not self._stops_early(len(X)):
            return X, y, sample_weight
        return distinct_rows(X, y, sample_weight)

    def _hold_out(
        self,
        features: FloatArray,
        y: FloatArray,
        sample_weight: FloatArray | None,
        loss: LossName,
        classes: IntArray | None,
    ) -> tuple[FloatArray, FloatArray, FloatArray | None, EarlyStopping | None]:
        """Take the validation rows out of the training rows, if there are enough."""
        name = type(self).__name__
        fraction = checks.probability(name, "validation_fraction", self.validation_fraction)
        patience = checks.whole_number(name, "n_rounds_no_change", self.n_rounds_no_change, least=1)
        train, held_out = hold_out(len(y), fraction, self._seed, classes)
        if len(held_out) == 0:
            warnings.warn(
                f"{name}: no row can be held out of {len(y)} distinct ones, so training does not stop early",
                UserWarning,
                stacklevel=5,
            )
            return features, y, sample_weight, None
        s = (None, None) if sample_weight is None else (sample_weight[train], sample_weight[held_out])
        stopping = EarlyStopping(features[held_out], y[held_out], s[1], LOSSES[loss], patience, _TOL)
        return features[train], y[train], s[0], stopping

    def _checked(self, X: Any) -> FloatArray:
        """Return features to predict from, as float64."""
        check_is_fitted(self)
        return cast("FloatArray", validate_data(self, X, reset=False, dtype=np.float64, order="C"))

    def _output(self, X: FloatArray) -> FloatArray:
        """Return u(x) for each row, in the network's units, with the factor xi."""
        xi = self.masks_.selection_prob
        return _by_blocks(X, lambda rows: self.network_.output(self.feature_scaling_.transform(rows), xi))

    def _subnetwork_outputs(self, X: FloatArray, n_samples: Any) -> list[FloatArray]:
        """Return the outputs of ``n_samples`` subnetworks with masks of their own, in the network's units."""
        name = type(self).__name__
        count = checks.whole_number(name, "n_samples", n_samples, least=2)
        features = self.feature_scaling_.transform(X)
        network = self.network_
        return [
            _by_blocks(features, lambda rows, mask=mask: network.subnetwork_output(rows, mask))
            for mask in _sampled_masks(self.masks_, self._seed, network.width, count)
        ]


def _sampled_masks(law: MaskLaw, seed: int, width: int, count: int) -> list[Any]:
    p = law.n_subnetworks
    rounds = -(-count // p)
    law.check(width, rounds)
    own_seed = int(random_words(seed, Purpose.PREDICTION, 0, 0, 1)[0])
    return [mask for k in range(rounds) for mask in law.sample(own_seed, k, width)][:count]


def _by_blocks(X: FloatArray, function: Any) -> FloatArray:
    """Return the function's values of all rows, a few thousand rows at a time to bound the memory."""
    starts = range(0, len(X), _ROWS_AT_ONCE)
    return np.concatenate([function(X[start : start + _ROWS_AT_ONCE]) for start in starts])


def _threads(n_jobs: int | None, owner: str) -> int:
    """Return the number of threads: None is 1, and negative numbers count from the number of cores as in joblib."""
    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise ValueError(f"{owner}: n_jobs must not be 0")
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)
