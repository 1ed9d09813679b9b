"""Networks and optimisers by name, for plans that hold plain values; a further one is a function and a line here."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from .cutting import Cut, cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from .local_optimizer import OptimizerFactory

    NetworkFactory = Callable[..., nn.Module]  # of the numbers of inputs and outputs, and of settings

_MOMENTUM = 0.9


def mlp(inputs: int, outputs: int, *hidden: int) -> nn.Module:
    """Return a perceptron with ReLU and hidden layers of these sizes; without any it is linear."""
    layers: list[nn.Module] = []
    for a, b in pairwise((inputs, *hidden, outputs)):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(inputs: int, outputs: int, first: int = 8, second: int = 16, hidden: int = 64) -> nn.Module:
    """Return two convolutions of 3 x 3 pixels, the first of every second pixel, and a hidden layer, on square images.

    A maximum over 2 x 2 pixels stands between the convolutions and the hidden layer.
    """
    side = _side("cnn", inputs, least=3)
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        *(nn.Conv2d(1, first, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(first, second, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(((side + 1) // 4) ** 2 * second, hidden), nn.ReLU(), nn.Linear(hidden, outputs)),
    )


def resnet(inputs: int, outputs: int, width: int = 16, blocks: int = 2) -> nn.Module:
    """Return pre-activation residual blocks with batch norm, on square images made smaller by four; cut inside."""
    side = _side("resnet", inputs, least=3)
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        *(nn.Conv2d(1, width, 3, stride=2, padding=1), nn.MaxPool2d(2)),
        *(_Residual(width) for _ in range(blocks)),
        *(nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs)),
    )


def transformer(
    inputs: int, outputs: int, width: int = 32, heads: int = 4, hidden: int = 64, layers: int = 2
) -> nn.Module:
    """Return a pre-norm encoder, without dropout, that reads a square image row by row and predicts from the mean."""
    side = _side("transformer", inputs)
    if width % heads:
        raise ValueError(f"transformer: width must be a multiple of heads = {heads}, got {width}")
    encoders = (
        nn.TransformerEncoderLayer(width, heads, hidden, dropout=0.0, norm_first=True, batch_first=True)
        for _ in range(layers)
    )
    return nn.Sequential(
        nn.Unflatten(1, (side, side)),
        _Places(side, width),
        *encoders,
        *(nn.LayerNorm(width), _MeanOverRows(), nn.Linear(width, outputs)),
    )


NETWORKS: dict[str, NetworkFactory] = {"mlp": mlp, "cnn": cnn, "resnet": resnet, "transformer": transformer}
"""Functions of the numbers of inputs and outputs, and of whole numbers that are its settings."""

OPTIMIZERS: dict[str, Callable[[float], OptimizerFactory]] = {
    "sgd": lambda eta: lambda params: torch.optim.SGD(params, lr=eta),
    "momentum": lambda eta: lambda params: torch.optim.SGD(params, lr=eta, momentum=_MOMENTUM),
    "adam": lambda eta: lambda params: torch.optim.Adam(params, lr=eta),
    "adamw": lambda eta: lambda params: torch.optim.AdamW(params, lr=eta),
}
"""From a step size to what makes an optimiser; "momentum" is SGD with momentum 0.9."""


def drawn(make: Callable[[], nn.Module], seed: int, dtype: str) -> nn.Module:
    """Return the network that a function makes with torch's generator seeded, which is as before afterwards.

    Parameters
    ----------
    make : callable
    seed : int
    dtype : {"float32", "float64"}
        Numbers are drawn in torch's default precision and then turned into this one.

    Examples
    --------
    >>> drawn(lambda: mlp(2, 1, 3), seed=0, dtype="float64")[0].weight.dtype
    torch.float64
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        return make().to(precision(dtype))


def precision(dtype: str) -> torch.dtype:
    """Return torch's type of the name "float32" or "float64"."""
    return {"float32": torch.float32, "float64": torch.float64}[dtype]


def cut_of(model: nn.Module, inputs: int) -> Cut:
    """Return the network cut and verified, tried on two rows of random numbers."""
    dtype = next(model.parameters()).dtype
    example = torch.rand(2, inputs, generator=torch.Generator().manual_seed(0), dtype=dtype)
    made = cut(model, example)
    made.verify()
    return made


class _Residual(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x))))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the branch to its input."""
        return x + self.conv2(self.bn2(self.conv1(self.bn1(x).relu())).relu())


class _Places(nn.Module):
    """Rows of pixels as vectors, each with a learned vector for its place."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(side, width)
        self.place = nn.Parameter(torch.randn(side, width) / math.sqrt(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed the rows."""
        return self.embed(x) + self.place


class _MeanOverRows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over the rows of an image."""
        return x.mean(dim=1)


def _side(name: str, inputs: int, least: int = 1) -> int:
    side = math.isqrt(inputs)
    if side * side != inputs:
        raise ValueError(f"{name}: rows must be square images, got {inputs} features")
    if side < least:
        raise ValueError(f"{name}: images must have at least {least} x {least} pixels, got {inputs} features")
    return side
