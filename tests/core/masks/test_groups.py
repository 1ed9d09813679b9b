"""Masks of several groups, and the laws of published systems, each against a plain loop of its own."""

import itertools
import math
import re

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.masks.groups import alternating_groups, check_groups, cut_in_round, group_masks
from subnetlab.core.units import Units, group_axis, whole_axis


def perceptron(*widths):
    """The units of a perceptron with these hidden layers."""
    groups = {f"fc{i + 1}": m for i, m in enumerate(widths)}
    names = list(groups)
    axes = {"fc1.weight": (group_axis("fc1", widths[0]), whole_axis(3))}
    for before, after in itertools.pairwise(names):
        axes[f"{after}.weight"] = (group_axis(after, groups[after]), group_axis(before, groups[before]))
    axes["out.weight"] = (whole_axis(2), group_axis(names[-1], widths[-1]))
    return Units(groups, axes)


@pytest.mark.parametrize("p", [1, 2, 3, 7])
def test_equal_parts_are_a_random_order_cut_into_stretches(p):
    for k in range(5):
        masks = sl.Balanced(p).sample(3, k, 23, group=1)
        assert masks.sum(axis=0).tolist() == [1] * 23
        assert sorted(masks.sum(axis=1).tolist()) == sorted(23 // p + (l < 23 % p) for l in range(p))
        for l in range(p):
            assert (sl.Balanced(p).sample_subnetwork(3, k, 23, l, group=1) == masks[l]).all()


def test_every_unit_joins_every_part_equally_often():
    """Chi-squared over 23 units and 4 parts; the chance of a false alarm is below 1e-6 for a fixed seed."""
    counts = sum(sl.Balanced(4).sample(0, k, 24).astype(int) for k in range(2000))
    statistic = np.sum((counts - 500) ** 2 / 500)
    assert statistic < 72 + 5 * math.sqrt(2 * 72) * 1.5


def test_heterofl_takes_prefixes():
    law = sl.Ordered(4, shares=(1.0, 0.3))
    for width in (1, 5, 10, 17):
        masks = law.sample(9, 4, width)
        for l, share in enumerate((1.0, 0.3, 1.0, 0.3)):
            size = math.ceil(share * width)
            assert masks[l].tolist() == [r < size for r in range(width)]
    assert law.selection_prob == pytest.approx(0.65)
    assert law.subnetwork_probs == (1.0, 0.3, 1.0, 0.3)


def test_fedrolex_rolls_by_one_unit_a_round():
    law = sl.Rolling(2, shares=(0.5, 0.25))
    for k in range(20):
        masks = law.sample(0, k, 8)
        assert sorted(np.flatnonzero(masks[0])) == sorted((k + i) % 8 for i in range(4))
        assert sorted(np.flatnonzero(masks[1])) == sorted((k + i) % 8 for i in range(2))


def test_fjord_draws_a_width_for_each_subnetwork_and_round_and_keeps_it_in_all_groups():
    law = sl.Ordered(3, shares=(0.25, 0.5, 1.0), drawn=True)
    drawn = []
    for k in range(300):
        sizes = law.sample(1, k, 8).sum(axis=1)
        assert (2 * sizes == law.sample(1, k, 16, group=3).sum(axis=1)).all()
        assert all(law.sample(1, k, 8)[l].tolist() == [r < size for r in range(8)] for l, size in enumerate(sizes))
        drawn += sizes.tolist()
    counts = [drawn.count(size) for size in (2, 4, 8)]
    assert sum(counts) == 900
    assert all(abs(count - 300) < 5 * math.sqrt(900 * 2 / 9) for count in counts)  # five deviations, fixed seed
    assert law.largest_share(8) == 1.0


@pytest.mark.parametrize("law", [sl.Ordered(2, 0.5), sl.Rolling(2, 0.3), sl.Balanced(2), sl.Ordered(2, (0.1, 1.0))])
def test_the_laws_train_shallow_networks(law):
    X = np.eye(3)
    net = sl.ShallowReLU.initialize(width=12, n_features=3)
    scheme = sl.TrainingScheme(law, rounds=4, local_steps=2, step_size=0.1)
    runs = [sl.train(net, X, np.ones(3), scheme, engine=engine) for engine in ("reference", "auto")]
    np.testing.assert_allclose(runs[0].history.full_error, runs[1].history.full_error, rtol=1e-12)
    if isinstance(law, sl.Balanced):
        assert "those of equal parts are not" in runs[0].theory().promises["theorem4"][0].reason
    else:
        with pytest.raises(ValueError, match="theory: masks must follow one of the laws"):
            runs[0].theory()


def test_alternating_groups_never_meet():
    units = perceptron(8, 6, 4, 2)
    assert alternating_groups(units) == [{"fc1", "fc3"}, {"fc2", "fc4"}]
    assert [sorted(cut_in_round("alternate", units, k)) for k in range(3)] == [["fc1", "fc3"], ["fc2", "fc4"]] * 1 + [
        ["fc1", "fc3"]
    ]
    assert cut_in_round("all", units, 0) == set(units.groups)
    assert cut_in_round(("fc2",), units, 5) == {"fc2"}


def test_each_group_has_masks_of_its_own_and_uncut_groups_stay_whole():
    law, groups = sl.Bernoulli(3, 0.5), {"fc1": 6, "fc2": 6}
    masks = group_masks(law, 2, 5, groups, {"fc1", "fc2"})
    assert (masks["fc1"] == law.sample(2, 5, 6)).all()  # the shallow masks
    assert (masks["fc2"] == law.sample(2, 5, 6, group=1)).all()
    assert group_masks(law, 2, 5, groups, {"fc2"})["fc1"].all()


def test_laws_and_masks_by_group():
    groups = {"fc1": 4, "fc2": 3, "fc3": 2}
    given = np.random.default_rng(0).random((2, 2, 3)) < 0.5
    scheme = sl.TrainingScheme({"fc1": sl.Balanced(2), "fc2": sl.FixedMasks(given, 0.5)}, rounds=2)
    masks = group_masks(scheme.masks, 0, 1, groups, set(groups))
    assert masks["fc1"].sum(axis=0).tolist() == [1] * 4
    assert (masks["fc2"] == given[1]).all()
    assert masks["fc3"].all()
    fixed = sl.FixedMasks({"fc2": given}, 0.5)
    assert (group_masks(fixed, 0, 1, groups, set(groups))["fc2"] == given[1]).all()
    assert group_masks(fixed, 0, 1, groups, set(groups))["fc1"].all()


def test_a_law_that_knows_nothing_of_groups_serves_the_first():
    class Own:
        n_subnetworks, selection_prob = 2, 0.5

        def check(self, width, rounds):
            pass

        def sample(self, seed, round, width):
            return np.ones((2, width), dtype=bool)

    assert group_masks(Own(), 0, 0, {"fc1": 3}, {"fc1"})["fc1"].shape == (2, 3)
    with pytest.raises(TypeError, match="group"):
        group_masks(Own(), 0, 0, {"fc1": 3, "fc2": 2}, {"fc1", "fc2"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sl.Balanced(0), "Balanced: n_subnetworks must be at least 1, got 0"),
        (lambda: sl.Balanced(4).sample(0, 0, 3), "Balanced: n_subnetworks must be at most the width 3, got 4"),
        (lambda: sl.Ordered(2, ()), "Ordered: shares must not be empty"),
        (lambda: sl.Rolling(2, (0.5, 1.5)), "Rolling: shares must be in (0, 1], got 1.5"),
        (lambda: sl.FixedMasks({}, 0.5), "FixedMasks: masks must name at least one group"),
        (
            lambda: sl.FixedMasks({"a": np.ones((1, 2, 3), bool), "b": np.ones((1, 3, 3), bool)}, 0.5),
            "FixedMasks: masks must have the same p in all groups, got {'a': 2, 'b': 3}",
        ),
        (
            lambda: sl.FixedMasks({"a": np.ones((1, 2, 3), bool)}, 0.5).sample(0, 0, 3),
            "FixedMasks: masks must be one array for one group, got groups a",
        ),
        (
            lambda: sl.TrainingScheme({"a": sl.Balanced(2), "b": sl.Balanced(3)}, rounds=1),
            "TrainingScheme: masks must have one n_subnetworks for all groups, got {'a': 2, 'b': 3}",
        ),
        (
            lambda: check_groups(sl.TrainingScheme({"x": sl.Balanced(2)}, 1).masks, "all", perceptron(4), 1),
            "TrainingScheme: masks must name groups of the network (fc1), got 'x'",
        ),
        (
            lambda: check_groups(sl.Balanced(2), ("fc9",), perceptron(4), 1),
            "TrainingScheme: cut_groups must name groups of the network (fc1), got 'fc9'",
        ),
        (lambda: check_groups(sl.Balanced(5), "all", perceptron(6, 4), 1), "Balanced: n_subnetworks must be at most"),
        (lambda: sl.OuterSGD(momentum=1.0), "OuterSGD: momentum must be in [0, 1), got 1.0"),
        (lambda: sl.TrainingScheme(sl.Balanced(2), 1, cut_groups="odd"), "TrainingScheme: cut_groups must be one of"),
    ],
)
def test_what_breaks_a_rule_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"masks": {"fc1": sl.Balanced(2)}}, "TrainingScheme: masks must be one law for a shallow network, got fc1"),
        ({"cut_groups": ("fc1",)}, "TrainingScheme: cut_groups must be 'all' for a shallow network"),
        ({"outer": sl.OuterSGD()}, "TrainingScheme: outer must be None for a shallow network"),
    ],
)
def test_shallow_networks_refuse_what_is_for_deep_ones(settings, message):
    scheme = sl.TrainingScheme(**{"masks": sl.Balanced(2), "rounds": 1, **settings})
    with pytest.raises(ValueError, match=re.escape(message)):
        sl.train(sl.ShallowReLU.initialize(6, 2), np.eye(2), np.ones(2), scheme)
