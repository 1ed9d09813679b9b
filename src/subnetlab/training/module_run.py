"""The result of training a module: the whole network, what was measured, and everything needed to go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..modules.evaluation import evaluate, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..history import History
    from ..modules.evaluation import Loss, Metric
    from ..modules.training import ModuleTraining


@dataclass(frozen=True, eq=False)
class ModuleRun:
    """A run of Algorithm 1 on a module, finished or not.

    Parameters
    ----------
    training : ModuleTraining
        As it stands after the last completed round.
    history : History
        ``sampled_loss`` (K,), ``local_loss`` (K, tau) and ``full_loss`` (K + 1,), with the metrics asked for.
    loss : str or callable
    status : {"finished", "unfinished"}
    """

    training: ModuleTraining
    history: History
    loss: str | Loss
    status: str

    @property
    def model(self) -> Any:
        """A copy of the user's own module with the trained weights; ``state_dict()`` needs nothing of this package."""
        return self.training.model

    def __repr__(self) -> str:
        scheme, history = self.training.scheme, self.history
        size = sum(parameter.numel() for parameter in self.training.cut.model.parameters())
        last = f", loss {history.local_loss[-1, -1]:.4g}" if history.rounds else ""
        return f"ModuleRun({history.rounds} of {scheme.rounds} rounds, {size:,} parameters, {self.status}{last})"

    def predict(self, X: Any, *, batch_size: int = 1000) -> Any:
        """Return the outputs of the whole network in evaluation mode, for every row of X."""
        return outputs(self.model, X, batch_size=batch_size)

    def evaluate(
        self, X: Any, y: Any, metrics: Mapping[str, Metric] | tuple[str, ...] = (), *, batch_size: int = 1000
    ) -> dict[str, float]:
        """Return mean loss and metrics of the whole network on other rows, see `subnetlab.modules.evaluation`."""
        return evaluate(self.model, (X, y), self.loss, metrics, batch_size=batch_size)

    def save(self, path: str | Path) -> None:
        """Write the run to one file (safetensors, no pickle).

        ``sl.train(cut, X, y, scheme, ..., checkpoint=path)`` with the same arguments goes on with the same bits.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        self.training.save(path)
