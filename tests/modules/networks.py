"""Small networks of many kinds, with what must be found in each, written down by hand.

`groups` says which groups there are and how many units each has; `consumers`, by group, which weights sum over its
units: (parameter, dimension, consecutive entries of a unit, first entry). From this alone `test_verification.py`
computes what a subnetwork must be: the user's own module with zeros at those weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

F = nn.functional


@dataclass
class Network:
    """A kind of network and what must be found in it."""

    make: Any
    groups: dict[str, int]
    consumers: dict[str, list[tuple]] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)  # name: a word of the reason
    streams: dict[str, int] = field(default_factory=dict)
    other: Any = None  # a second example
    units: Any = None


NETWORKS: dict[str, Network] = {}


def network(groups=None, consumers=None, **expected):
    def put(make):
        NETWORKS[make.__name__] = Network(make, groups or {}, consumers or {}, **expected)
        return make

    return put


class Forward(nn.Module):
    """A module of named parts, with its forward given as a function of (self, x)."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            elif isinstance(part, nn.Parameter):
                self.register_parameter(name, part)
            elif isinstance(part, torch.Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)
        self._forward = forward

    def forward(self, *args, **kwargs):
        return self._forward(self, *args, **kwargs)


def param(*shape):
    return nn.Parameter(torch.randn(*shape) * 0.3)


IMAGE = (3, 3, 8, 8)


# ---------------------------------------------------------------------------------------------------- perceptrons
@network({"0": 8, "2": 6}, {"0": [("2.weight", 1)], "2": [("4.weight", 1)]}, frozen={"4": "output"})
def perceptron():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2)), torch.randn(3, 4)


@network({}, frozen={"0": "output"})
def linear_alone():
    return nn.Sequential(nn.Linear(4, 2)), torch.randn(3, 4)


@network({"w1": 8}, {"w1": [("w2", 0)]})
def raw_parameters():
    return Forward(lambda s, x: torch.sigmoid(x @ s.w1 + s.b1) @ s.w2, w1=param(4, 8), b1=param(8), w2=param(8, 2)), (
        torch.randn(3, 4)
    )


@network({"a": 8}, {"a": [("b.weight", 1)]})
def dictionary_of_arguments():
    def forward(s, x, scale=None, flag=True):
        h = s.a(x)
        h = h * scale if scale is not None else h
        return {"out": s.b(F.gelu(h)), "both": (x.sum(1), None)}

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), {"x": torch.randn(3, 4), "scale": torch.randn(3, 1)}


@network({"a": 8, "b": 6}, {"a": [("b.weight", 1)], "b": [("c.weight", 1)]})
def activations_of_all_kinds():
    def forward(s, x):
        h = s.a(x)
        for f in (
            F.silu,
            F.elu,
            F.leaky_relu,
            F.hardswish,
            F.mish,
            F.softplus,
            F.softsign,
            F.relu6,
            torch.sin,
            F.logsigmoid,
        ):
            h = f(h)
        h = h.clamp(-3, 3) + 0.1 * h.abs().sqrt() - torch.where(h > 0, h, -h).exp() / 7
        h = s.b(h)
        for f in (
            F.selu,
            F.celu,
            F.hardtanh,
            F.hardsigmoid,
            F.tanhshrink,
            F.softshrink,
            torch.erf,
            torch.atan,
            torch.cos,
        ):
            h = f(h)
        return s.c(h.masked_fill(h > 2, 0.0))

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 6), c=nn.Linear(6, 2)), torch.randn(3, 4)


@network({"a[0]": 3, "a[1]": 5}, {"a[0]": [("b.weight", 1)], "a[1]": [("b.weight", 1, 1, 3)]})
def in_place_operations():
    def forward(s, x):
        h = s.a(x)
        h = h.clone()
        h.mul_(2).add_(0.5)
        h[:, :3] *= 0.5
        h.relu_()
        h = h + 1
        h.clamp_(max=5).sub_(0.1)
        return s.b(h)

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"a": 8}, {"a": [("b.weight", 1)]})
def prelu_per_unit():
    return Forward(lambda s, x: s.b(s.p(s.a(x))), a=nn.Linear(4, 8), p=nn.PReLU(8), b=nn.Linear(8, 2)), torch.randn(
        3, 4
    )


@network({"stem": 8}, {"stem": [("f.weight", 1), ("out.weight", 1)]})
def module_used_twice():  # rows and columns of f are one group: what f makes, f uses
    return Forward(
        lambda s, x: s.out(torch.tanh(s.f(torch.tanh(s.f(torch.tanh(s.stem(x))))))),
        stem=nn.Linear(4, 8),
        f=nn.Linear(8, 8),
        out=nn.Linear(8, 2),
    ), torch.randn(3, 4)


@network({"a": 8}, {"a": [("b.weight", 1)]})
def fixed_sizes_in_forward():
    def forward(s, x):
        h = s.a(x).view(x.shape[0], 8, 1).reshape(-1, 8)
        h = h + torch.zeros(8) + torch.ones(x.shape[0], 8)
        return F.linear(h.expand(x.shape[0], 8), s.b.weight, s.b.bias)

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({}, frozen={"0": "layer_norm"})
def layer_norm_over_the_width():
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(3, 4)


@network({}, frozen={"0": "softmax"})
def softmax_over_the_width():
    return nn.Sequential(nn.Linear(4, 8), nn.Softmax(1), nn.Linear(8, 2)), torch.randn(3, 4)


@network({"lin": 8}, {"lin": [("out.weight", 1)]})
def weight_norm_of_the_producer():
    lin = nn.utils.parametrizations.weight_norm(nn.Linear(4, 8))
    return Forward(lambda s, x: s.out(F.relu(s.lin(x))), lin=lin, out=nn.Linear(8, 2)), torch.randn(3, 4)


@network({}, frozen={"lin": "norm"})
def weight_norm_of_the_consumer():
    out = nn.utils.parametrizations.weight_norm(nn.Linear(8, 2))
    return Forward(lambda s, x: s.out(F.relu(s.lin(x))), lin=nn.Linear(4, 8), out=out), torch.randn(3, 4)


