"""Every kind of network is cut right, by an oracle that knows nothing of graphs, or left whole with the reason."""

import copy
import math

import numpy as np
import pytest
import torch
from networks import NETWORKS
from torch import nn

import subnetlab as sl
from subnetlab.modules.errors import VerificationError


def tensors(value):
    """The tensors of an output, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else []
    return [t for item in items for t in tensors(item)]


def called(model, example):
    if isinstance(example, dict):
        return tensors(model(**example))
    return tensors(model(*example) if isinstance(example, tuple) else model(example))


def with_zeros(model, network, masks):
    """The user's own module, with zeros where weights use a unit that is left out."""
    model = copy.deepcopy(model)
    stored = dict(model.named_parameters())
    with torch.no_grad():
        for group, consumers in network.consumers.items():
            for name, dimension, *rest in consumers:
                repeat, first = (*rest, *(1, 0)[len(rest) :])
                entries = np.repeat(masks[group], repeat)
                weight = stored[name].movedim(dimension, 0)
                weight[first : first + len(entries)] *= torch.from_numpy(entries).view(-1, *[1] * (weight.ndim - 1))
    return model.train()


def masks_of(cut, seed):
    rng = np.random.default_rng(seed)
    masks = {}
    for name, group in cut.groups.items():
        masks[name] = rng.random(group.size) < 0.5
        masks[name][rng.integers(group.size)] = True
    return masks


@pytest.fixture(scope="module")
def cuts():
    """Each network is cut once."""
    known = {}

    def of(name):
        if name not in known:
            torch.manual_seed(3)
            network = NETWORKS[name]
            model, example = network.make()
            known[name] = network, example, sl.cut(model, example, network.units, second_example=network.other)
        return known[name]

    return of


@pytest.mark.parametrize("name", NETWORKS)
def test_groups_are_those_that_a_reader_finds(cuts, name):
    network, _, cut = cuts(name)
    assert {g: group.size for g, group in cut.groups.items()} == network.groups
    assert {g: cut.streams[g].size for g in network.streams} == network.streams
    for module, word in network.frozen.items():
        assert word in cut.frozen[module]


@pytest.mark.parametrize("name", NETWORKS)
def test_sliced_is_masked(cuts, name):
    differences = cuts(name)[2].verify()
    assert max(differences["outputs"], differences["gradients"]) < 1e-10
    assert differences["network"] < 1e-5  # float32, where torch has one operation for what is several in the graph


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.consumers])
def test_sliced_is_the_users_module_with_zeros(cuts, name):
    network, example, cut = cuts(name)
    assert set(network.consumers) <= set(cut.groups)
    for seed in range(3):
        masks = {g: m if g in network.consumers else np.ones_like(m) for g, m in masks_of(cut, seed).items()}
        torch.manual_seed(seed)
        expected = called(with_zeros(cut.model, network, masks), example)
        subnet = cut.subnetwork(masks)
        torch.manual_seed(seed)
        found = called(subnet, example)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("where", ["everywhere", "one row"])
def test_an_example_that_makes_no_numbers_is_refused(where):
    """Whatever is no number would be equal to anything, and a wrong cut pass."""
    x = torch.full((3, 4), math.nan)
    if where == "one row":
        x[1:] = 1.0  # the results of the others are numbers, but no gradient is
    cut = sl.cut(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), x)
    with pytest.raises(sl.CutError, match=r"must be finite for the example, got nan everywhere: cut .* example_input$"):
        cut.verify()


def test_a_parameter_that_is_no_number_is_named_and_a_mask_of_infinities_is_fine():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.o = nn.Linear(4, 8), nn.Linear(8, 3)
            self.register_buffer("mask", torch.tensor([0.0, -math.inf, 0.0]))

        def forward(self, x):
            return self.o(self.a(x).relu()) + self.mask

    model = Masked()
    cut = sl.cut(model, torch.ones(2, 4))
    assert cut.verify()["outputs"] < 1e-12
    with torch.no_grad():
        model.a.weight[0, 0] = math.nan
    with pytest.raises(sl.CutError, match=r"parameters must be finite, got other numbers in a\.weight"):
        cut.verify()


def test_a_network_without_a_backward_pass_is_told_so():
    """What is overwritten in place was needed for the gradient of sigmoid."""

    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(8, 6), nn.Linear(6, 2)

        def forward(self, x):
            return self.last(torch.sigmoid(self.first(x)).mul_(2.0))

    with pytest.raises(VerificationError, match=r"^verify: the gradients of the network fail: .* inplace operation"):
        sl.cut(InPlace(), torch.randn(3, 8)).verify()
