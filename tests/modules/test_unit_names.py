"""Units are called what a reader calls them."""

import pytest
import torch
from torch import nn

import subnetlab as sl


class Attention(nn.Module):
    """Written by hand, with matrix products and a softmax."""

    def __init__(self, make=nn.Linear):
        super().__init__()
        self.qkv, self.out = make(16, 48), make(16, 16)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (part.view(b, t, 4, 4).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(((q @ k.mT / 2).softmax(-1) @ v).transpose(1, 2).reshape(b, t, 16))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


ROWS, IMAGES, TOKENS = torch.zeros(2, 8), torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 16)
CASES = {
    "linear": (lambda: nn.Sequential(nn.Linear(8, 12), nn.Linear(12, 3)), ROWS, None, {"0": "neurons"}),
    "linear, by fours": (
        lambda: nn.Sequential(nn.Linear(8, 12), nn.Linear(12, 3)),
        ROWS,
        {"0": 3},
        {"0": "groups of neurons"},
    ),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(216, 4), nn.Linear(4, 2)),
        IMAGES,
        None,
        {"0": "channels", "2": "neurons"},
    ),
    "group norm": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 3), nn.GroupNorm(3, 6), nn.Conv2d(6, 2, 3)),
        IMAGES,
        None,
        {"0": "groups of channels"},
    ),
    "attention by hand": (Attention, TOKENS, None, {"qkv": "heads"}),
    "attention by torch": (
        lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True),
        TOKENS,
        None,
        {"self_attn": "heads", "linear1": "neurons"},
    ),
    "a stream and blocks": (
        lambda: nn.Sequential(nn.Linear(8, 8), Block(), Block(), nn.Linear(8, 3)),
        ROWS,
        ["0", "blocks"],
        {"0": "features", "blocks": "blocks"},
    ),
    "an embedding": (
        lambda: nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 3)),
        torch.zeros(2, 5, dtype=torch.long),
        ["0"],
        {"0": "features"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_units(case):
    make, x, units, expected = CASES[case]
    groups = sl.cut(make(), x, units).groups
    assert {name: group.unit_name for name, group in groups.items()} == expected
