"""Sliced = masked = Algorithm 1 by plain multiplication, for networks whose units are written down by hand."""

import numpy as np
import plain_networks
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_training import (
    LAWS,
    OPTIMIZERS,
    SCALES,
    STATES,
    P,
    by_engine,
    by_plain_loop,
    factors_by_hand,
    law_and_xi,
    off,
    tensors_of,
)  # fmt: skip

import subnetlab as sl

K, TAU, B = 2, 2, 7
# nine laws, five optimisers, two states and three scales in turn
TRIALS = [
    (kind, LAWS[i % 9], list(OPTIMIZERS)[i % 5], STATES[(i + i // 10) % 2], SCALES[(i + i // 9) % 3])
    for i, kind in enumerate(name for name in plain_networks.KINDS for _ in range(2))
]


@pytest.fixture(scope="module")
def cuts():
    """Each network is cut once."""
    known = {}

    def of(kind):
        if kind not in known:
            network = plain_networks.made(kind)
            known[kind] = network, sl.cut(network.model, network.x[:3])
        return known[kind]

    return of


@pytest.mark.parametrize(("kind", "law", "optimizer", "state", "scale"), TRIALS)
def test_sliced_is_masked_is_the_plain_loop(cuts, kind, law, optimizer, state, scale):
    network, cut = cuts(kind)
    assert {name: group.size for name, group in cut.groups.items()} == {n: u.size for n, u in network.units.items()}
    masks, xi = law_and_xi(law, cut.units.groups, K)
    scheme = sl.TrainingScheme(masks, K, TAU, batch_size=B)
    chosen = {"optimizer": OPTIMIZERS[optimizer], "state": state, "scale": scale, "seed": 11}
    sliced, masked = (by_engine(cut, network, scheme, engine, **chosen) for engine in ("sliced", "masked"))
    factors = factors_by_hand(xi, cut.groups, scale)
    expected = by_plain_loop(network, sliced, factors, OPTIMIZERS[optimizer], state)
    assert set(sliced.entries) == set(expected)
    assert off(sliced.entries, expected) < 1e-10
    assert off(masked.entries, expected) < 1e-10
    assert off(sliced.entries, tensors_of(network.model)) > 1e-4  # it was trained


def test_groups_in_turn_are_the_plain_loop(cuts):
    """Every second layer of four is cut; one that is left whole has the factor of the whole network."""
    network, cut = cuts("perceptron of depth 4")
    scheme = sl.TrainingScheme(sl.Balanced(P), 4, TAU, step_size=0.1, batch_size=B, cut_groups="alternate")
    sliced, masked = (by_engine(cut, network, scheme, engine, scale=0.5) for engine in ("sliced", "masked"))

    def factors(k, l):
        in_turn = ("0", "4") if k % 2 == 0 else ("2", "6")
        return {group: 3**0.5 if group in in_turn else 3**-0.5 for group in cut.groups}

    expected = by_plain_loop(network, sliced, factors, OPTIMIZERS["sgd"])
    assert max(off(sliced.entries, expected), off(masked.entries, expected)) < 1e-10


class Block(torch.nn.Module):
    """A residual branch with a layer norm and a hidden layer, which is cut, too."""

    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = torch.nn.LayerNorm(5), torch.nn.Linear(5, 8), torch.nn.Linear(8, 5)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


@pytest.mark.parametrize("units", [["blocks"], ["blocks", "1.up"]])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("scheme", [sl.resist(2, 3, 2, batch_size=5), sl.TrainingScheme(sl.Bernoulli(2, 0.5), 6, 2)])
def test_residual_blocks_are_sliced_as_they_are_masked(scheme, optimizer, state, units):
    """Blocks change hands from round to round; one that nobody holds for a round counts no step of its optimiser."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), Block(), Block(), Block(), torch.nn.Linear(5, 3)).double()
    x, y = torch.randn(20, 6, dtype=torch.float64), torch.randint(3, (20,))
    cut = sl.cut(model, x[:3], units)
    trainings = []
    for engine in ("sliced", "masked"):
        training = sl.ModuleTraining(cut, scheme, engine=engine, optimizer=OPTIMIZERS[optimizer], state=state)
        for round in training.rounds():
            for subnet in round:
                for xb, yb in subnet.batches((x, y)):
                    subnet.step(torch.nn.functional.cross_entropy(subnet.module(xb), yb))
        trainings.append(training)
    sliced, masked = trainings
    assert off(sliced.entries, masked.entries) < 1e-10
    assert off(sliced.entries, tensors_of(model)) > 1e-4  # it was trained
    if state == "travels":
        assert sliced.travelling_state.plain_numbers() == masked.travelling_state.plain_numbers()


@st.composite
def small_trainings(draw):
    widths = tuple(draw(st.lists(st.integers(2, 5), min_size=1, max_size=3)))
    p, rounds, tau = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    masks = {}
    for i, width in enumerate(widths):
        bits = st.lists(st.booleans(), min_size=rounds * p * width, max_size=rounds * p * width)
        masks[f"{2 * i}"] = np.array(draw(bits)).reshape(rounds, p, width)
    rest = draw(st.tuples(st.sampled_from(list(OPTIMIZERS)), st.sampled_from(STATES), st.sampled_from(SCALES)))
    return widths, masks, tau, *rest


@settings(max_examples=8, deadline=None)
@given(small_trainings())
def test_any_masks_of_any_small_perceptron(case):
    """Masks may hold nothing of a group, or leave a unit to nobody for ever."""
    widths, masks, tau, optimizer, state, scale = case
    torch.manual_seed(0)
    network = plain_networks.perceptron(widths)
    network.model.double()
    cut = sl.cut(network.model, network.x[:3])
    scheme = sl.TrainingScheme(sl.FixedMasks(masks, 0.5), len(masks["0"]), tau, batch_size=B)
    chosen = {"optimizer": OPTIMIZERS[optimizer], "state": state, "scale": scale}
    sliced, masked = (by_engine(cut, network, scheme, engine, **chosen) for engine in ("sliced", "masked"))
    factors = dict.fromkeys(cut.groups, 0.5**-scale)
    expected = by_plain_loop(network, sliced, lambda k, l: factors, OPTIMIZERS[optimizer], state)
    assert max(off(sliced.entries, expected), off(masked.entries, expected)) < 1e-10
