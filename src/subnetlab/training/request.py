"""A request to train: every setting of a run and every rule, in one object; "auto" becomes a name and a number here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from ..core import checks
from ..core.inputs import check_features, check_sample_weight, check_targets
from ..core.law_check import check_first_masks
from ..core.losses import LOSSES
from ..core.network import ShallowReLU
from ..core.renamed import renamed_attribute
from ..core.scheme import TrainingScheme
from ..engines.base import DEVICES, DTYPES, Problem
from ..engines.choice import resolve_engine
from ..engines.table import ENGINES
from ..surroundings import undisturbed
from .step_size import resolve_step_size

if TYPE_CHECKING:
    from ..core.arrays import FloatArray
    from ..core.losses import LossName
    from ..engines.base import Device, Dtype

Record: TypeAlias = Literal["mean", "subnetworks", "rounds", "none"]
Diagnostic: TypeAlias = Literal["patterns", "movement"]

DIAGNOSTICS: tuple[Diagnostic, ...] = ("patterns", "movement")
STORED_AS = {"learn_output_weights": "learn_signs"}
"""Options whose names in files, and in the keys of stored results, are older ones."""
RENAMED = {old: new for new, old in STORED_AS.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunOptions:
    """What can be chosen about a run besides network, data and scheme; explained at `subnetlab.train`.

    Requests, the settings of a run and the cells of a study extend it, so a further option is one field here.
    """

    seed: int = 0
    engine: str = "auto"
    dtype: Dtype = "float64"
    record: Record = "mean"
    diagnostics: tuple[Diagnostic, ...] = ()
    loss: LossName = "squared"
    learn_output_weights: bool = False
    device: Device = "cpu"

    learn_signs: ClassVar[Any] = renamed_attribute("learn_signs", "learn_output_weights")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the options alone, without what a subclass adds."""
        return tuple(option.name for option in fields(RunOptions))

    def options(self) -> dict[str, Any]:
        """Return the options alone, by name."""
        return {name: getattr(self, name) for name in self.names()}

    def check(self, owner: str, losses: tuple[str, ...] = tuple(LOSSES)) -> None:
        """Put the options into their own types.

        Parameters
        ----------
        owner : str
            Whose options errors say they are: those of a request to train, of a study's cell, or of a file.
        losses : tuple of str
            That there are for the network.

        Raises
        ------
        TypeError, ValueError
            If an option breaks its rule. Which engines there are is left to `resolve_engine`.
        """
        checks.one_of(owner, "loss", self.loss, losses)
        checks.one_of(owner, "record", self.record, ("mean", "subnetworks", "rounds", "none"))
        checks.one_of(owner, "dtype", self.dtype, DTYPES)
        checks.one_of(owner, "device", self.device, DEVICES)
        checks.instance(owner, "diagnostics", self.diagnostics, tuple | list)
        for diagnostic in self.diagnostics:
            checks.one_of(owner, "diagnostics", diagnostic, DIAGNOSTICS)
        _set(
            self,
            diagnostics=tuple(self.diagnostics),
            seed=checks.seed_number(owner, self.seed),
            learn_output_weights=checks.flag(owner, "learn_output_weights", self.learn_output_weights),
        )

    def beyond_the_paper(self) -> str:
        """Return why the paper's theorems are not about a run with these options; empty if they are."""
        if self.loss != "squared":
            return f"the theory is about the squared loss, the run's is {self.loss}"
        return "the theory keeps the output weights fixed, the run trained them" if self.learn_output_weights else ""

    def problem(
        self,
        X: FloatArray,
        y: FloatArray,
        output_weights: FloatArray,
        selection_prob: float,
        sample_weight: FloatArray | None = None,
    ) -> Problem:
        """Return what an engine is told of a run with these options."""
        return Problem(
            X,
            y,
            output_weights,
            selection_prob,
            sample_weight,
            loss=self.loss,
            learn_signs=self.learn_output_weights,
            step_errors=self.record in ("mean", "subnetworks"),
            full_errors=self.record != "none",
        )


