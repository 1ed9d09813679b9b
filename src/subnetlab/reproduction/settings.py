"""What Section 5 fixes, and what it leaves open with the value chosen here and the reason."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ..core import checks

if TYPE_CHECKING:
    from ..engines.base import Dtype
    from ..study.data import DatasetSpec


def _left_open(default: Any, reason: str) -> Any:
    """Return a field that the paper leaves open."""
    return field(default=default, metadata={"reason": reason})


@dataclass(frozen=True)
class ReproductionSettings:
    """The settings of one reproduction; fields with a reason are not in the paper.

    Parameters
    ----------
    dataset : DatasetSpec
    width, rounds
        m and K, from the paper.
    init_scale, step_size, ...
        See `reasons`.

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule.
    """

    dataset: DatasetSpec
    width: int = 4000
    rounds: int = 200
    init_scale: float = _left_open(1.0, "kappa = 1 is the initialisation of the code that the proofs follow")
    step_size: float | Literal["auto"] = _left_open(
        "auto", "one constant for all cells: half of the largest stable step, 1 / lambda_max of the infinite NTK"
    )
    seeds: int = _left_open(3, "repetitions of each heatmap cell, each with its own initial network and masks")
    dynamics_seeds: int = _left_open(10, "repetitions behind the variance of Figure 2a")
    dynamics_subnetworks: int = _left_open(10, "p of Figure 2a: enough subnetworks for a variance over them")
    dynamics_selection_prob: float = _left_open(0.5, "xi of Figure 2a: half of the neurons, so that sampling shows")
    dynamics_local_steps: int = _left_open(5, "tau of Figure 2a, as in Figure 2b")
    bernoulli_subnetworks: tuple[int, ...] = _left_open((1, 2, 4, 6, 8, 10), "rows of Figure 2b")
    bernoulli_selection_probs: tuple[float, ...] = _left_open((0.1, 0.2, 0.4, 0.6, 0.8, 1.0), "columns of Figure 2b")
    bernoulli_local_steps: int = _left_open(5, "the fixed tau of Figure 2b")
    categorical_subnetworks: tuple[int, ...] = _left_open((2, 4, 6, 8, 10), "rows of Figure 2c")
    categorical_local_steps: tuple[int, ...] = _left_open((1, 2, 5, 10, 20), "columns of Figure 2c")
    final_rounds: int = _left_open(10, "a heatmap shows the mean error of the last rounds, to calm the sampling noise")
    engine: str = _left_open("auto", "all float64 engines give the same answer")
    dtype: Dtype = _left_open("float64", "double precision")

    def __post_init__(self) -> None:
        owner = "reproduce"
        counts = ("width", "rounds", "seeds", "dynamics_seeds", "final_rounds")
        for name in (*counts, "dynamics_subnetworks", "dynamics_local_steps", "bernoulli_local_steps"):
            checks.whole_number(owner, name, getattr(self, name), least=1)
        if self.final_rounds > self.rounds:
            raise ValueError(f"{owner}: final_rounds must be at most rounds = {self.rounds}, got {self.final_rounds}")
        checks.positive_number(owner, "init_scale", self.init_scale)
        if self.step_size != "auto":
            checks.positive_number(owner, "step_size", self.step_size)
        checks.probability(owner, "dynamics_selection_prob", self.dynamics_selection_prob)
        for name in ("bernoulli_subnetworks", "categorical_subnetworks", "categorical_local_steps"):
            _check_axis(owner, name, getattr(self, name))
            for value in getattr(self, name):
                checks.whole_number(owner, name, value, least=1)
        _check_axis(owner, "bernoulli_selection_probs", self.bernoulli_selection_probs)
        for value in self.bernoulli_selection_probs:
            checks.probability(owner, "bernoulli_selection_probs", value)


def reasons() -> dict[str, str]:
    """Return why each setting that the paper leaves open has its default."""
    return {f.name: f.metadata["reason"] for f in fields(ReproductionSettings) if "reason" in f.metadata}


def _check_axis(owner: str, name: str, values: tuple[float, ...]) -> None:
    if not values or list(values) != sorted(set(values)):
        raise ValueError(f"{owner}: {name} must be one or more values in ascending order, got {list(values)}")