@network({})
def spectral_norm():
    lin = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8))
    return Forward(
        lambda s, x: s.out(F.relu(s.lin(F.relu(s.first(x))))), first=nn.Linear(4, 6), lin=lin, out=nn.Linear(8, 2)
    ), torch.randn(3, 4)


@network({"a": 8}, {"a": [("w", 0)]})
def einsum_layers():
    return Forward(lambda s, x: torch.einsum("bh,ho->bo", F.relu(s.a(x)), s.w), a=nn.Linear(4, 8), w=param(8, 2)), (
        torch.randn(3, 4)
    )


@network({"a": 6}, {"a": [("c.weight", 1)]})
def two_branches_multiplied():
    return Forward(
        lambda s, x: s.c(F.silu(s.a(x)) * s.b(x)), a=nn.Linear(4, 6), b=nn.Linear(4, 6), c=nn.Linear(6, 2)
    ), (torch.randn(3, 4))


@network({"fused": 6}, {"fused": [("c.weight", 1)]})
def swiglu_fused():
    def forward(s, x):
        gate, up = s.fused(x).chunk(2, dim=-1)
        return s.c(F.silu(gate) * up)

    return Forward(forward, fused=nn.Linear(4, 12), c=nn.Linear(6, 2)), torch.randn(3, 5, 4)


@network({"fused": 6}, {"fused": [("c.weight", 1)]})
def glu():
    return Forward(lambda s, x: s.c(F.glu(s.fused(x))), fused=nn.Linear(4, 12), c=nn.Linear(6, 2)), torch.randn(3, 4)


@network({"a": 8, "b": 5}, {"a": [("c.weight", 1)], "b": [("c.weight", 1, 1, 8)]})
def concatenation():
    return Forward(
        lambda s, x: s.c(F.relu(torch.cat([s.a(x), s.b(x)], 1))),
        a=nn.Linear(4, 8),
        b=nn.Linear(4, 5),
        c=nn.Linear(13, 2),
    ), torch.randn(3, 4)


@network({"a": 8}, {"a": [("c.weight", 1, 2)]})
def stacked_and_flattened():
    return Forward(
        lambda s, x: s.c(torch.stack([s.a(x).relu(), s.b(x).tanh()], 2).flatten(1)),
        a=nn.Linear(4, 8),
        b=nn.Linear(4, 8),
        c=nn.Linear(16, 2),
    ), torch.randn(3, 4)


@network({"a[0]": 3, "a[1]": 5}, {"a[0]": [("b.weight", 1)], "a[1]": [("c.weight", 1)]})
def split_into_two_ways():
    def forward(s, x):
        p, q = s.a(x).split([3, 5], 1)
        return s.b(p.relu()) + s.c(q.tanh())

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(3, 2), c=nn.Linear(5, 2)), torch.randn(3, 4)


@network({"up": 6}, {"up": [("down.weight", 1)]}, streams={"stem": 4})
def residual_stream():
    return Forward(
        lambda s, x: s.out((h := s.stem(x)) + s.down(F.relu(s.up(h)))),
        stem=nn.Linear(5, 4),
        up=nn.Linear(4, 6),
        down=nn.Linear(6, 4),
        out=nn.Linear(4, 2),
    ), torch.randn(3, 5)


@network(
    {"stem": 4, "up": 6},
    {"stem": [("up.weight", 1), ("out.weight", 1)], "up": [("down.weight", 1)]},
    units=["stem", "up"],
)
def residual_stream_declared():
    return residual_stream()


@network({"a": 8}, {"a": [("b.weight", 1)]})
def no_grad_region():
    def forward(s, x):
        h = s.a(x)
        with torch.no_grad():
            scale = h.abs().mean(0, keepdim=True) * 0 + h.relu()
        return s.b(h * scale)

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"a": 8}, {"a": [("b.weight", 1)]})
def noise_and_dropout():
    def forward(s, x):
        h = F.dropout(s.a(x), 0.0)
        return s.b(h * (torch.rand_like(h) >= 0).to(h.dtype))

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"a": 8}, {"a": [("b.weight", 1)]})
def masked_weights():  # a buffer of the weights' shape
    return Forward(
        lambda s, x: F.linear(F.relu(s.a(x)), s.b.weight * s.mask, s.b.bias),
        a=nn.Linear(4, 8),
        b=nn.Linear(8, 2),
        mask=(torch.rand(2, 8) > 0.3).float(),
    ), torch.randn(3, 4)


@network({"a": 8}, {"a": [("b.weight", 1)]})
def buffers_of_integers_and_constants():
    def forward(s, x):
        s.steps.add_(1)
        return s.b(s.a(x).relu() * torch.tensor(2.0) + s.table[s.order].sum())

    return Forward(
        forward,
        a=nn.Linear(4, 8),
        b=nn.Linear(8, 2),
        steps=torch.zeros((), dtype=torch.long),
        order=torch.tensor([2, 0, 1]),
        table=torch.randn(3),
    ), torch.randn(3, 4)


@network({"a": 8}, {"a": [("w", 0)]})
def complex_weights():
    def forward(s, x):
        h = torch.complex(s.a(x), s.b(x))
        return torch.view_as_real(h @ s.w).flatten(1)

    return Forward(
        forward, a=nn.Linear(4, 8), b=nn.Linear(4, 8), w=nn.Parameter(torch.randn(8, 2, dtype=torch.complex64))
    ), torch.randn(3, 4)


@network({"experts": 5}, {"experts": [("back", 1)]})
def mixture_of_experts():
    def forward(s, x):
        gates = F.softmax(s.gate(x), -1)
        h = torch.einsum("bi,eih->beh", x, s.experts).relu()
        return torch.einsum("be,beh,eho->bo", gates, h, s.back)

    return Forward(forward, gate=nn.Linear(4, 3), experts=param(3, 4, 5), back=param(3, 5, 2)), torch.randn(6, 4)


@network({"a": 8}, {"a": [("f.weight", 2)]})
def bilinear():
    return Forward(lambda s, x: s.f(x, s.a(x).relu()), a=nn.Linear(4, 8), f=nn.Bilinear(4, 8, 2)), torch.randn(3, 4)


