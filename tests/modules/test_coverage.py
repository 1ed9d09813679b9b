"""The coverage by equal parts, counted entry by entry over masks that are dealt out by hand."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import subnetlab as sl
from subnetlab.core.units import Factor, group_axis, whole_axis
from subnetlab.modules.coverage import of_equal_parts, shares_by_cuts

HEADS, FC, WHOLE = group_axis("heads", 4, copies=3, repeat=2), group_axis("fc", 8), whole_axis(5)
AXES = {
    "bias": (FC,),
    "whole": (WHOLE,),
    "number": (),
    "between": (FC, HEADS),
    "the same group twice": (FC, FC),
    "three": (FC, HEADS, FC),
    "joined": (FC, (*WHOLE, *HEADS)),
    "joined with itself": ((*FC, *WHOLE), (*WHOLE, *FC)),
    "two groups on one axis": (((Factor(4, "heads"), Factor(8, "fc")),),),
    "in a block": (((Factor(1, "blocks", 2), Factor(8, "fc")),), WHOLE),
}


def units_of(axis):
    """Return for every entry along an axis the units that it needs."""
    return [
        [(f.group, f.first + i) for f, i in zip(part, index, strict=True) if f.group is not None]
        for part in axis
        for index in np.ndindex(*(f.size for f in part))
    ]


@pytest.mark.parametrize("p", [2, 4])
@pytest.mark.parametrize("name", AXES)
def test_equal_parts(name, p):
    """Oracle: the subnetworks that hold an entry are those that hold all units that it needs."""
    rng = np.random.default_rng(0)
    owner = {g: rng.permutation(np.arange(m) % p) for g, m in {"heads": 4, "fc": 8, "blocks": 4}.items()}
    lists = [units_of(axis) for axis in AXES[name]]
    entries = [[unit for units in needed for unit in units] for needed in product(*lists)]
    held = [len({owner[g][i] for g, i in units}) < 2 for units in entries]
    if name == "in a block":  # a single unit: in the mean over which part has it, which no one round is
        held = [np.mean([owner["fc"][i] == part for (_, i) in units[1:] for part in range(p)]) for units in entries]
    assert of_equal_parts(shares_by_cuts(AXES[name]), p) == pytest.approx(np.mean(held), abs=1e-12)


def test_what_is_shown_before_training_is_what_the_law_draws():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c, self.d = nn.Linear(6, 8), nn.Linear(6, 4), nn.Linear(12, 8), nn.Linear(14, 3)

        def forward(self, x):
            a = self.a(x).relu()
            return self.d(torch.cat([self.c(torch.cat([a, self.b(x)], 1)).relu(), x], 1))

    cut = sl.cut(Joined(), torch.randn(3, 6), ["a", "c"])
    for p in (2, 4):
        shares = {name: of_equal_parts(shares_by_cuts(cut.units.axes[name]), p) for name in cut.state()}
        assert shares == pytest.approx(cut.coverage(sl.Balanced(p), rounds=3))
    assert shares_by_cuts(cut.units.axes["c.weight"]) == pytest.approx({1: 1 / 3, 2: 2 / 3})