@dataclass(frozen=True, kw_only=True)
class RunSettings(RunOptions):
    """What decided the bits of a run, besides data, initial network and scheme: its options, with no "auto" left.

    Parameters
    ----------
    seed : int
        Of masks, shards and minibatches.
    engine : str
        The engine's name.
    engine_version : int
    dtype : {"float64", "float32"}
    threads : int
        BLAS and engine threads; another count can give other bits.
    step_size : float
        eta as a number.
    record : {"mean", "subnetworks", "rounds", "none"}
    diagnostics : tuple of {"patterns", "movement"}
    loss : {"squared", "logistic"}
    learn_output_weights : bool
        Whether the output weights were trained too.
    device : {"cpu", "cuda"}
    """

    engine_version: int
    threads: int
    step_size: float


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The data of a run.

    Parameters
    ----------
    X, y : ndarray of float64, shapes (n, d) and (n,) or (n, o)
    sample_weight : ndarray of float64, shape (n,), optional
    X_validation, y_validation : ndarray of float64, optional
        Rows that are not trained on.
    """

    X: FloatArray
    y: FloatArray
    sample_weight: FloatArray | None = None
    X_validation: FloatArray | None = None
    y_validation: FloatArray | None = None

    def __repr__(self) -> str:
        return f"TrainingData({', '.join(f'{name} {a.shape}' for name, a in vars(self).items() if a is not None)})"


@dataclass(frozen=True, eq=False)
class RunRequest(RunOptions):
    """Every setting of a run of a shallow network, checked before any work; the parameters are those of `train`.

    Parameters
    ----------
    network : ShallowReLU
    X, y : array
    scheme : TrainingScheme
    threads, validation, sample_weight, and the fields of `RunOptions`

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule or two do not fit each other.

    Examples
    --------
    >>> import subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=20, n_features=2)
    >>> request = RunRequest(net, np.eye(2), np.ones(2), sl.dropout(0.5, rounds=3), seed=1)
    >>> request.resolve().engine != "auto", request.data.X.shape
    (True, (2, 2))
    """

    network: ShallowReLU
    X: Any
    y: Any
    scheme: TrainingScheme
    threads: int = field(default=1, kw_only=True)
    validation: tuple[Any, Any] | None = field(default=None, kw_only=True)
    sample_weight: Any = field(default=None, kw_only=True)
    data: TrainingData = field(init=False)

    @undisturbed()
    def __post_init__(self) -> None:
        checks.instance("train", "network", self.network, ShallowReLU)
        checks.instance("train", "scheme", self.scheme, TrainingScheme)
        self.check("train")
        _set(self, threads=checks.whole_number("train", "threads", self.threads, least=1, most=checks.MOST_THREADS))
        _set(self, data=self._checked_data())
        self.scheme.check(self.network.width, len(self.data.X))
        check_first_masks(self.scheme.masks, self.seed, self.network.width)

    def __repr__(self) -> str:
        n, d = self.data.X.shape
        return f"RunRequest(X ({n}, {d}), width {self.network.width}, {self.scheme}, engine={self.engine!r})"

    @undisturbed()
    def resolve(self) -> RunSettings:
        """Return the settings with the engine and the step size that "auto" stands for.

        Raises
        ------
        ValueError
            If no engine, or not the one asked for, can do what is asked, or there is no such step size.
        ImportError
            If the engine needs an extra that is not installed.
        """
        network, scheme, data = self.network, self.scheme, self.data
        problem = self.problem(data.X, data.y, network.output_weights, scheme.masks.selection_prob, data.sample_weight)
        # to two digits it is the scale that the network was drawn with: a study, which draws none, decides the same
        with np.errstate(over="ignore"):
            init_scale = float(f"{np.sqrt(np.mean(network.weights**2)):.1e}")
        engine = resolve_engine(
            self.engine, problem, scheme, init_scale=init_scale, dtype=self.dtype, device=self.device
        )
        with undisturbed(self.threads):  # eta decides bits as much as the rounds do
            step_size = resolve_step_size(
                network, data, scheme, self.loss, learn_output_weights=self.learn_output_weights
            )
        return RunSettings(
            **{**self.options(), "engine": engine},
            engine_version=ENGINES[engine].version,
            threads=self.threads,
            step_size=step_size,
        )

    def _checked_data(self) -> TrainingData:
        """Return the data; the errors name what fits neither the other arrays nor the network nor the loss."""

        def pair(X: Any, y: Any, suffix: str) -> tuple[Any, Any]:
            a = self.network.output_weights
            X = check_features(X, owner="train", name="X" + suffix, n_features=self.network.n_features)
            y = check_targets(y, len(X), owner="train", name="y" + suffix)
            if y.shape[1:] != a.shape[1:]:
                raise ValueError(
                    f"train: y{suffix} must fit the network's output_weights {a.shape}, got shape {y.shape}"
                )
            LOSSES[self.loss].check(y, owner="train", name="y" + suffix)
            return X, y

        X, y = pair(self.X, self.y, "")
        validation = self.validation
        if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
            raise TypeError(f"train: validation must be a pair (X, y), got {type(validation).__name__}")
        weights = check_sample_weight(self.sample_weight, len(X), owner="train")
        return TrainingData(X, y, weights, *((None, None) if validation is None else pair(*validation, "_validation")))


def _set(options: Any, **values: Any) -> None:
    """Set fields of a frozen object while it is made."""
    for name, value in values.items():
        object.__setattr__(options, name, value)