@network({"a": 8}, {"a": [("w", 0)]})
def batched_matrix_products():
    def forward(s, x):
        h = torch.baddbmm(s.bias, x, s.a.expand(x.shape[0], 4, 8)).relu()
        return torch.bmm(h, s.w.unsqueeze(0).repeat(x.shape[0], 1, 1))

    return Forward(forward, a=param(4, 8), bias=param(1, 1, 8), w=param(8, 2)), torch.randn(3, 5, 4)


# ---------------------------------------------------------------------------------------------------- convolutions
@network({"c1": 6, "c2": 5}, {"c1": [("c2.weight", 1)], "c2": [("fc.weight", 1, 4)]})
def convolutions_with_batch_norm():
    def forward(s, x):
        h = F.relu(s.b1(s.c1(x)))
        h = F.max_pool2d(F.relu(s.b2(s.c2(h))), 2)
        return s.fc(F.adaptive_avg_pool2d(h, 2).flatten(1))

    return Forward(
        forward,
        c1=nn.Conv2d(3, 6, 3, padding=1),
        b1=nn.BatchNorm2d(6),
        c2=nn.Conv2d(6, 5, 3, padding=1, bias=False),
        b2=nn.BatchNorm2d(5),
        fc=nn.Linear(20, 2),
    ), torch.randn(*IMAGE)


@network({"c1": 6}, {"c1": [("c2.weight", 1)]}, frozen={"c2": "output"})
def convolution_1d():
    return Forward(lambda s, x: s.c2(F.avg_pool1d(s.c1(x).relu(), 2)), c1=nn.Conv1d(3, 6, 3), c2=nn.Conv1d(6, 2, 2)), (
        torch.randn(3, 3, 9)
    )


@network({"c1": 6}, {"c1": [("c2.weight", 1)]})
def convolution_3d():
    return Forward(lambda s, x: s.c2(s.c1(x).relu()).mean((2, 3, 4)), c1=nn.Conv3d(2, 6, 2), c2=nn.Conv3d(6, 2, 2)), (
        torch.randn(2, 2, 4, 4, 4)
    )


@network({"c1": 6, "t": 4}, {"c1": [("t.weight", 0)], "t": [("c2.weight", 1)]})
def transposed_convolution():
    return Forward(
        lambda s, x: s.c2(s.t(s.c1(x).relu()).relu()),
        c1=nn.Conv2d(3, 6, 3),
        t=nn.ConvTranspose2d(6, 4, 2, 2),
        c2=nn.Conv2d(4, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 6}, {"c1": [("c2.weight", 1)]})
def depthwise_convolution():
    return Forward(
        lambda s, x: s.c2(s.d(s.c1(x)).relu()),
        c1=nn.Conv2d(3, 6, 1),
        d=nn.Conv2d(6, 6, 3, groups=6),
        c2=nn.Conv2d(6, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 6}, {"c1": [("c2.weight", 1, 2)]})
def depthwise_with_multiplier():
    return Forward(
        lambda s, x: s.c2(s.d(s.c1(x)).relu()),
        c1=nn.Conv2d(3, 6, 1),
        d=nn.Conv2d(6, 12, 3, groups=6),
        c2=nn.Conv2d(12, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 4}, {"c1": [("c2.weight", 1, 3)]})
def grouped_convolution():  # whole groups are units
    return Forward(
        lambda s, x: s.c2(s.g(s.c1(x).relu()).relu()),
        c1=nn.Conv2d(3, 8, 1),
        g=nn.Conv2d(8, 12, 3, groups=4),
        c2=nn.Conv2d(12, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 4}, {"c1": [("c2.weight", 1, 3)]})
def grouped_transposed_convolution():
    return Forward(
        lambda s, x: s.c2(s.g(s.c1(x).relu()).relu()),
        c1=nn.Conv2d(3, 8, 1),
        g=nn.ConvTranspose2d(8, 12, 3, groups=4),
        c2=nn.Conv2d(12, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 4}, {"c1": [("c2.weight", 1, 2)]})
def group_norm():  # 4 groups of 2 channels
    return Forward(
        lambda s, x: s.c2(s.n(s.c1(x)).relu()), c1=nn.Conv2d(3, 8, 1), n=nn.GroupNorm(4, 8), c2=nn.Conv2d(8, 2, 1)
    ), torch.randn(*IMAGE)


@network({}, frozen={"c1": "group_norm"})
def group_norm_with_one_group():
    return Forward(
        lambda s, x: s.c2(s.n(s.c1(x)).relu()), c1=nn.Conv2d(3, 8, 1), n=nn.GroupNorm(1, 8), c2=nn.Conv2d(8, 2, 1)
    ), torch.randn(*IMAGE)


@network({"c1": 8}, {"c1": [("c2.weight", 1)]})
def instance_norm():
    return Forward(
        lambda s, x: s.c2(s.n(s.c1(x)).relu()),
        c1=nn.Conv2d(3, 8, 1),
        n=nn.InstanceNorm2d(8, affine=True),
        c2=nn.Conv2d(8, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 3}, {"c1": [("c2.weight", 1)]})
def pixel_shuffle():
    return Forward(
        lambda s, x: s.c2(F.pixel_shuffle(s.c1(x), 2).relu()), c1=nn.Conv2d(3, 12, 1), c2=nn.Conv2d(3, 2, 1)
    ), (torch.randn(*IMAGE))


@network({"c1": 5}, {"c1": [("c2.weight", 1, 4)]})
def pixel_unshuffle():
    return Forward(
        lambda s, x: s.c2(F.pixel_unshuffle(s.c1(x), 2).relu()), c1=nn.Conv2d(3, 5, 1), c2=nn.Conv2d(20, 2, 1)
    ), (torch.randn(*IMAGE))


