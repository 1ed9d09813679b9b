"""What is cut is not listed as left whole, and what is left whole has the reason that matters."""

import pytest
import torch
from torch import nn

import subnetlab as sl


class GroupedQueries(nn.Module):
    """Two heads of keys and values, one module makes both; two queries for each head."""

    def __init__(self):
        super().__init__()
        self.q, self.kv, self.out = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x):
        b, t, _ = x.shape
        q = self.q(x).view(b, t, 2, 2, 4)
        k, v = self.kv(x).view(b, t, 2, 2, 4).unbind(2)
        shares = (torch.einsum("bthgd,bshd->bhgts", q, k) / 2).softmax(-1)
        return self.out(torch.einsum("bhgts,bshd->bthgd", shares, v).reshape(b, t, 16))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (f(x).view(b, t, 4, 2).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.out(((q @ k.mT).softmax(-1) @ v).transpose(1, 2).reshape(b, t, 8))


class Matrices(nn.Module):
    """Two weights whose rows are cut, and one whose are not, in one module."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.randn(8, 8)) for _ in range(3))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head((torch.relu(torch.relu(x @ self.a) @ self.b) @ self.c).softmax(-1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


def tokens(width):
    return torch.randn(2, 5, width, generator=torch.Generator().manual_seed(0))


CASES = {
    "keys and values of one module": (GroupedQueries, tokens(16), None, {"out": "output of the network (out)"}),
    "the same, named": (GroupedQueries, tokens(16), ["kv"], {"out": "output of the network (out)"}),
    "nothing named": (
        GroupedQueries,
        tokens(16),
        [],
        {**dict.fromkeys(["q", "kv"], "units does not name it"), "out": "output of the network (out)"},
    ),
    "values inside the heads": (Attention, tokens(8), None, {"out": "output of the network (out)"}),
    "a module of several weights": (
        lambda: nn.Sequential(nn.Linear(8, 8), Matrices()),
        tokens(8)[0],
        None,
        {"1.c": "softmax (1) mixes it", "1.head": "output of the network (1.head)"},
    ),
    "units of several entries": (
        lambda: nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 3)),
        tokens(8)[0],
        {"0": 4},
        {"2": "output of the network (2)"},
    ),
    "whole blocks": (
        lambda: nn.Sequential(nn.Linear(8, 8), Block(), Block(), nn.Linear(8, 3)),
        tokens(8)[0],
        ["blocks"],
        {"0": "residual stream: joined by additions", "3": "output of the network (3)"},
    ),
    "a part of torch's own layer": (
        lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True),
        tokens(16),
        ["linear1"],
        {"self_attn": "units does not name it"}
        | dict.fromkeys(["self_attn.out_proj", "linear2", "norm1", "norm2"], "input of the network (src)"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_whole(case):
    make, x, units, expected = CASES[case]
    assert sl.cut(make(), x, units).frozen == expected


def test_naming_a_weight_that_is_left_whole_is_refused_with_its_reason():
    with pytest.raises(sl.CutError, match=r"got '1\.c': softmax \(1\) mixes it"):
        sl.cut(nn.Sequential(nn.Linear(8, 8), Matrices()), tokens(8)[0], ["1.c"])
