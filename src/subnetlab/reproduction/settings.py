"""What Section 5 fixes, and what it leaves open with the value chosen here and the reason."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ..core import checks
from ..datasets import check_numeric_targets
from .plans import figure_names, read_plan

if TYPE_CHECKING:
    from ..engines.base import Dtype
    from ..study.data import DatasetSpec


def _of_plan(key: str, *figures: str, reason: str = "") -> Any:
    """Return a field that stands for a key in the plans of some figures (none: of all); its default is theirs."""

    def default() -> Any:
        value = read_plan(figures[0] if figures else figure_names()[0])["settings"][key]
        return len(value) if key == "seed" else tuple(value) if isinstance(value, list) else value

    return field(default_factory=default, metadata={"key": key, "figures": figures, "reason": reason})


def _chosen(default: Any, key: str | None = None, *, reason: str) -> Any:
    """Return a field with a default of its own; with a key it replaces that of all plans."""
    return field(default=default, metadata={"key": key, "figures": (), "reason": reason})


@dataclass(frozen=True)
class ReproductionSettings:
    """The settings of one reproduction; fields with a reason are not in the paper.

    What a field stands for is a key in one or more plans of `subnetlab.reproduction.plans`. There its default is,
    and `plan_settings` says what other values replace.

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
    width: int = _of_plan("width")
    rounds: int = _of_plan("rounds")
    init_scale: float = _of_plan(
        "init_scale",
        reason="kappa = 1: standard normal weights, as where the proofs come from (Du et al., 2018)",
    )
    step_size: float | Literal["auto"] = _chosen(
        "auto",
        "step_size",
        reason="one constant for all cells: half of the largest stable step, 1 / lambda_max of the infinite NTK",
    )
    seeds: int = _of_plan(
        "seed", "2b", "2c", reason="repetitions of each heatmap cell, each with its own initial network and masks"
    )
    dynamics_seeds: int = _of_plan("seed", "2a", reason="repetitions behind the variance of Figure 2a")
    dynamics_subnetworks: int = _of_plan(
        "n_subnetworks", "2a", reason="p of Figure 2a: enough subnetworks for a variance over them"
    )
    dynamics_selection_prob: float = _of_plan(
        "selection_prob", "2a", reason="xi of Figure 2a: half of the neurons, so that sampling shows"
    )
    dynamics_local_steps: int = _of_plan("local_steps", "2a", reason="tau of Figure 2a, as in Figure 2b")
    bernoulli_subnetworks: tuple[int, ...] = _of_plan("n_subnetworks", "2b", reason="rows of Figure 2b")
    bernoulli_selection_probs: tuple[float, ...] = _of_plan("selection_prob", "2b", reason="columns of Figure 2b")
    bernoulli_local_steps: int = _of_plan("local_steps", "2b", reason="the fixed tau of Figure 2b")
    categorical_subnetworks: tuple[int, ...] = _of_plan("n_subnetworks", "2c", reason="rows of Figure 2c")
    categorical_local_steps: tuple[int, ...] = _of_plan("local_steps", "2c", reason="columns of Figure 2c")
    final_rounds: int = _chosen(
        10, reason="a heatmap shows the mean error of the last rounds, to calm the sampling noise"
    )
    engine: str = _chosen("auto", "engine", reason="all float64 engines give the same answer")
    dtype: Dtype = _chosen("float64", "dtype", reason="double precision")

    def __post_init__(self) -> None:
        owner = "reproduce"
        check_numeric_targets(owner, self.dataset.name)
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
    return {f.name: f.metadata["reason"] for f in fields(ReproductionSettings) if f.metadata.get("reason")}


def plan_settings(settings: ReproductionSettings, figure: str) -> dict[str, Any]:
    """Return what these settings put in place of those in the plan of a figure.

    Examples
    --------
    >>> from subnetlab.study.data import DatasetSpec
    >>> settings = ReproductionSettings(DatasetSpec("diabetes"), seeds=2, categorical_local_steps=(1, 3))
    >>> plan_settings(settings, "2c")["seed"], plan_settings(settings, "2c")["local_steps"]
    ([0, 1], [1, 3])
    """
    replaced: dict[str, Any] = {}
    for f in fields(settings):
        key, figures = f.metadata.get("key"), f.metadata.get("figures")
        if key is not None and (not figures or figure in figures):
            value = getattr(settings, f.name)
            replaced[key] = list(range(value)) if key == "seed" else list(value) if isinstance(value, tuple) else value
    return replaced


def _check_axis(owner: str, name: str, values: tuple[float, ...]) -> None:
    if not values or list(values) != sorted(set(values)):
        raise ValueError(f"{owner}: {name} must be one or more values in ascending order, got {list(values)}")