@network({"c1": 6, "down": 3}, {"c1": [("down.weight", 1), ("c2.weight", 1)], "down": [("up.weight", 1)]})
def squeeze_and_excite():
    def forward(s, x):
        h = s.c1(x).relu()
        gate = torch.sigmoid(s.up(F.relu(s.down(h.mean((2, 3), keepdim=True)))))
        return s.c2(h * gate)

    return Forward(
        forward, c1=nn.Conv2d(3, 6, 1), down=nn.Conv2d(6, 3, 1), up=nn.Conv2d(3, 6, 1), c2=nn.Conv2d(6, 2, 1)
    ), (torch.randn(*IMAGE))


@network(
    {"blocks.0": 4, "blocks.1": 4},
    {"blocks.0": [("blocks.1.weight", 1, 1, 3), ("out.weight", 1, 1, 3)], "blocks.1": [("out.weight", 1, 1, 7)]},
)
def dense_block():
    def forward(s, x):
        features = [x]
        for block, norm in zip(s.blocks, s.norms, strict=True):
            features.append(block(F.relu(norm(torch.cat(features, 1)))))
        return s.out(torch.cat(features, 1))

    return Forward(
        forward,
        blocks=nn.ModuleList([nn.Conv2d(3, 4, 1), nn.Conv2d(7, 4, 1)]),
        norms=nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(7)]),
        out=nn.Conv2d(11, 2, 1),
    ), torch.randn(*IMAGE)


def _shuffled(x, groups=2):
    b, c, h, w = x.shape
    return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)


@network({"stem": 4}, {"stem": [("out.weight", 1, 2)]})
def channel_shuffle():  # channel i and channel i + 4 are shuffled together
    return Forward(lambda s, x: s.out(_shuffled(s.stem(x).relu())), stem=nn.Conv2d(3, 8, 1), out=nn.Conv2d(8, 2, 1)), (
        torch.randn(*IMAGE)
    )


@network({"stem[0]": 4, "stem[1]": 4, "branch": 5}, {"branch": [("back.weight", 1)]})
def shuffle_net_unit():
    def forward(s, x):
        a, b = s.stem(x).relu().chunk(2, 1)
        b = s.back(s.depthwise(s.branch(b).relu()))
        return s.out(_shuffled(torch.cat([a, b], 1)))

    return Forward(
        forward,
        stem=nn.Conv2d(3, 8, 1),
        branch=nn.Conv2d(4, 5, 1),
        depthwise=nn.Conv2d(5, 5, 3, padding=1, groups=5),
        back=nn.Conv2d(5, 4, 1),
        out=nn.Conv2d(8, 2, 1),
    ), torch.randn(*IMAGE)


@network({"c1": 5}, {"c1": [("c2.weight", 1)]}, streams={"stem": 6})
def preactivation_residual_block():
    def forward(s, x):
        h = s.stem(x)
        h = h + s.c2(F.relu(s.b2(s.c1(F.relu(s.b1(h))))))
        return s.fc(h.mean((2, 3)))

    return Forward(
        forward,
        stem=nn.Conv2d(3, 6, 3),
        b1=nn.BatchNorm2d(6),
        c1=nn.Conv2d(6, 5, 3, padding=1),
        b2=nn.BatchNorm2d(5),
        c2=nn.Conv2d(5, 6, 3, padding=1),
        fc=nn.Linear(6, 2),
    ), torch.randn(*IMAGE)


@network({"c1": 5}, {"c1": [("c2.weight", 1)]})
def padded_shortcut():
    def forward(s, x):
        h = s.stem(x)
        return s.fc((F.pad(h[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)) + s.c2(s.c1(h).relu())).mean((2, 3)))

    return Forward(
        forward, stem=nn.Conv2d(3, 4, 1), c1=nn.Conv2d(4, 5, 3, 2, 1), c2=nn.Conv2d(5, 8, 1), fc=nn.Linear(8, 2)
    ), (torch.randn(*IMAGE))


@network({"c1": 6}, {"c1": [("c2.weight", 1)]})
def interpolation_and_padding():
    def forward(s, x):
        h = F.interpolate(s.c1(x), scale_factor=2, mode="bilinear")
        h = F.pad(F.interpolate(h, size=(8, 8)), (1, 1, 1, 1), mode="reflect")
        return s.c2(F.pad(h, (1, 0, 2, 0)).roll(1, 2).flip(3))

    return Forward(forward, c1=nn.Conv2d(3, 6, 1), c2=nn.Conv2d(6, 2, 1)), torch.randn(*IMAGE)


@network({"pw1": 12}, {"pw1": [("pw2.weight", 1)]}, frozen={"stem": "layer_norm"})
def convnext_block():
    def forward(s, x):
        h = s.stem(x)
        y = s.norm(s.dw(h).permute(0, 2, 3, 1))
        y = s.gamma * s.pw2(F.gelu(s.pw1(y)))
        return s.out((h + y.permute(0, 3, 1, 2)).mean((-2, -1)))

    return Forward(
        forward,
        stem=nn.Conv2d(3, 6, 2, 2),
        dw=nn.Conv2d(6, 6, 3, padding=1, groups=6),
        norm=nn.LayerNorm(6),
        pw1=nn.Linear(6, 12),
        pw2=nn.Linear(12, 6),
        gamma=nn.Parameter(1e-6 * torch.ones(6)),
        out=nn.Linear(6, 2),
    ), torch.randn(*IMAGE)


@network({"c1": 6}, {"c1": [("fc.weight", 1, 9)]})
def unfold_and_flatten():
    return Forward(lambda s, x: s.fc(s.c1(x).flatten(1)), c1=nn.Conv2d(3, 6, 6), fc=nn.Linear(54, 2)), torch.randn(
        *IMAGE
    )


# ------------------------------------------------------------------------------------------- sequences, attention
@network(
    {"self_attn": 2, "linear1": 12},
    {"self_attn": [("self_attn.out_proj.weight", 1, 4)], "linear1": [("linear2.weight", 1)]},
)
def transformer_encoder_layer():
    return nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True), torch.randn(3, 5, 8)


@network({f"layers.{i}.{name}": m for i in range(2) for name, m in (("self_attn", 2), ("linear1", 12))})
def transformer_encoder():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True), 2)
    return encoder, torch.randn(3, 5, 8)


