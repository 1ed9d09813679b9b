"""What is measured along the training of a module. No theorem covers these numbers: they are measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.units import axis_groups, held_on_axis
from .batches import n_samples, rows_of
from .evaluation import called
from .ntk import module_ntk
from .structure import taken_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..core.arrays import BoolArray, FloatArray
    from .cutting import Cut
    from .training import ModuleTraining

_ROWS = 256  # on which outputs are compared
_KERNEL_ROWS = 32  # of a kernel, whose size is that times the outputs


def movement(cut: Cut, entries: Mapping[str, torch.Tensor]) -> dict[str, FloatArray]:
    """Return how far each unit is from where it began: the norm of the change of all entries that belong to it.

    Parameters
    ----------
    cut : Cut
        Its module holds the initial weights.
    entries : mapping from name to tensor
        The whole network as it stands.

    Returns
    -------
    dict from group to ndarray, shape (m_g,)
        An entry between two groups counts for both of its units.
    """
    squares = {group: np.zeros(size) for group, size in cut.units.groups.items()}
    for name, parameter in cut.model.named_parameters():
        change = (entries[name].detach().cpu().double() - parameter.detach().cpu().double()).numpy() ** 2
        for dimension, axis in enumerate(cut.units.axes[name]):
            along = change.sum(axis=tuple(d for d in range(change.ndim) if d != dimension))
            for group in axis_groups(axis):
                size = cut.units.groups[group]
                others = {other: np.ones((size, m), dtype=bool) for other, m in cut.units.groups.items()}
                belongs = held_on_axis(axis, {**others, group: np.eye(size, dtype=bool)})
                squares[group] += belongs @ along
    return {group: np.sqrt(total) for group, total in squares.items()}


def reduction_noise(training: ModuleTraining, dataset: Any, round: int) -> float:
    """Return how far the mean output of a round's subnetworks is from the whole network's, relative to that.

    |mean over l of f^l(x) - u(x)| / |u(x)| on the first rows of the data, in training mode, as subnetworks compute.

    Parameters
    ----------
    training : ModuleTraining
        Of which the network is taken as it stands.
    dataset : pair (X, y) or map-style Dataset
    round : int
        Whose masks are meant.
    """
    cut, masks = training.cut, training.masks(round)
    x, _ = rows_of(dataset, np.arange(min(_ROWS, n_samples(dataset))), training.device)
    everything = {group: np.ones(size, dtype=bool) for group, size in cut.units.groups.items()}

    def output(own: Mapping[str, BoolArray], factors: Mapping[str, float]) -> torch.Tensor:
        module = cut.subnetwork(own, factors).to(training.device)
        module.fill(training.entries)
        found: list[torch.Tensor] = []
        torch.manual_seed(0)
        taken_apart(called(module, x), found)
        return torch.cat([part.double().reshape(-1) for part in found])

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        u = output(everything, training.whole_factors())
        p = training.scheme.masks.n_subnetworks
        outputs = [output({g: M[l] for g, M in masks.items()}, training.factors(round, l)) for l in range(p)]
        return float(torch.linalg.vector_norm(sum(outputs) / p - u) / torch.linalg.vector_norm(u))


def kernel_ends(training: ModuleTraining, dataset: Any) -> dict[str, float]:
    """Return the smallest and the largest eigenvalue of the whole network's tangent kernel on the first rows."""
    ends = module_ntk(
        training.cut,
        _first_rows(training, dataset),
        factors=training.whole_factors(),
        state=training.entries,
    ).eigenvalues()
    return {"ntk.smallest": ends.smallest, "ntk.largest": ends.largest}


def masked_kernels_smallest(training: ModuleTraining, dataset: Any, round: int) -> float:
    """Return the smallest eigenvalue among the tangent kernels of a round's subnetworks, on the first rows."""
    X, drawn = _first_rows(training, dataset), training.masks(round)
    kernels = (
        module_ntk(
            training.cut,
            X,
            masks={group: M[l] for group, M in drawn.items()},
            factors=training.factors(round, l),
            state=training.entries,
        )
        for l in range(training.scheme.masks.n_subnetworks)
    )
    return min(kernel.eigenvalues().smallest for kernel in kernels)


def _first_rows(training: ModuleTraining, dataset: Any) -> Any:
    return rows_of(dataset, np.arange(min(_KERNEL_ROWS, n_samples(dataset))), training.device)[0]


def largest_movements(training: ModuleTraining) -> dict[str, float]:
    """Return how far the unit of each group that moved most is from where it began."""
    return {f"movement.{group}": float(m.max()) for group, m in movement(training.cut, training.entries).items()}


@dataclass(frozen=True)
class Diagnostic:
    """A measurement along training.

    Parameters
    ----------
    names : callable
        The names of its numbers in the history's ``metrics``, for the names of groups.
    measure : callable
        From a training, its data and a round to numbers by name.
    of_masks : bool, default False
        Whether it is of the masks of the round to come; there is none after the last.
    """

    names: Callable[[Iterable[str]], list[str]]
    measure: Callable[[ModuleTraining, Any, int], dict[str, float]]
    of_masks: bool = False


DIAGNOSTICS: dict[str, Diagnostic] = {
    "movement": Diagnostic(
        lambda groups: [f"movement.{group}" for group in groups], lambda t, data, k: largest_movements(t)
    ),
    "reduction": Diagnostic(
        lambda groups: ["reduction"], lambda t, data, k: {"reduction": reduction_noise(t, data, k)}, of_masks=True
    ),
    "ntk": Diagnostic(lambda groups: ["ntk.smallest", "ntk.largest"], lambda t, data, k: kernel_ends(t, data)),
    "masked_ntk": Diagnostic(
        lambda groups: ["masked_ntk.smallest"],
        lambda t, data, k: {"masked_ntk.smallest": masked_kernels_smallest(t, data, k)},
        of_masks=True,
    ),
}
