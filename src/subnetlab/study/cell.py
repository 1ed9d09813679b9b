"""One cell of a study: the settings of one training run, and the hash of everything that decides its result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core import checks
from ..core.law_check import check_first_masks
from ..core.losses import LOSSES
from ..core.masks.naming import own_laws
from ..core.renamed import renamed_arguments
from ..core.scheme import TrainingScheme
from ..datasets import check_numeric_targets
from ..engines.choice import Workload, resolve_engine
from ..engines.table import ENGINES, check_capabilities, needed_capabilities
from ..training.request import RENAMED, STORED_AS, RunOptions
from ..training.run import COMPARISONS
from . import module_cell
from .data import DatasetSpec
from .networks import SHALLOW, NetworkText

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.aggregation import Unselected
    from ..core.scheme import StepSize
    from ..engines.base import Problem
    from ..training.run import Compare
    from .data import StudyData

_OF_THE_SCHEME = (
    *("masks", "n_subnetworks", "selection_prob", "rounds", "local_steps"),
    *("step_size", "unselected", "shards", "batch_size", "cut_groups"),
)
_RESULT_VERSION = 1  # raise when the meaning of a stored result changes: masks, initial weights, step sizes, curves

_FIRST = ("seed", "engine", "dtype", "record", "diagnostics")  # options of a run that version 0.1.0 had
ADDED: dict[str, Any] = {"loss": "squared", "learn_output_weights": False, "compare": None, "device": "cpu"}
ADDED |= {option.name: option.default for option in fields(RunOptions) if option.name not in (*_FIRST, *ADDED)}
ADDED |= {"network": SHALLOW, **module_cell.SETTINGS}
"""Settings that version 0.1.0 did not have, with the values that cells had then.