@network({"attn": 2}, {"attn": [("attn.out_proj.weight", 1, 4)]})
def multihead_attention():
    return Forward(
        lambda s, x: s.attn(x, x, x, need_weights=False)[0], attn=nn.MultiheadAttention(8, 2, batch_first=True)
    ), (torch.randn(3, 5, 8))


@network({"attn": 2}, {"attn": [("attn.out_proj.weight", 1, 4)]})
def multihead_attention_of_other_widths():
    def forward(s, x):
        return s.attn(x, x[..., :3], x[..., :5], need_weights=True)[0]

    return Forward(forward, attn=nn.MultiheadAttention(8, 2, kdim=3, vdim=5, batch_first=True)), torch.randn(3, 5, 8)


class Block(nn.Module):
    """A GPT block by hand: fused qkv and chunk."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (z.view(b, t, self.heads, d // self.heads).transpose(1, 2) for z in self.qkv(self.n1(x)).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5
        scores = scores.masked_fill(torch.ones(t, t).tril() == 0, float("-inf"))
        y = (scores.softmax(-1) @ v).transpose(1, 2).contiguous().view(b, t, d)
        x = x + self.proj(y)
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class SmallGPT(nn.Module):
    """Tied embeddings, positions, two blocks."""

    def __init__(self, tied=True):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(11, 8), nn.Embedding(16, 8)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)
        if tied:
            self.head.weight = self.wte.weight

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


@network(
    {f"blocks.{i}.{n}": m for i in range(2) for n, m in (("qkv", 2), ("up", 32))},
    {
        f"blocks.{i}.{a}": [(f"blocks.{i}.{b}.weight", 1, r)]
        for i in range(2)
        for a, b, r in (("qkv", "proj", 4), ("up", "down", 1))
    },
    other=torch.randint(0, 11, (3, 9)),
)
def gpt_with_tied_embeddings():
    return SmallGPT(), torch.randint(0, 11, (3, 6))


@network({"q": 2}, {"q": [("o.weight", 1, 12)]})
def grouped_queries():  # 4 heads of queries for 2 of keys: a unit is a head of keys with its two of queries
    def forward(s, x):
        b, t, _ = x.shape
        q = s.q(x).view(b, t, 4, 6).transpose(1, 2)
        k = s.k(x).view(b, t, 2, 6).transpose(1, 2)
        v = s.v(x).view(b, t, 2, 6).transpose(1, 2)
        k, v = (z[:, :, None].expand(b, 2, 2, t, 6).reshape(b, 4, t, 6) for z in (k, v))
        return s.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, 24))

    return Forward(
        forward, q=nn.Linear(8, 24), k=nn.Linear(8, 12), v=nn.Linear(8, 12), o=nn.Linear(24, 8)
    ), torch.randn(3, 5, 8)


@network({"q": 2}, {"q": [("o.weight", 1, 12)]})
def grouped_queries_of_torch():
    def forward(s, x):
        b, t, _ = x.shape
        q = s.q(x).view(b, t, 4, 6).transpose(1, 2)
        k, v = (f(x).view(b, t, 2, 6).transpose(1, 2) for f in (s.k, s.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return s.o(y.transpose(1, 2).reshape(b, t, 24))

    return Forward(
        forward, q=nn.Linear(8, 24), k=nn.Linear(8, 12), v=nn.Linear(8, 12), o=nn.Linear(24, 8)
    ), torch.randn(3, 5, 8)


@network({"q": 4}, {"q": [("o.weight", 1, 3)]})
def one_head_of_keys():  # multi-query attention: heads of queries are units
    def forward(s, x):
        b, t, _ = x.shape
        q = s.q(x).view(b, t, 4, 3).transpose(1, 2)
        k, v = (f(x).unsqueeze(1).expand(b, 4, t, 3) for f in (s.k, s.v))
        return s.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, 12))

    return Forward(forward, q=nn.Linear(8, 12), k=nn.Linear(8, 3), v=nn.Linear(8, 3), o=nn.Linear(12, 8)), torch.randn(
        3, 5, 8
    )


@network({"qkv": 2}, {"qkv": [("o.weight", 1, 4)]})
def relative_position_bias():
    def forward(s, x):
        b, t, _ = x.shape
        q, k, v = s.qkv(x).reshape(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        bias = s.table[s.index.view(-1)].view(t, t, 2).permute(2, 0, 1).unsqueeze(0)
        y = (q @ k.transpose(-2, -1) * 0.5 + bias).softmax(-1) @ v
        return s.o(y.transpose(1, 2).flatten(2))

    i = torch.arange(5)
    return Forward(forward, qkv=nn.Linear(8, 24), o=nn.Linear(8, 8), table=param(9, 2), index=i[:, None] - i + 4), (
        torch.randn(3, 5, 8)
    )


@network({"qkv": 2}, {"qkv": [("o.weight", 1, 4)]})
def heads_folded_into_the_batch():
    def forward(s, x):
        b, t, _ = x.shape
        q, k, v = s.qkv(x).view(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4).reshape(3, b * 2, t, 4).unbind(0)
        y = torch.bmm(torch.bmm(q, k.mT).softmax(-1), v)
        return s.o(y.view(b, 2, t, 4).transpose(1, 2).reshape(b, t, 8))

    return Forward(forward, qkv=nn.Linear(8, 24), o=nn.Linear(8, 8)), torch.randn(3, 5, 8)


@network(
    {"tokens.0": 7, "channels.0": 9}, {"tokens.0": [("tokens.2.weight", 1)], "channels.0": [("channels.2.weight", 1)]}
)
def mlp_mixer():
    def forward(s, x):
        h = s.stem(x).flatten(2).transpose(1, 2)
        h = h + s.tokens(s.n1(h).transpose(1, 2)).transpose(1, 2)
        h = h + s.channels(s.n2(h))
        return s.out(h.mean(1))

    def mlp(a, b):
        return nn.Sequential(nn.Linear(a, b), nn.GELU(), nn.Linear(b, a))

    return Forward(
        forward,
        stem=nn.Conv2d(3, 6, 4, 4),
        n1=nn.LayerNorm(6),
        tokens=mlp(4, 7),
        n2=nn.LayerNorm(6),
        channels=mlp(6, 9),
        out=nn.Linear(6, 2),
    ), torch.randn(*IMAGE)


@network({}, frozen={"lstm": "left whole"})
def lstm():
    def forward(s, x):
        return s.out(s.lstm(x)[0][:, -1])

    return Forward(forward, lstm=nn.LSTM(4, 6, batch_first=True), out=nn.Linear(6, 2)), torch.randn(3, 5, 4)


@network({"embed": 6}, {"embed": [("out.weight", 1)]}, units=["embed"])
def embedding_declared():
    return Forward(lambda s, x: s.out(s.embed(x).relu().mean(1)), embed=nn.Embedding(9, 6), out=nn.Linear(6, 2)), (
        torch.randint(0, 9, (3, 5))
    )


@network({}, streams={"embed": 6}, frozen={"embed": "embedding"})
def embedding():
    return embedding_declared()


@network({"a": 8}, {"a": [("b.weight", 1)]})
def cumulative_sums_over_time():
    return Forward(lambda s, x: s.b(s.a(x).relu().cumsum(1).roll(1, 1)), a=nn.Linear(4, 8), b=nn.Linear(8, 2)), (
        torch.randn(3, 5, 4)
    )


@network({"a": 4}, {"a": [("b.weight", 1, 2)]}, units={"a": 4})
def units_of_two_entries():
    return Forward(lambda s, x: s.b(s.a(x).relu()), a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"wx": 6}, {"wx": [("wh.weight", 1), ("o.weight", 1)]}, units=["wx"])
def recurrent_cell_by_hand():
    def forward(s, x):
        h = torch.zeros(x.shape[0], 6)
        for t in range(x.shape[1]):
            h = torch.tanh(s.wx(x[:, t]) + s.wh(h))
        return s.o(h)

    return Forward(forward, wx=nn.Linear(4, 6), wh=nn.Linear(6, 6), o=nn.Linear(6, 2)), torch.randn(3, 5, 4)


@network({"wx": 6}, {"wx": [("wh.weight", 1), ("o.weight", 1)]}, units=["wx"])
def lstm_cell_by_hand():  # four gates are four copies of the units
    def forward(s, x):
        h = c = torch.zeros(x.shape[0], 6)
        for t in range(x.shape[1]):
            i, f, g, o = (s.wx(x[:, t]) + s.wh(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return s.o(h)

    return Forward(forward, wx=nn.Linear(4, 24), wh=nn.Linear(6, 24), o=nn.Linear(6, 2)), torch.randn(3, 3, 4)


@network({"q": 2}, {"q": [("o.weight", 1, 12)]})
def rotary_positions():
    def rotated(x, cos, sin):
        half = x.shape[-1] // 2
        return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin

    def forward(s, x):
        b, t, _ = x.shape
        q, k, v = (f(x).view(b, t, -1, 6).transpose(1, 2) for f in (s.q, s.k, s.v))
        angles = torch.outer(torch.arange(t).float(), s.frequencies).repeat(1, 2)
        q, k = (rotated(z, angles.cos(), angles.sin()) for z in (q, k))
        k, v = (z.repeat_interleave(2, dim=1) for z in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return s.o(y.transpose(1, 2).reshape(b, t, -1))

    parts = {"q": nn.Linear(8, 24), "k": nn.Linear(8, 12), "v": nn.Linear(8, 12), "o": nn.Linear(24, 8)}
    return Forward(forward, **parts, frequencies=1 / 100 ** (torch.arange(3) / 3)), torch.randn(3, 5, 8)


@network({"qkv": 4}, {"qkv": [("o.weight", 1, 2)]})
def queries_keys_values_within_each_head():
    def forward(s, x):
        b, t, _ = x.shape
        q, k, v = s.qkv(x).view(b, t, 4, 6).transpose(1, 2).chunk(3, -1)
        slopes = torch.pow(0.5, torch.arange(1, 5))[:, None, None]  # a number of its own for every head
        distance = torch.arange(t)[None] - torch.arange(t)[:, None]
        scores = q @ k.mT + slopes * distance
        return s.o((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, 8))

    return Forward(forward, qkv=nn.Linear(8, 24), o=nn.Linear(8, 8)), torch.randn(3, 5, 8)


@network({"qkv": 4}, {"qkv": [("o.weight", 1, 4)]})
def fused_queries_and_one_head_of_keys():
    def forward(s, x):
        b, t, _ = x.shape
        fused = s.qkv(x).view(b, t, 6, 4)
        q, k, v = (z.transpose(1, 2) for z in (fused[..., :-2, :], fused[..., [-2], :], fused[..., [-1], :]))
        y = F.scaled_dot_product_attention(q, k.expand_as(q), v.expand_as(q))
        return s.o(y.transpose(1, 2).reshape(b, t, 16))

    return Forward(forward, qkv=nn.Linear(8, 24), o=nn.Linear(16, 8)), torch.randn(3, 5, 8)


@network({"c2": 5}, {"c2": [("o.weight", 1)]}, frozen={"c1": "reduces it"})
def weight_standardisation():
    def standard(w):
        return (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)

    def forward(s, x):
        h = F.conv2d(x, standard(s.c1.weight)).relu()
        return s.o(F.conv2d(h, standard(s.c2.weight)).relu())

    return Forward(forward, c1=nn.Conv2d(3, 6, 3), c2=nn.Conv2d(6, 5, 3), o=nn.Conv2d(5, 2, 1)), torch.randn(*IMAGE)


@network({"a": 5, "c": 3}, {"a": [("b.weight", 1)], "c": [("b.weight", 1, 1, 5)]})
def assignment_to_parts():
    def forward(s, x):
        h = torch.zeros(x.shape[0], 8)
        h[:, :5] = s.a(x)
        h[:, 5:] = s.c(x)
        h[h < -1] = 0
        return s.b(h.tanh())

    return Forward(forward, a=nn.Linear(4, 5), c=nn.Linear(4, 3), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"c1": 4}, {"c1": [("c2.weight", 1)]})
def unfold_and_fold():
    def forward(s, x):
        patches = F.unfold(s.c1(x), 2, stride=2)
        return s.c2(F.fold(patches, (8, 8), 2, stride=2))

    return Forward(forward, c1=nn.Conv2d(3, 4, 1), c2=nn.Conv2d(4, 2, 1)), torch.randn(*IMAGE)


@network({"0": 4}, {"0": [("2.weight", 1, 2)]})
def channel_shuffle_of_torch():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ChannelShuffle(2), nn.Conv2d(8, 2, 1)), torch.randn(*IMAGE)


@network({"A": 3}, {"A": [("B.weight", 1)]}, streams={"w": 8})
def low_rank_adapter():
    parts = {"w": nn.Linear(4, 8), "A": nn.Linear(4, 3, False), "B": nn.Linear(3, 8, False), "o": nn.Linear(8, 2)}
    return Forward(lambda s, x: s.o((s.w(x) + s.B(s.A(x))).relu()), **parts), torch.randn(3, 4)


@network({"self_attn": 2, "multihead_attn": 2, "linear1": 12})
def transformer_decoder_layer():
    layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
    return layer, (torch.randn(3, 5, 8), torch.randn(3, 7, 8))


@network({"a": 8}, {"a": [("b.weight", 1)]})
def sums_of_one_producer_are_no_stream():  # a batch norm and a GELU by hand
    def forward(s, x):
        h = s.a(x)
        h = (h - h.mean(0)) / (h.var(0) + 1e-5).sqrt() * s.gain
        return s.b(0.5 * h * (1 + torch.tanh(0.8 * (h + 0.04 * h.pow(3)))))

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2), gain=param(8)), torch.randn(5, 4)


@network({"d1": 4, "d2": 6, "u": 5}, {"d1": [("d2.weight", 1), ("u.weight", 1)], "d2": [("u.weight", 1, 1, 4)]})
def u_net():
    def forward(s, x):
        a = s.d1(x).relu()
        b = s.d2(F.max_pool2d(a, 2)).relu()
        return s.o(s.u(torch.cat([a, F.interpolate(b, scale_factor=2)], 1)).relu())

    parts = {"d1": nn.Conv2d(3, 4, 3, padding=1), "d2": nn.Conv2d(4, 6, 3, padding=1)}
    return Forward(forward, **parts, u=nn.Conv2d(10, 5, 3, padding=1), o=nn.Conv2d(5, 2, 1)), torch.randn(*IMAGE)


@network({"a": 8}, {"a": [("a.weight", 0)]})
def tied_autoencoder():  # the rows of one matrix make the units and use them
    return Forward(lambda s, x: F.linear(s.a(x).relu(), s.a.weight.t()), a=nn.Linear(4, 8)), torch.randn(3, 4)


@network({"a": 4}, {"a": [("b.weight", 1)]})
def maxout():
    return Forward(lambda s, x: s.b(s.a(x).view(-1, 4, 2).amax(-1)), a=nn.Linear(4, 8), b=nn.Linear(4, 2)), (
        torch.randn(3, 4)
    )


@network({"a": 8}, {"a": [("b.weight", 1)]})
def checkpointed():
    def forward(s, x):
        return s.b(torch.utils.checkpoint.checkpoint(lambda z: s.a(z).relu(), x, use_reentrant=False))

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"c1": 6, "p1": 6}, {"c1": [("p1.weight", 1)], "p1": [("o.weight", 1)]})
def conv_mixer_block():  # x + depthwise(x) joins no producers
    def forward(s, x):
        h = s.c1(x)
        h = s.p1(h + s.b1(s.d1(h).relu()))
        return s.o(h.relu())

    return Forward(
        forward,
        c1=nn.Conv2d(3, 6, 2, 2),
        d1=nn.Conv2d(6, 6, 3, padding=1, groups=6),
        b1=nn.BatchNorm2d(6),
        p1=nn.Conv2d(6, 6, 1),
        o=nn.Conv2d(6, 2, 1),
    ), torch.randn(*IMAGE)


@network({"h": 7}, {"h": [("o.weight", 1)]}, frozen={"g": "left whole"})
def gru_before_a_perceptron():
    def forward(s, x):
        return s.o(s.h(s.g(x)[0]).relu())

    gru = nn.GRU(4, 5, batch_first=True, bidirectional=True)
    return Forward(forward, g=gru, h=nn.Linear(10, 7), o=nn.Linear(7, 2)), torch.randn(3, 5, 4)


# ------------------------------------------------------------------------------------------------- further kinds
@network({"a": 6}, {"a": [("o.weight", 1)]})
def gated_convolutions():
    parts = {"a": nn.Conv1d(3, 6, 3), "g": nn.Conv1d(3, 6, 3), "o": nn.Conv1d(6, 2, 1)}
    return Forward(lambda s, x: s.o(s.a(x).tanh() * s.g(x).sigmoid()), **parts), torch.randn(3, 3, 9)


@network({"film": 6}, {"film": [("c2.weight", 1)]})
def feature_wise_modulation():  # FiLM: a scale and a shift of every channel, computed from something else
    def forward(s, x, condition):
        scale, shift = s.film(condition)[:, :, None, None].chunk(2, 1)
        return s.c2((s.c1(x) * (1 + scale) + shift).relu())

    parts = {"c1": nn.Conv2d(3, 6, 3), "film": nn.Linear(5, 12), "c2": nn.Conv2d(6, 2, 1)}
    return Forward(forward, **parts), (torch.randn(*IMAGE), torch.randn(3, 5))


@network({"e": 12}, {"e": [("p.weight", 1)]}, streams={"s": 4})
def inverted_residual():
    def forward(s, x):
        h = s.s(x)
        y = F.relu6(s.b2(s.d(F.relu6(s.b1(s.e(h))))))
        return s.o((h + s.p(y)).mean((2, 3)))

    depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
    parts = {"s": nn.Conv2d(3, 4, 1), "e": nn.Conv2d(4, 12, 1, bias=False), "b1": nn.BatchNorm2d(12), "d": depthwise}
    return Forward(forward, **parts, b2=nn.BatchNorm2d(12), p=nn.Conv2d(12, 4, 1), o=nn.Linear(4, 2)), torch.randn(
        *IMAGE
    )


@network({}, streams={"i": 6}, frozen={"h": "residual stream"})
def highway():
    def forward(s, x):
        h = s.i(x)
        gate = s.t(h).sigmoid()
        return s.o(gate * s.h(h).relu() + (1 - gate) * h)

    parts = {name: nn.Linear(6, 6) for name in ("t", "h")}
    return Forward(forward, i=nn.Linear(4, 6), **parts, o=nn.Linear(6, 2)), torch.randn(3, 4)


@network({}, frozen={"0": "rms_norm"})
def rms_norm_over_the_width():
    return nn.Sequential(nn.Linear(4, 8), nn.RMSNorm(8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(3, 4)


@network({"m": 5}, {"m": [("o.weight", 1)]}, frozen={"c": "left whole"})
def cell_in_a_loop():
    def forward(s, x):
        h = x.new_zeros(x.shape[0], 6)
        for t in range(x.shape[1]):
            h = s.c(x[:, t], h)
        return s.o(s.m(h).relu())

    return Forward(forward, c=nn.RNNCell(4, 6), m=nn.Linear(6, 5), o=nn.Linear(5, 2)), torch.randn(3, 4, 4)


@network({"ws.0": 8, "ws.1": 6}, {"ws.0": [("ws.1", 0)], "ws.1": [("last.out", 0)]})
def lists_and_dicts_of_parameters():
    def forward(s, x):
        for w, b in zip(s.ws, s.bs, strict=True):
            x = (x @ w + b).relu()
        return x @ s.last["out"]

    ws, bs = nn.ParameterList([param(4, 8), param(8, 6)]), nn.ParameterList([param(8), param(6)])
    return Forward(forward, ws=ws, bs=bs, last=nn.ParameterDict({"out": param(6, 2)})), torch.randn(3, 4)


class Centred(nn.Module):
    """Less the running mean, in a buffer that every call replaces by another tensor."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.ones(width))

    def forward(self, x):
        x = x * self.mean
        self.mean = 0.5 * self.mean + 0.5 * x.mean(0).detach()
        return x - self.mean


