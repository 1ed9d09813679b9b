"""Algorithm 1 for modules by plain multiplication, beside the engines that are held to it.

A subnetwork is the user's whole module, with the weights that sum over units multiplied by the mask and the scale;
aggregation goes entry by entry, over the subnetworks that hold it. The networks are those of `plain_networks.py`.
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.func import functional_call

import subnetlab as sl
from subnetlab.modules.batches import rows_of_step

if TYPE_CHECKING:
    from plain_networks import Declared, Place, Units
    from torch import nn

P = 3  # subnetworks
SHARES = (1.0, 0.5, 0.34)
STATES, SCALES = ("reset", "travels"), (0.0, 0.5, 1.0)
OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda params: torch.optim.Adam(params, lr=0.003),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.003, weight_decay=0.1),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=0.001, momentum=0.5),
}
MIXED = "one for each group"
LAWS = ("bernoulli", "categorical", "balanced", "ordered", "drawn", "rolling", "all", "fixed", MIXED)


def law_and_xi(name: str, groups: dict[str, int], rounds: int) -> tuple[Any, Any]:
    """Return a law, and by hand its xi: a number, one for each subnetwork, or one for each group."""
    if name == MIXED:
        mixed = dict(zip(groups, itertools.cycle([sl.Bernoulli(P, 0.7), sl.Balanced(P)]), strict=False))
        return mixed, {group: 1 / P if isinstance(law, sl.Balanced) else 0.7 for group, law in mixed.items()}
    if name == "fixed":
        rng = np.random.default_rng(4)
        return sl.FixedMasks({group: rng.random((rounds, P, m)) < 0.6 for group, m in groups.items()}, 0.6), 0.6
    return {
        "bernoulli": (sl.Bernoulli(P, 0.6), 0.6),
        "categorical": (sl.Categorical(P), 1 / P),
        "balanced": (sl.Balanced(P), 1 / P),
        "ordered": (sl.Ordered(P, SHARES), SHARES),
        "drawn": (sl.Ordered(P, SHARES, drawn=True), sum(SHARES) / P),
        "rolling": (sl.Rolling(P, SHARES), SHARES),
        "all": (sl.AllNeurons(P), 1.0),
    }[name]


def factors_by_hand(xi: Any, groups: Any, scale: float) -> Any:
    """Return xi^-a for every round, subnetwork and group."""

    def factors(k: int, l: int) -> dict[str, float]:
        of = xi if isinstance(xi, dict) else dict.fromkeys(groups, xi[l] if isinstance(xi, tuple) else xi)
        return {group: number**-scale for group, number in of.items()}

    return factors


def by_engine(
    cut: sl.Cut, network: Declared, scheme: sl.TrainingScheme, engine: str, *, change: Any = None, **settings: Any
) -> Any:
    """Return a finished training of the engine; ``change`` may change each parameter before it begins."""
    training = sl.ModuleTraining(cut, scheme, engine=engine, **settings)
    for name, parameter in network.model.named_parameters():
        if change is not None:
            training.entries[name].copy_(change(parameter.detach()))
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches((network.x, network.y)):
                subnet.step(network.loss(subnet.module(x), y))
    return training


def by_plain_loop(
    network: Declared, training: Any, factors: Any, optimizer: Any, state: str = "reset"
) -> dict[str, torch.Tensor]:
    """Return what the plain loop makes of the network with the masks and rows of a training."""
    scheme = training.scheme

    def batches(k: int, l: int) -> Any:
        size = {"n_samples": len(network.x), "shards": scheme.shards, "batch_size": scheme.batch_size}
        for t in range(scheme.local_steps):
            i = torch.from_numpy(rows_of_step(training.seed, l, k * scheme.local_steps + t, **size))
            yield network.x[i], network.y[i]

    return trained(
        network,
        rounds=scheme.rounds,
        masks=training.masks,
        factors=factors,
        batches=batches,
        optimizer=optimizer,
        travels=state == "travels",
    )


def off(entries: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> float:
    """Return the largest difference of any entry."""
    return max(float((entries[name].double() - others[name].double()).abs().max()) for name in entries)


# -------------------------------------------------------------------------------------------------- Algorithm 1
def along(place: Place, numbers: torch.Tensor, dimensions: int) -> torch.Tensor:
    """Return one number for each entry along a dimension, shaped to multiply the tensor."""
    entries = numbers.repeat_interleave(place.repeat).repeat(place.copies)
    return entries.reshape([-1 if d == place.dimension else 1 for d in range(dimensions)])


def held(units: dict[str, Units], mask: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor]) -> dict:
    """Return which entries of every tensor a subnetwork holds."""
    holds = {name: torch.ones(tensor.shape, dtype=torch.bool) for name, tensor in tensors.items()}
    for group, (_, made, used) in units.items():
        for place in (*made, *used):
            holds[place.name] = holds[place.name] & along(place, mask[group], tensors[place.name].ndim)
    return holds


def mean_over_holders(home: torch.Tensor, returned: list[torch.Tensor], holds: list[torch.Tensor]) -> torch.Tensor:
    """Return theta + (1/N) sum of updates, for each entry over its N holders; counters take the largest value."""
    if not home.is_floating_point():
        return torch.stack(returned).amax(0)
    total, count = torch.zeros_like(home), torch.zeros_like(home)
    for tensor, own in zip(returned, holds, strict=True):
        total += torch.where(own, tensor - home, 0)
        count += own
    return home + total / count.clamp(min=1)


def tensors_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: t.detach().clone() for n, t in (*model.named_parameters(), *model.named_buffers())}


def trained(
    network: Declared, *, rounds: int, masks: Any, factors: Any, batches: Any, optimizer: Any, travels: bool
) -> dict[str, torch.Tensor]:
    """Return all parameters and buffers after the rounds.

    ``masks(k)`` gives M_g, (p, m_g); ``factors(k, l)`` what units that are held are multiplied by; ``batches(k, l)``
    the pairs of the local steps.
    """
    theta = tensors_of(network.model)
    moments: dict[tuple[str, str], torch.Tensor] = {}  # at home, by parameter and key
    for k in range(rounds):
        returned, holds, states = [], [], []
        p = len(next(iter(masks(k).values())))
        for l in range(p):
            mask = {group: torch.tensor(M[l]) for group, M in masks(k).items()}
            numbers = {group: m.double() * factors(k, l)[group] for group, m in mask.items()}
            local = copy.deepcopy(network.model)
            local.load_state_dict(theta, strict=False)
            parameters = dict(local.named_parameters())
            steps = optimizer(parameters.values())
            for (name, key), value in moments.items():
                steps.state[parameters[name]][key] = value.clone()
            for x, y in batches(k, l):
                weights = dict(parameters)
                for group, (_, _, used) in network.units.items():
                    for place in used:
                        factor = along(place, numbers[group], parameters[place.name].ndim)
                        weights[place.name] = weights[place.name] * factor
                steps.zero_grad()
                network.loss(functional_call(local, weights, (x,)), y).backward()
                steps.step()
            returned.append(tensors_of(local))
            holds.append(held(network.units, mask, theta))
            states.append({(n, key): v for n, q in parameters.items() for key, v in steps.state[q].items()})
        if travels:
            moments = aggregated_state(moments, states, holds)
        theta = {n: mean_over_holders(theta[n], [r[n] for r in returned], [h[n] for h in holds]) for n in theta}
    return theta


def aggregated_state(moments: dict, states: list[dict], holds: list[dict]) -> dict:
    """Return moments averaged over holders, and the largest of each step counter."""
    result = {}
    for name, key in states[0]:
        values = [state[name, key] for state in states]
        if key == "step":
            result[name, key] = torch.stack([torch.as_tensor(v) for v in values]).amax(0)
        elif values[0] is not None:
            home = moments.get((name, key), torch.zeros_like(values[0]))
            result[name, key] = mean_over_holders(home, values, [h[name] for h in holds])
    return result
