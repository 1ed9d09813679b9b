"""The result of training a module: the whole network, what was measured, and everything needed to go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..core.masks.groups import whole_factors
from ..modules.checkpoint import cut_again
from ..modules.coverage import coverage
from ..modules.data import checked_dataset
from ..modules.evaluation import evaluate, outputs
from ..modules.evaluation import recalibrate as recalibrated
from ..modules.measures import movement
from ..modules.ntk import module_ntk
from ..modules.recalibration import check_can_recalibrate, rows_to_recalibrate
from ..modules.training import ModuleTraining
from ..plotting import plot
from .module_reading import StoredModuleRun, read_module_run, unmeasured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..core.arrays import FloatArray
    from ..core.scheme import TrainingScheme
    from ..modules.cutting import Cut
    from ..modules.evaluation import Loss, Metric
    from ..modules.ntk import ModuleNTK
    from .module_reading import Status
    from .module_request import ModuleRequest


@dataclass(frozen=True, eq=False)
class ModuleRun(StoredModuleRun):
    """A run of Algorithm 1 on a module, finished or not; what it shares with its file is said by `StoredModuleRun`.

    Parameters
    ----------
    cut : Cut
    """

    cut: Cut

    @classmethod
    def of(cls, training: ModuleTraining, request: ModuleRequest, status: Status | None = None) -> ModuleRun:
        """Return the run of a training as it stands."""
        finished = training.rounds_done >= training.scheme.rounds
        history = training.history or unmeasured(training.scheme, training.rounds_done)
        standing: Status = "finished" if finished else "unfinished"
        return cls(training.scheme, history, status or standing, request, training.snapshot(), training.cut)

    @property
    def model(self) -> Any:
        """A copy of the user's own module with the trained weights; ``state_dict()`` needs nothing of this package."""
        return self.snapshot.model(self.cut, self.scheme)

    @property
    def training(self) -> ModuleTraining:
        """A `ModuleTraining` after the last completed round, for a loop of one's own."""
        return self.continued(self.scheme, self.request)

    def continued(self, scheme: TrainingScheme, request: ModuleRequest) -> ModuleTraining:
        """Return a training that goes on from here; its bits are those of an uninterrupted one.

        Raises
        ------
        ValueError
            If scheme or settings differ from the run's in more than the number of rounds.
        """
        return ModuleTraining.continuing(self.snapshot, self.cut, scheme, **request.training)

    def __repr__(self) -> str:
        history = self.history
        size = sum(parameter.numel() for parameter in self.cut.model.parameters())
        last = f", loss {history.local_loss[-1, -1]:.4g}" if history.rounds else ""
        return f"ModuleRun({self.rounds_done} of {self.scheme.rounds} rounds, {size:,} parameters, {self.status}{last})"

    def plot(self, ax: Any = None, *, style: Any = "publication") -> Any:
        """Draw the mean losses round by round; see `subnetlab.plotting.plot`."""
        return plot("history", self.history, ax=ax, style=style, label="mean loss")

    def coverage(self, *, rounds: int | None = None) -> dict[str, float]:
        """Return the share of each parameter's entries that a round of this run trained, in the mean; a measurement.

        The mean is over all completed rounds, or over the first ones if ``rounds`` says how many.
        """
        names = [name for name, _ in self.cut.model.named_parameters()]
        law, cut_groups, seed = self.scheme.masks, self.scheme.cut_groups, self.settings["seed"]
        first = max(1, self.rounds_done) if rounds is None else rounds
        return coverage(self.cut.units, names, law, cut_groups, first, seed)

    def movement(self) -> dict[str, FloatArray]:
        """Return how far each unit is from where it began, by group, shapes (m_g,); a measurement."""
        return movement(self.cut, self.snapshot.below("entry"))

    def ntk(self, X: Any) -> ModuleNTK:
        """Return the tangent kernel of the trained whole network on some rows; a measurement, see `module_ntk`."""
        scheme, scale = self.scheme, float(self.settings["scale"])
        factors = whole_factors(scheme.masks, scheme.cut_groups, self.cut.units, scale)
        return module_ntk(self.cut, X, factors=factors, state=self.snapshot.below("entry"))

    def predict(self, X: Any, *, batch_size: int = 1000) -> Any:
        """Return the outputs of the whole network in evaluation mode, for every row of X.

        X is a tensor or array, or a tuple or dict of the network's arguments, see
        `subnetlab.modules.evaluation.outputs`.
        """
        return outputs(self.model, X, batch_size=batch_size, takes=self.cut.graph.inputs.described())

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        metrics: Mapping[str, Metric] | tuple[str, ...] = (),
        *,
        batch_size: int = 1000,
        recalibrate: Any = False,
    ) -> dict[str, float]:
        """Return mean loss and metrics of the whole network on other rows: X and y, or a map-style Dataset alone.

        Parameters
        ----------
        X, y, metrics
            As `subnetlab.train` takes them.
        batch_size : int, default 1000
        recalibrate : bool, int, pair (X, y) or Dataset, default False
            Estimate batch norm's running statistics anew before: on all rows that the run was trained on (True), the
            first so many of them, or given rows. The run keeps the statistics that it has.

        Raises
        ------
        TypeError, ValueError
            If an argument breaks its rule, the network has no batch norm to recalibrate, or a loaded run lacks rows.
        """
        if self.loss is None:
            raise ValueError(
                "ModuleRun: loss must be a name for a run that was loaded: use subnetlab.modules.evaluation"
            )
        model = self.model
        dataset = checked_dataset("ModuleRun.evaluate: X and y", X, y, model, self.loss, "cpu")
        if recalibrate is not False:
            recalibrated(model, self._rows_to_recalibrate(model, self.loss, recalibrate), batch_size=batch_size)
        return evaluate(model, dataset, self.loss, metrics, batch_size=batch_size)

    def _rows_to_recalibrate(self, model: Any, loss: str | Loss, given: Any) -> Any:
        owner = "ModuleRun.evaluate"
        check_can_recalibrate(owner, model)
        if not isinstance(given, int | np.integer):
            X, y = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
            return checked_dataset(f"{owner}: recalibrate", X, y, model, loss, "cpu")
        if self.request.dataset is None:
            raise ValueError(f"{owner}: recalibrate must be rows, (X, y) or a Dataset, for a run that was loaded")
        return rows_to_recalibrate(owner, self.request.dataset, given if given is True else int(given))

    def save(self, path: str | Path) -> None:
        """Write the run to one file (safetensors, no pickle): weights, history, settings, what is needed to go on.

        `subnetlab.load_run` reads it with the model; ``sl.train(..., checkpoint=path)`` with the same arguments goes on
        from it.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        record = {**self.snapshot.record, "status": self.status}
        replace(self.snapshot, record=record).write(path, "ModuleRun.save: path")


def load_module_run(path: str | Path, model: Any = None, factory: Callable[[], Any] | None = None) -> ModuleRun:
    """Return the run of a module that `ModuleRun.save` or a checkpoint wrote; see `subnetlab.load_run`."""
    checks.function("load_run", "factory", factory, optional=True)
    if (model is None) == (factory is None):
        raise ValueError("load_run: exactly one of model and factory must be given for a run of a module")
    stored = read_module_run(path)
    return ModuleRun(**vars(stored), cut=cut_again(factory() if factory is not None else model, stored.snapshot))