@network({"0": 8}, {"0": [("3.weight", 1)]})
def buffers_that_forward_replaces():
    return nn.Sequential(nn.Linear(4, 8), Centred(8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(3, 4)


@network({"h": 7}, {"h": [("o.weight", 1)]}, streams={"e": 6})
def bag_of_embeddings_with_sparse_gradients():
    parts = {"e": nn.EmbeddingBag(9, 6, mode="sum", sparse=True), "h": nn.Linear(6, 7), "o": nn.Linear(7, 2)}
    return Forward(lambda s, x: s.o(s.h(s.e(x)).relu()), **parts), torch.randint(9, (4, 3))


@network({"0": 6}, {"0": [("3.weight", 1)]})
def instance_norm_with_running_statistics():
    norm = nn.InstanceNorm2d(6, affine=True, track_running_stats=True)
    return nn.Sequential(nn.Conv2d(3, 6, 1), norm, nn.ReLU(), nn.Conv2d(6, 2, 1)), torch.randn(*IMAGE)


@network({"w": 6}, {"w": [("o.weight", 1)]})
def kernels_mixed_for_every_sample():
    def forward(s, x):
        b = x.shape[0]
        w = torch.einsum("bk,koi->boi", s.route(x.mean((2, 3))).softmax(1), s.w)
        y = F.conv2d(x.reshape(1, -1, 8, 8), w.reshape(-1, 3, 1, 1), groups=b)
        return s.o(y.reshape(b, 6, 8, 8).relu())

    return Forward(forward, route=nn.Linear(3, 2), w=param(2, 6, 3), o=nn.Conv2d(6, 2, 1)), torch.randn(*IMAGE)


@network({"h": 5, "g": 8}, {"h": [("g.weight", 1)], "g": [("o.weight", 1)]})
def weights_made_by_another_network():
    def forward(s, x, z):
        w = s.g(s.h(z).relu()).view(-1, 8, 4)
        return s.o(torch.bmm(w, x.unsqueeze(2)).squeeze(2).relu())

    parts = {"h": nn.Linear(3, 5), "g": nn.Linear(5, 32), "o": nn.Linear(8, 2)}
    return Forward(forward, **parts), (torch.randn(3, 4), torch.randn(3, 3))


@network({f"experts.{i}.0": 6 for i in range(3)}, {f"experts.{i}.0": [(f"experts.{i}.2.weight", 1)] for i in range(3)})
def best_two_experts():
    def forward(s, x):
        value, which = s.gate(x).topk(2, -1)
        gates = x.new_zeros(x.shape[0], 3).scatter(1, which, value.softmax(-1))
        return (gates[..., None] * torch.stack([expert(x) for expert in s.experts], 1)).sum(1)

    experts = [nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)) for _ in range(3)]
    return Forward(forward, gate=nn.Linear(4, 3), experts=nn.ModuleList(experts)), torch.randn(5, 4)


@network({"a": 8}, {"a": [("b.weight", 1)]})
def straight_through_estimator():
    def forward(s, x):
        h = s.a(x)
        return s.b((h > 0).to(h.dtype) + h - h.detach())

    return Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)


@network({"a": 4}, {"a": [("b.weight", 1, 2)]})
def sorted_in_pairs():
    return Forward(
        lambda s, x: s.b(s.a(x).view(-1, 4, 2).sort(-1).values.flatten(1)), a=nn.Linear(4, 8), b=nn.Linear(8, 2)
    ), torch.randn(3, 4)


@network({"e": 8, "d": 7}, {"e": [("m.weight", 1), ("v.weight", 1)], "d": [("o.weight", 1)]})
def variational_autoencoder():
    def forward(s, x):
        h = s.e(x).relu()
        mean, log_variance = s.m(h), s.v(h)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return s.o(s.d(z).relu()), mean, log_variance

    sizes = {"e": (4, 8), "m": (8, 3), "v": (8, 3), "d": (3, 7), "o": (7, 4)}
    return Forward(forward, **{name: nn.Linear(*size) for name, size in sizes.items()}), torch.randn(3, 4)
