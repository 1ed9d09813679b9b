"""The studies behind the figures of depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...study.plan import StudyPlan
from .settings import HELD_OUT, NETWORKS, ROWS, SCALES, SEARCH_SEED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import DepthSettings

_SUBNETWORKS = 4


@dataclass(frozen=True)
class Method:
    """One way to train a perceptron, as settings of a cell.

    Parameters
    ----------
    label : str
        In figures and tables.
    settings : dict
        What it has in place of Independent Subnet Training by equal parts.
    n_subnetworks : int
        p; the rounds follow, so that all methods see the same number of rows.
    share : int
        The hidden layers are the whole ones' width divided by this.
    slower : float
        What the rates are multiplied by: momentum 0.9 makes steps ten times as long.
    depths : tuple of int
        For which it is trained; none means all.
    """

    label: str
    settings: dict[str, Any] = field(default_factory=dict)
    n_subnetworks: int = _SUBNETWORKS
    share: int = 1
    slower: float = 1.0
    depths: tuple[int, ...] = ()


METHODS: dict[str, Method] = {
    "ist": Method("equal parts"),
    "alternate": Method("every second layer", {"cut_groups": "alternate"}),
    "scale_half": Method("scale 1/2", {"scale": 0.5}),
    "scale_0": Method("scale 0", {"scale": 0.0}),
    "reset": Method("momentum, reset", {"optimizer": "momentum"}, slower=0.1),
    "travels": Method("momentum travels", {"optimizer": "momentum", "state": "travels"}, slower=0.1),
    "small": Method("small network", {"masks": "all"}, n_subnetworks=1, share=_SUBNETWORKS),
    "ist_2": Method("equal parts, p = 2", n_subnetworks=2, depths=(4,)),
    "alternate_2": Method("every second layer, p = 2", {"cut_groups": "alternate"}, 2, depths=(4,)),
    "ist_8": Method("equal parts, p = 8", n_subnetworks=8, depths=(4,)),
    "alternate_8": Method("every second layer, p = 8", {"cut_groups": "alternate"}, 8, depths=(4,)),
}
"""What is compared; the first has scale 1, cuts every layer by equal parts, and forgets its optimiser each round."""


def figure_grid(figure: str, network: str, loss: str, settings: DepthSettings) -> StudyPlan:
    """Return the plan of Figure 2b or 2c for one network and one loss.

    Examples
    --------
    >>> from subnetlab.reproduction.depth.settings import DepthSettings
    >>> len(figure_grid("2b", "4 layers", "squared", DepthSettings("digits")).cells)
    45
    """
    s = settings
    grids: dict[str, dict[str, Any]] = {
        "2b": {
            "masks": "bernoulli",
            "n_subnetworks": list(s.bernoulli_subnetworks),
            "selection_prob": list(s.bernoulli_selection_probs),
            "local_steps": s.bernoulli_local_steps,
        },
        "2c": {
            "masks": "categorical",
            "n_subnetworks": list(s.categorical_subnetworks),
            "local_steps": list(s.categorical_local_steps),
        },
    }
    own = {
        **_common(range(s.seeds)),
        **grids[figure],
        "network": NETWORKS[network],
        "loss": loss,
        "scale": SCALES.get(network, 0.0),
        "rounds": s.rounds,
        "step_size": s.step_size(network, loss),
    }
    dataset = {"name": s.dataset, "n_samples": ROWS, "n_validation": HELD_OUT}
    return _plan(f"depth_{figure}", dataset, own)


def method_plan(
    method: str, depth: int, settings: DepthSettings, *, rates: tuple[float, ...], seeds: tuple[int, ...]
) -> StudyPlan:
    """Return the plan of one method on perceptrons of a depth, with these learning rates.

    Examples
    --------
    >>> from subnetlab.reproduction.depth.settings import DepthSettings
    >>> plan = method_plan("small", 2, DepthSettings("digits"), rates=(0.1, 0.3), seeds=(0,))
    >>> [cell.step_size for cell in plan.cells], plan.cells[0].network, plan.cells[0].rounds
    ([0.1, 0.3], 'mlp(64, 64)', 40)
    """
    s, way = settings, METHODS[method]
    rounds = s.method_rounds * _SUBNETWORKS // way.n_subnetworks
    own = {
        **_common(seeds),
        "masks": "balanced",
        "n_subnetworks": way.n_subnetworks,
        "network": f"mlp({', '.join([str(s.method_width // way.share)] * depth)})",
        "loss": "cross_entropy",
        "rounds": rounds,
        "local_steps": s.method_steps,
        "batch_size": s.method_batch,
        "step_size": list(rates),
        "record": "rounds",
        "evaluate_every": rounds,
        **way.settings,
    }
    n_samples = min(s.method_rows, 1000) if s.dataset == "digits" else s.method_rows
    held_out = min(s.method_held_out, 400) if s.dataset == "digits" else s.method_held_out
    dataset = {"name": s.dataset, "n_samples": n_samples, "n_validation": held_out}
    return _plan(f"depth_{method}", dataset, own)


def search_plan(method: str, depth: int, settings: DepthSettings) -> StudyPlan:
    """Return the plan that finds a method's learning rate, on a seed of its own."""
    rates = tuple(float(f"{rate * METHODS[method].slower:.3g}") for rate in settings.rates)
    return method_plan(method, depth, settings, rates=rates, seeds=(SEARCH_SEED,))


def methods_at(depth: int) -> list[str]:
    """Return the methods that are trained at a depth.

    Examples
    --------
    >>> "ist_8" in methods_at(4), "ist_8" in methods_at(2)
    (True, False)
    """
    return [name for name, method in METHODS.items() if not method.depths or depth in method.depths]


def _common(seeds: Any) -> dict[str, Any]:
    return {"dtype": "float32", "seed": list(seeds), "network_seed": "seed"}


def _plan(name: str, dataset: Mapping[str, Any], settings: Mapping[str, Any]) -> StudyPlan:
    return StudyPlan.from_dict({"name": name, "dataset": dict(dataset), "settings": dict(settings)}, source=name)
