"""What `subnetlab.train` was asked for besides a module and a scheme."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..modules.evaluation import Metric

ModuleRecord: TypeAlias = Literal["mean", "subnetworks", "rounds", "none"]


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