At these values they are left out of a cell's key and of what the store keeps of it: results that version stored are
still found, and it could read new ones.
"""


@renamed_arguments(**RENAMED)
@dataclass(frozen=True)
class Cell(RunOptions):
    """The settings of one training run, as plain values.

    Parameters
    ----------
    dataset : DatasetSpec
    width : int or None
        m, of the shallow network; None for another.
    rounds : int
        K.
    masks : str, default "bernoulli"
        The mask law's name in ``subnetlab.core.masks.LAWS``, or ``module:Class``.
    n_subnetworks : int, default 1
        p.
    selection_prob : float, optional
        xi; only for laws that have one.
    local_steps : int, default 1
        tau.
    step_size : float or {"auto", "theory"}
        eta.
    init_scale : float, default 1.0
        kappa.
    network_seed : int or "seed", default 0
        Of the initial weights and signs; "seed" gives each ``seed`` an initial network of its own.
    unselected, shards, batch_size
        As in `TrainingScheme`.
    engine, dtype, record, diagnostics, seed, loss, learn_output_weights, compare, device
        As in `subnetlab.train`, except that something must be recorded.
    network : str, default "shallow"
        The paper's network, or one of torch: ``mlp(64, 64)``, ``cnn``, ``resnet``, ``transformer`` with settings
        of ``subnetlab.modules.by_name``, or ``module:factory`` of one's own. `subnetlab.study.module_cell` says what
        the other settings mean for it.
    cut_groups, scale, state, optimizer, evaluate_every
        Of networks of torch alone: as in `TrainingScheme` and `subnetlab.ModuleTraining`; ``optimizer`` is a name in
        ``subnetlab.modules.by_name.OPTIMIZERS``; the whole network is measured after every so many rounds, each of them
        if ``evaluate_every`` is None.
    curves : {"float32", "float64", "none"}
        The precision in which the errors of all rounds are stored. Final values are float64 in any case.

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule or two do not fit each other.

    Examples
    --------
    >>> from subnetlab.study import DatasetSpec
    >>> cell = Cell(DatasetSpec("crime", n_samples=100), width=4000, rounds=200, selection_prob=0.5)
    >>> cell.scheme().masks
    Bernoulli(n_subnetworks=1, selection_prob=0.5)
    """

    dataset: DatasetSpec
    width: Any  # int or None
    rounds: int
    masks: str = "bernoulli"
    n_subnetworks: int = 1
    selection_prob: float | None = None
    local_steps: int = 1
    step_size: StepSize = "auto"
    init_scale: float = 1.0
    network_seed: int | Literal["seed"] = 0
    unselected: Unselected = "keep"
    shards: int | None = None
    batch_size: int | None = None
    curves: Literal["float32", "float64", "none"] = "float32"
    compare: Compare | None = None
    network: str = SHALLOW
    cut_groups: str = "all"
    scale: float = 1.0
    state: str = "reset"
    optimizer: str = "sgd"
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("init_scale", "step_size", "selection_prob", "scale"):  # 1 and 1.0 are one setting and one hash
            value = getattr(self, name)
            if isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, name, float(value))
        if isinstance(self.network_seed, str) and self.network_seed != "seed":
            raise ValueError(f"Cell: network_seed must be a whole number or 'seed', got {self.network_seed!r}")
        checks.whole_number("Cell", "network_seed", self.own_network_seed, least=0)
        checks.seed_number("Cell", self.own_network_seed)
        checks.one_of("Cell", "record", self.record, ("mean", "subnetworks", "rounds"))
        checks.one_of("Cell", "curves", self.curves, ("float32", "float64", "none"))
        object.__setattr__(self, "network", str(NetworkText.parsed(self.network)))
        if self.network == SHALLOW:
            self._check_shallow()
        else:
            self.check("Cell", losses=tuple(module_cell.LOSSES))
            module_cell.check(self)
        self.scheme()

    def _check_shallow(self) -> None:
        """Raise unless the settings are those of the paper's network."""
        check_numeric_targets("Cell", self.dataset.name)
        checks.whole_number("Cell", "width", self.width, least=1)
        checks.positive_number("Cell", "init_scale", self.init_scale)
        checks.one_of("Cell", "engine", self.engine, ("auto", *ENGINES))
        module_cell.check_at_default(self, module_cell.SETTINGS)
        if self.compare is not None:
            checks.one_of("Cell", "compare", self.compare, COMPARISONS)
        self.check("Cell")
        if self.step_size == "theory" and (reason := self.beyond_the_paper()):
            raise ValueError(
                f"Cell: step_size must be a number or 'auto', got 'theory', which covers the squared loss and fixed "
                f"signs only: {reason}"
            )

    def beyond_the_paper(self) -> str:
        """Return why the paper's theorems are not about this cell; empty if they are."""
        if self.network != SHALLOW:
            return (
                f"the theory is about one hidden layer with fixed output weights, the cell's network is {self.network}"
            )
        return super().beyond_the_paper()

    @property
    def own_network_seed(self) -> int:
        """The seed of the initial network as a number."""
        return self.seed if self.network_seed == "seed" else self.network_seed

    def scheme(self) -> TrainingScheme:
        """Return the training scheme."""
        return TrainingScheme.from_settings(**{name: getattr(self, name) for name in _OF_THE_SCHEME}, owner="Cell")

    def engine_problem(self, data: StudyData) -> Problem:
        """Return what an engine is asked for; all output weights of initial networks are -1 or +1."""
        output_weights = np.broadcast_to(1.0, (self.width, *data.y.shape[1:]))
        return self.problem(data.X, data.y, output_weights, self.scheme().masks.selection_prob)

    def workload(self, data: StudyData) -> Workload:
        """Return what decides the cost of a round."""
        return Workload.estimate(self.engine_problem(data), self.scheme(), init_scale=self.init_scale, dtype=self.dtype)

    def settings(self) -> dict[str, Any]:
        """Return all settings flat, JSON-able, those of the dataset under their own names."""
        own = {name: getattr(self, name) for name in _NAMES}
        return {**self.dataset.settings(), **own, "diagnostics": list(self.diagnostics)}

    def stored_settings(self) -> dict[str, Any]:
        """Return the settings under the names that files have, without those in `ADDED` that have their old value."""
        kept = {name: value for name, value in self.settings().items() if name not in ADDED or value != ADDED[name]}
        return {STORED_AS.get(name, name): value for name, value in kept.items()}

    def resolved(self, data: StudyData | None = None) -> Cell:
        """Return the cell with its engine, and a dataset left open by "auto", named.

        Raises
        ------
        ValueError
            If the data fit neither scheme nor loss, a law of the user's own draws what is no mask, or the engine
            cannot do what is asked.
        ImportError
            If the engine needs an extra that is not installed.
        """
        data = data or self.dataset.load()
        spec = replace(self.dataset, name=data.name) if self.dataset.name == "auto" else self.dataset
        if self.network != SHALLOW:
            return replace(self, engine=module_cell.resolved_engine(self, data), dataset=spec)
        LOSSES[self.loss].check(data.y, owner="Cell")
        scheme = self.scheme()
        scheme.check(self.width, len(data.X))
        if own_laws([self.masks]):  # this package's own laws draw what they must
            check_first_masks(scheme.masks, self.seed, self.width)
        if self.record == "subnetworks":
            values = self.rounds * (self.local_steps + 1) * self.n_subnetworks
            checks.memory("Cell", "record", "errors of all subnetworks", 8 * values)
        request = (self.engine_problem(data), scheme)
        name = resolve_engine(self.engine, *request, init_scale=self.init_scale, dtype=self.dtype, device=self.device)
        if self.compare is not None:
            check_capabilities(self.compare, needed_capabilities(*request, "float64"))  # of the twin
        return replace(self, engine=name, dataset=spec)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Cell:
        """Return the cell that `settings` or `stored_settings` described."""
        spec = DatasetSpec.from_settings(settings)
        settings = {RENAMED.get(name, name): value for name, value in settings.items()}
        return cls(spec, **{name: settings[name] for name in _NAMES if name in settings})

    def key(self) -> str:
        """Return the hash, 64 hexadecimal digits, of everything that decides the result.

        That is every setting with the engine resolved, the content of the data, and the versions of the engine
        and of the meaning of a result. Where the data's file lies does not matter.
        """
        return self.identified()[0]

    def identified(self) -> tuple[str, Cell]:
        """Return the key and the resolved cell; see `key` and `resolved` for the errors."""
        data = self.dataset.load()
        cell = self.resolved(data)
        identity = cell.stored_settings()
        for name in self.dataset.settings():
            del identity[name]
        identity |= {
            "dataset": data.name,
            "data": data.digest,
            "network_seed": cell.own_network_seed,
            "engine_version": module_cell.VERSION if cell.network != SHALLOW else ENGINES[cell.engine].version,
            "result_version": _RESULT_VERSION,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(), cell


_OWN = [f.name for f in fields(Cell) if f.name != "dataset" and f.name not in RunOptions.names()]
_NAMES = (*(name for name in (*_OWN, *RunOptions.names()) if name not in ADDED), *ADDED)
"""The settings besides the dataset's, in the order of tables and of a study's dimensions."""
