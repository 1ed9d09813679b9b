"""The result of training a module: the whole network, what was measured, and everything needed to go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..archive import ArchiveError
from ..core.masks.groups import whole_factors
from ..core.scheme_record import scheme_from_record
from ..history import History, HistoryBuilder
from ..modules.checkpoint import Snapshot, cut_again
from ..modules.data import checked_dataset
from ..modules.evaluation import evaluate, outputs
from ..modules.measures import movement
from ..modules.ntk import module_ntk
from ..modules.overview import coverage
from ..modules.training import ModuleTraining
from ..plotting import plot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..core.arrays import FloatArray
    from ..core.scheme import TrainingScheme
    from ..modules.cutting import Cut
    from ..modules.evaluation import Loss, Metric
    from ..modules.ntk import ModuleNTK

ModuleRecord: TypeAlias = Literal["mean", "subnetworks", "rounds", "none"]
Status: TypeAlias = Literal["finished", "unfinished", "diverged"]


@dataclass(frozen=True, eq=False)
class ModuleRequest:
    """What `subnetlab.train` was asked for besides network and scheme, as `resume` needs it again.

    Parameters
    ----------
    dataset : pair (X, y), map-style Dataset, or None where a run was loaded
    loss : str or callable; None where a run was loaded that had a function
    record, validation, metrics, evaluate_every, diagnostics
        As `subnetlab.training.fit_module.train_module` takes them.
    training : mapping
        Arguments of `ModuleTraining`.
    """

    dataset: Any
    loss: Any
    record: ModuleRecord
    validation: Any
    metrics: Mapping[str, Metric] | tuple[str, ...]
    evaluate_every: int | None
    diagnostics: tuple[str, ...]
    training: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return what a file can hold of it; functions are left out."""
        named = isinstance(self.metrics, tuple | list)
        return {
            "loss": self.loss if isinstance(self.loss, str) else None,
            "record": self.record,
            "metrics": list(self.metrics) if named else None,
            "evaluate_every": self.evaluate_every,
            "diagnostics": list(self.diagnostics),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], training: Mapping[str, Any]) -> ModuleRequest:
        """Return the request that a file describes; what it cannot hold is None."""
        metrics, diagnostics = tuple(plain.get("metrics") or ()), tuple(plain.get("diagnostics") or ())
        every, record = plain.get("evaluate_every"), plain.get("record", "mean")
        return cls(None, plain.get("loss"), record, None, metrics, every, diagnostics, training)

    def with_arguments(self, again: Mapping[str, Any]) -> ModuleRequest:
        """Return the request with arguments given again.

        Raises
        ------
        ValueError
            If data or loss are still missing.
        """
        given = dict(again)
        own = {name: given.pop(name) for name in ("loss", "validation", "metrics", "evaluate_every") if name in given}
        X, y = given.pop("X", None), given.pop("y", None)
        if X is not None:
            own["dataset"] = X if y is None else (X, y)
        made = replace(self, **own, training={**self.training, **given})
        for name, value in (("X", made.dataset), ("loss", made.loss)):
            if value is None:
                raise ValueError(f"resume: {name} must be given for a run that was loaded: its file does not hold it")
        return made


