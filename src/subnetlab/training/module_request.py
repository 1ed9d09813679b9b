"""What `subnetlab.train` was asked for besides a module and a scheme, and what is refused of it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from ..core import checks
from ..modules.batches import n_samples
from ..modules.data import checked_dataset, checked_rows, try_step
from ..modules.errors import CutError
from ..modules.evaluation import loss_function, metric_functions
from ..modules.factors import foldings
from ..modules.fingerprint import take_rows
from ..modules.measures import DIAGNOSTICS
from ..modules.recalibration import check_can_recalibrate, rows_to_recalibrate
from ..modules.training import ModuleTraining

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..modules.evaluation import Metric

ModuleRecord: TypeAlias = Literal["mean", "subnetworks", "rounds", "none"]

_ARGUMENTS = tuple(inspect.signature(ModuleTraining).parameters)[2:]  # besides cut and scheme


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
    recalibrate : bool or int, default False
    """

    dataset: Any
    loss: Any
    record: ModuleRecord
    validation: Any
    metrics: Mapping[str, Metric] | tuple[str, ...]
    evaluate_every: int | None
    diagnostics: tuple[str, ...]
    training: Mapping[str, Any]
    recalibrate: bool | int = False

    def plain(self) -> dict[str, Any]:
        """Return what a file can hold of it; functions are left out."""
        named = isinstance(self.metrics, tuple | list)
        return {
            "loss": self.loss if isinstance(self.loss, str) else None,
            "record": self.record,
            "metrics": list(self.metrics) if named else None,
            "evaluate_every": self.evaluate_every,
            "diagnostics": list(self.diagnostics),
            "recalibrate": self.recalibrate,
        }

    def check(self) -> None:
        """Refuse what can be refused without the network.

        Raises
        ------
        TypeError, ValueError
            If something breaks its rule.
        """
        unknown = [name for name in self.training if name not in _ARGUMENTS]
        if unknown:
            raise TypeError(f"train: {unknown[0]} is no argument for a module: those are {', '.join(_ARGUMENTS)}")
        loss_function(self.loss)
        metric_functions(self.metrics)
        checks.one_of("train", "record", self.record, get_args(ModuleRecord))
        if self.evaluate_every is not None:
            checks.whole_number("train", "evaluate_every", self.evaluate_every, least=1)
        if not isinstance(self.recalibrate, bool):
            checks.whole_number("train", "recalibrate", self.recalibrate, least=2)
        for diagnostic in self.diagnostics:
            checks.one_of("train", "diagnostics", diagnostic, tuple(DIAGNOSTICS))

    def with_checked_data(self, training: ModuleTraining) -> ModuleRequest:
        """Return the request with its data as training takes them.

        Raises
        ------
        TypeError, ValueError
            If they do not fit the network, the loss or the scheme (`try_step`, `checked_dataset`), or training goes on
            and its earlier rounds had other rows.
        """

        def parts(data: Any) -> tuple[Any, Any]:
            return (data[0], data[1]) if isinstance(data, tuple | list) and len(data) == 2 else (data, None)

        try:
            foldings(training.cut, training.whole_factors())
        except CutError as error:  # the whole network could be trained, but not returned
            raise CutError(f"train: scale must be 1 for this network, got {training.scale}: {error}") from None
        model, loss, validation = training.cut.model, self.loss, self.validation
        if self.metrics and validation is None:
            raise ValueError("train: validation must be given where metrics are: they are measured on its rows")
        measured = {own for name in self.diagnostics for own in DIAGNOSTICS[name].names(training.cut.units.groups)}
        if twice := measured & metric_functions(self.metrics).keys():
            raise ValueError(
                f"train: metrics must not be named as the diagnostics that are asked for, got {min(twice)!r}"
            )
        dataset = checked_rows("train: X and y", *parts(self.dataset), model, loss)
        if self.recalibrate:
            check_can_recalibrate("train", training.cut.model)
            if self.validation is None and self.evaluate_every is None:
                raise ValueError(
                    "train: validation or evaluate_every must be given where recalibrate is: it is for measuring"
                )
            rows_to_recalibrate("train", dataset, self.recalibrate)
        training.scheme.check_rows(n_samples(dataset))
        try_step("train: X and y", dataset, training, loss)
        if validation is not None:
            validation = checked_dataset("train: validation", *parts(validation), model, loss, training.device)
        take_rows(training, dataset)
        return replace(self, dataset=dataset, validation=validation)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], training: Mapping[str, Any]) -> ModuleRequest:
        """Return the request that a file describes; what it cannot hold is None."""
        metrics, diagnostics = tuple(plain.get("metrics") or ()), tuple(plain.get("diagnostics") or ())
        every, record = plain.get("evaluate_every"), plain.get("record", "mean")
        again = plain.get("recalibrate", False)
        return cls(None, plain.get("loss"), record, None, metrics, every, diagnostics, training, again)

    def with_arguments(self, again: Mapping[str, Any]) -> ModuleRequest:
        """Return the request with arguments given again.

        Raises
        ------
        ValueError
            If data or loss are still missing, or the history would have other columns.
        """
        given = dict(again)
        for name in ("record", "diagnostics"):
            mine, other = getattr(self, name), given.pop(name, None)
            other = tuple(other) if isinstance(other, list) else other
            if other not in (None, mine):
                raise ValueError(
                    f"resume: {name} must be that of the run {mine!r}, whose history goes on, got {other!r}"
                )
        names = ("loss", "validation", "metrics", "evaluate_every", "recalibrate")
        own = {name: given.pop(name) for name in names if name in given}
        X, y = given.pop("X", None), given.pop("y", None)
        if X is not None:
            own["dataset"] = X if y is None else (X, y)
        made = replace(self, **own, training={**self.training, **given})
        for name, value in (("X", made.dataset), ("loss", made.loss)):
            if value is None:
                raise ValueError(f"resume: {name} must be given for a run that was loaded: its file does not hold it")
        return made
