"""Small networks whose units are written down by hand: which dimensions carry them, and which weights sum over them.

Nothing here knows of graphs or labels. `plain_training.py` trains these networks by plain multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

F = nn.functional


class Place(NamedTuple):
    """A dimension that carries units: ``copies`` times every unit's ``repeat`` consecutive entries."""

    name: str
    dimension: int
    copies: int = 1
    repeat: int = 1


class Units(NamedTuple):
    """One group: how many units, where they are made, and the weights that sum over them."""

    size: int
    made: list[Place]
    used: list[Place]


@dataclass(frozen=True)
class Declared:
    """A network, what is known of its units, inputs (n, ...), targets and the loss of a batch."""

    model: nn.Module
    units: dict[str, Units]
    x: torch.Tensor
    y: torch.Tensor
    loss: Callable[..., torch.Tensor] = F.cross_entropy


def _layer(name: str, *, copies: int = 1, repeat: int = 1, bias: bool = True) -> list[Place]:
    """Where the rows of a layer are."""
    return [Place(f"{name}.{part}", 0, copies, repeat) for part in ("weight", "bias")[: 1 + bias]]


def _batch_norm(name: str) -> list[Place]:
    return [Place(f"{name}.{part}", 0) for part in ("weight", "bias", "running_mean", "running_var")]


def _data(*shape: int, rows: int = 96, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(rows, *shape, dtype=torch.float64), torch.randint(classes, (rows,))


def perceptron(widths: tuple[int, ...], features: int = 4) -> Declared:
    """Return any number of hidden layers."""
    layers, units = [], {}
    for i, (before, width) in enumerate(zip((features, *widths), widths, strict=False)):
        layers += [nn.Linear(before, width), nn.ReLU()]
        units[f"{2 * i}"] = Units(width, _layer(f"{2 * i}"), [Place(f"{2 * i + 2}.weight", 1)])
    return Declared(nn.Sequential(*layers, nn.Linear(widths[-1], 3)), units, *_data(features))


def convolutions_with_batch_norm() -> Declared:
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 5, 3, stride=2, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip
    units = {
        "0": Units(6, [*_layer("0", bias=False), *_batch_norm("1")], [Place("3.weight", 1)]),
        "3": Units(5, [*_layer("3", bias=False), *_batch_norm("4")], [Place("7.weight", 1, repeat=4)]),
    }
    return Declared(model, units, *_data(2, 6, 6))


class PreActivation(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.n1, self.c1 = nn.BatchNorm2d(width), nn.Conv2d(width, inner, 3, padding=1, bias=False)
        self.n2, self.c2 = nn.BatchNorm2d(inner), nn.Conv2d(inner, width, 3, padding=1, bias=False)

    def forward(self, x):
        return x + self.c2(F.relu(self.n2(self.c1(F.relu(self.n1(x))))))


def residual_blocks() -> Declared:
    """Return blocks of the pre-activation kind, cut inside."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), PreActivation(4, 5), PreActivation(4, 6),
        nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip
    units = {
        f"{i}.c1": Units(m, [*_layer(f"{i}.c1", bias=False), *_batch_norm(f"{i}.n2")], [Place(f"{i}.c2.weight", 1)])
        for i, m in ((1, 5), (2, 6))
    }
    return Declared(model, units, *_data(2, 6, 6))


class Classifier(nn.Module):
    """The mean over tokens of what a layer gives, and a linear layer."""

    def __init__(self, body: nn.Module, width: int):
        super().__init__()
        self.body, self.out = body, nn.Linear(width, 3)

    def forward(self, x):
        return self.out(self.body(x).mean(1))


def transformer_encoder_layer() -> Declared:
    model = Classifier(nn.TransformerEncoderLayer(12, 3, 7, dropout=0.0, batch_first=True), 12)
    attention = [Place(f"body.self_attn.in_proj_{part}", 0, copies=3, repeat=4) for part in ("weight", "bias")]
    units = {
        "body.self_attn": Units(3, attention, [Place("body.self_attn.out_proj.weight", 1, repeat=4)]),
        "body.linear1": Units(7, _layer("body.linear1"), [Place("body.linear2.weight", 1)]),
    }
    return Declared(model, units, *_data(5, 12))


class Block(nn.Module):
    """Attention with queries, keys and values fused, taken apart by chunk."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.heads, -1).transpose(1, 2) for z in self.qkv(self.n1(x)).chunk(3, -1))
        scores = q @ k.mT / (d // self.heads) ** 0.5
        scores = scores.masked_fill(torch.ones(t, t).tril() == 0, float("-inf"))
        x = x + self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.n2(x))))


class SmallGPT(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, words: int):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(words, width), nn.Embedding(8, width)
        self.blocks = nn.ModuleList([Block(width, heads, hidden), Block(width, heads, hidden)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def gpt_with_tied_embeddings() -> Declared:
    units = {}
    for i in range(2):
        name = f"blocks.{i}"
        fused = _layer(f"{name}.qkv", copies=3, repeat=2, bias=False)
        units[f"{name}.qkv"] = Units(3, fused, [Place(f"{name}.proj.weight", 1, repeat=2)])
        units[f"{name}.up"] = Units(8, _layer(f"{name}.up"), [Place(f"{name}.down.weight", 1)])
    ids = torch.randint(9, (96, 6))
    return Declared(SmallGPT(6, 3, 8, 9), units, ids[:, :-1], ids[:, 1:], lambda o, y: F.cross_entropy(o.mT, y))


class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.norm, self.both = nn.RMSNorm(width), nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        gate, up = self.both(self.norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def swiglu() -> Declared:
    both = _layer("body.both", copies=2, bias=False)
    units = {"body.both": Units(7, both, [Place("body.down.weight", 1)])}
    return Declared(Classifier(SwiGLU(6, 7), 6), units, *_data(4, 6))


class GroupedQueries(nn.Module):
    """Six heads of queries for three of keys and values: a unit is one of the three with its two of queries."""

    def __init__(self, width: int):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, n, bias=False) for n in (24, 12, 12))
        self.o = nn.Linear(24, width, bias=False)

    def forward(self, x):
        b, t, _ = x.shape
        q = self.q(x).view(b, t, 6, 4).transpose(1, 2)
        k, v = (f(x).view(b, t, 3, 4).transpose(1, 2).repeat_interleave(2, dim=1) for f in (self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.o(y.transpose(1, 2).reshape(b, t, 24))


def grouped_queries() -> Declared:
    made = [*_layer("body.q", repeat=8, bias=False), *_layer("body.k", repeat=4, bias=False)]
    made += _layer("body.v", repeat=4, bias=False)
    units = {"body.q": Units(3, made, [Place("body.o.weight", 1, repeat=8)])}
    return Declared(Classifier(GroupedQueries(6), 6), units, *_data(5, 6))


KINDS: dict[str, Callable[[], Declared]] = {
    "perceptron of depth 1": lambda: perceptron((7,)),
    "perceptron of depth 2": lambda: perceptron((7, 5)),
    "perceptron of depth 3": lambda: perceptron((7, 5, 6)),
    "perceptron of depth 4": lambda: perceptron((7, 5, 6, 4)),
    "CNN with batch norm": convolutions_with_batch_norm,
    "pre-activation ResNet blocks": residual_blocks,
    "nn.TransformerEncoderLayer": transformer_encoder_layer,
    "small GPT, tied embeddings": gpt_with_tied_embeddings,
    "SwiGLU, fused": swiglu,
    "grouped queries": grouped_queries,
}


def made(kind: str) -> Declared:
    """Return a network of a kind in float64, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = KINDS[kind]()
    network.model.double()
    return network
