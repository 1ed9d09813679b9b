"""A layer that torch.export cannot read is named, however deep it lies."""

import pytest
import torch
from torch import nn

import subnetlab as sl

X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


class Decides(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x):
        y = self.inner(x)
        return y if y.sum() > 0 else -y


class Leaves(nn.Module):
    def forward(self, x):
        return x * float(x.detach().numpy().mean())


class Again(nn.Module):
    """Raises its own error on the one that a layer raised."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        try:
            return self.layer(x)
        except Exception as error:
            raise RuntimeError("no such luck") from error


def inside(layer):
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Sequential(layer), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Decides(),
            r"cut: the forward of Decides at 2\.0 decides by the values of a tensor.*test_unreadable.py.*: use",
        ),
        (Leaves(), r"cut: torch.export cannot read the forward of Leaves at 2\.0 \(.*\): cut a part"),
        (Again(Leaves()), r"cut: torch.export cannot read the forward of Leaves at 2\.0\.layer \(.*no such luck\)"),
        (nn.BatchNorm1d(8, momentum=None), r"cut: BatchNorm1d at 2\.0 must have a number as momentum, got None: .*"),
    ],
)
def test_the_layer_is_named(layer, message):
    with pytest.raises(sl.CutError, match=message) as caught:
        sl.cut(inside(layer), X)
    assert "\n" not in str(caught.value)


def test_the_network_itself_has_no_place():
    with pytest.raises(sl.CutError, match=r"cut: the forward of Decides decides by the values of a tensor"):
        sl.cut(Decides(), torch.randn(4, 8))


def test_a_mean_over_all_batches_that_is_not_kept_can_be_cut():
    frozen = nn.BatchNorm1d(8, momentum=None, track_running_stats=False)
    assert list(sl.cut(inside(frozen), X).groups) == ["0"]