@dataclass(frozen=True, eq=False)
class ModuleRun:
    """A run of Algorithm 1 on a module, finished or not.

    Parameters
    ----------
    cut : Cut
    scheme : TrainingScheme
    history : History
        ``sampled_loss`` (K,), ``local_loss`` (K, tau) and ``full_loss`` (K + 1,), with the metrics asked for.
    status : {"finished", "unfinished", "diverged"}
    request : ModuleRequest
    snapshot : Snapshot
        Network, optimiser states and settings after the last completed round.
    """

    cut: Cut
    scheme: TrainingScheme
    history: History
    status: Status
    request: ModuleRequest
    snapshot: Snapshot

    @classmethod
    def of(cls, training: ModuleTraining, request: ModuleRequest, status: Status | None = None) -> ModuleRun:
        """Return the run of a training as it stands."""
        finished = training.rounds_done >= training.scheme.rounds
        history = training.history or unmeasured(training.scheme, training.rounds_done)
        standing: Status = "finished" if finished else "unfinished"
        return cls(training.cut, training.scheme, history, status or standing, request, training.snapshot())

    @property
    def rounds_done(self) -> int:
        """The number of completed rounds."""
        return self.snapshot.rounds_done

    @property
    def loss(self) -> str | Loss | None:
        """The loss, by its name or as it was given."""
        return self.request.loss

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

    def coverage(self) -> dict[str, float]:
        """Return the share of each parameter's entries that a round of this run trained, in the mean; a measurement."""
        names = [name for name, _ in self.cut.model.named_parameters()]
        seed = self.snapshot.record["settings"]["seed"]
        return coverage(
            self.cut.units, names, self.scheme.masks, self.scheme.cut_groups, max(1, self.rounds_done), seed
        )

    def movement(self) -> dict[str, FloatArray]:
        """Return how far each unit is from where it began, by group, shapes (m_g,); a measurement."""
        return movement(self.cut, self.snapshot.below("entry"))

    def ntk(self, X: Any) -> ModuleNTK:
        """Return the tangent kernel of the trained whole network on some rows; a measurement, see `module_ntk`."""
        scheme, scale = self.scheme, float(self.snapshot.record["settings"]["scale"])
        factors = whole_factors(scheme.masks, scheme.cut_groups, self.cut.units, scale)
        return module_ntk(self.cut, X, factors=factors, state=self.snapshot.below("entry"))

    def predict(self, X: Any, *, batch_size: int = 1000) -> Any:
        """Return the outputs of the whole network in evaluation mode, for every row of X.

        X is a tensor or array, or a tuple or dict of the network's arguments, see
        `subnetlab.modules.evaluation.outputs`.
        """
        return outputs(self.model, X, batch_size=batch_size)

    def evaluate(
        self, X: Any, y: Any = None, metrics: Mapping[str, Metric] | tuple[str, ...] = (), *, batch_size: int = 1000
    ) -> dict[str, float]:
        """Return mean loss and metrics of the whole network on other rows: X and y, or a map-style Dataset alone."""
        if self.loss is None:
            raise ValueError(
                "ModuleRun: loss must be a name for a run that was loaded: use subnetlab.modules.evaluation"
            )
        model = self.model
        dataset = checked_dataset("ModuleRun.evaluate: X and y", X, y, model, self.loss, "cpu")
        return evaluate(model, dataset, self.loss, metrics, batch_size=batch_size)

    def save(self, path: str | Path) -> None:
        """Write the run to one file (safetensors, no pickle): weights, history, settings, what is needed to go on.

        `subnetlab.load_run` reads it with the model; ``sl.train(..., checkpoint=path)`` with the same arguments goes on
        from it.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        replace(self.snapshot, record={**self.snapshot.record, "status": self.status}).write(path)


def load_module_run(path: str | Path, model: Any = None, factory: Callable[[], Any] | None = None) -> ModuleRun:
    """Return the run of a module that `ModuleRun.save` or a checkpoint wrote; see `subnetlab.load_run`."""
    if (model is None) == (factory is None):
        raise ValueError("load_run: exactly one of model and factory must be given for a run of a module")
    snapshot = Snapshot.read(path, owner="load_run", argument="path")
    try:
        scheme = scheme_from_record(snapshot.record["scheme"], snapshot.arrays("masks"))
        done = snapshot.rounds_done
        history = snapshot.history or unmeasured(scheme, done)
        request = ModuleRequest.from_plain(snapshot.record.get("asked") or {}, snapshot.plain_settings())
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ArchiveError(f"{path}: is no run of a module that subnetlab wrote ({error})") from error
    standing: Status = "finished" if done >= scheme.rounds else "unfinished"
    status: Status = "diverged" if snapshot.record.get("status") == "diverged" else standing
    cut = cut_again(factory() if factory is not None else model, snapshot)
    return ModuleRun(cut, scheme, history, status, request, snapshot)


def unmeasured(scheme: TrainingScheme, rounds: int) -> History:
    """Return the history of rounds of which nothing was measured: those of one's own loop."""
    p, tau = scheme.masks.n_subnetworks, scheme.local_steps
    builder = HistoryBuilder(keep_subnetworks=False, n_subnetworks=p, local_steps=tau)
    builder.add_state(full_error=np.nan)
    for _ in range(rounds):
        builder.add_losses(np.full((tau, p), np.nan))
        builder.add_state(full_error=np.nan)
    return builder.build()
