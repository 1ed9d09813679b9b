"""What print(cut) shows, line by line."""

from itertools import pairwise

import torch
from torch import nn

import subnetlab as sl


def perceptron(*widths):
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def test_a_deep_network():
    assert str(sl.cut(perceptron(6, 8, 8, 3), torch.randn(4, 6))) == (
        "Sequential: 2 groups of units, 152 of 155 numbers (98%) belong to units\n"
        "\n"
        "  group  units      entries of each  parameters\n"
        "  0      8 neurons  1                0.weight, 0.bias, 2.weight\n"
        "  2      8 neurons  1                2.weight, 2.bias, 4.weight\n"
        "\n"
        "left whole:\n"
        "  4  output of the network (4)\n"
        "\n"
        "coverage: the share of its entries that a round of equal parts trains (by other laws: cut.coverage)\n"
        "  p parts  4 parts  parameters\n"
        "  1/p      0.25     2.weight\n"
        "  1        1        0.weight, 0.bias, 2.bias, 4.weight and 1 more"
    )


def test_a_network_in_which_no_entry_is_cut_twice_says_so_in_one_line():
    lines = str(sl.cut(perceptron(6, 8, 3), torch.randn(4, 6))).splitlines()
    assert lines[-1] == "coverage: a round of equal parts trains every entry, since no entry is cut twice"
    assert "coverage" not in str(sl.cut(nn.Linear(6, 3), torch.randn(4, 6)))


def test_inputs_that_are_cut_in_part():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 8), nn.Linear(6, 4)
            self.pair, self.out = nn.Bilinear(8, 4, 8), nn.Linear(14, 8)
            self.last = nn.Linear(8, 3)

        def forward(self, x):
            both = torch.cat([self.pair(self.a(x), self.b(x)), x], 1)
            return self.last(self.out(both).relu())

    text = str(sl.cut(Joined(), torch.randn(4, 6), ["a", "pair", "out"]))
    assert text.splitlines()[-4:] == [
        "  p parts   4 parts  parameters",
        "  1/p       0.25     pair.weight",
        "  1/p to 1  0.57     out.weight",
        "  1         1        a.weight, a.bias, b.weight, b.bias and 4 more",
    ]


def test_every_layer_alike_is_one_row():
    lines = str(sl.cut(perceptron(6, *[8] * 60, 3), torch.randn(4, 6))).splitlines()
    assert lines[-2] == "  1/p      0.25     2.weight, 4.weight, 6.weight, 8.weight and 55 more"


def test_a_tensor_under_two_names_is_shared():
    net = perceptron(6, 8, 8, 3)
    net[2].weight = nn.Parameter(torch.eye(8))
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), net[2], nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    net[4].weight = net[2].weight
    assert "\n\nshared: 4.weight is 2.weight\n\n" in str(sl.cut(net, torch.randn(4, 6)))
    assert "shared" not in str(sl.cut(perceptron(6, 8, 3), torch.randn(4, 6)))
