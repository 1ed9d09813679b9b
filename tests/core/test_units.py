"""Units in groups: what a subnetwork holds, entry by entry, against plain loops over indices."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnetlab.core.aggregation import aggregate
from subnetlab.core.masks import Bernoulli, Categorical
from subnetlab.core.randomness import Purpose, random_words
from subnetlab.core.units import Factor, Units, axis_length, group_axis, held_on_axis, whole_axis

GROUPS = {"heads": 3, "hidden": 4}
factors = st.one_of(
    st.builds(Factor, st.integers(1, 3)),
    st.sampled_from([Factor(m, g) for g, m in GROUPS.items()]),
)
axes = st.lists(st.lists(factors, max_size=3).map(tuple), min_size=1, max_size=2).map(tuple)
draws = st.integers(0, 2**32 - 1)


def masks_of(seed, p):
    rng = np.random.default_rng(seed)
    return {g: rng.random((p, m)) < 0.6 for g, m in GROUPS.items()}


def units_of_entries(axis):
    """Return for each entry along the axis the units that it needs, by counting through the factors."""
    return [
        {(f.group, i) for f, i in zip(part, index, strict=True) if f.group is not None}
        for part in axis
        for index in itertools.product(*(range(f.size) for f in part))
    ]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(axes, draws)
def test_an_entry_is_held_if_all_its_units_are(axis, seed):
    masks = masks_of(seed, 1)
    want = [all(masks[g][0, i] for g, i in needed) for needed in units_of_entries(axis)]
    assert axis_length(axis) == len(want)
    np.testing.assert_array_equal(held_on_axis(axis, masks)[0], want)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(factors, max_size=3), st.integers(0, 2), draws)
def test_what_is_held_is_found_among_what_is_stored(part, block, seed):
    """Also where the first factor is one unit of several, as for the parameters of a residual block."""
    units = Units(GROUPS, {"theta": (((Factor(1, "heads", block), *part),),)})
    stored, masks = ({g: M[0] for g, M in masks_of(i, 1).items()} for i in (seed, seed + 1))
    masks = {g: mask & stored[g] for g, mask in masks.items()}
    (there,), (inside,) = units.held(stored)["theta"], units.held(masks, among=stored)["theta"]
    np.testing.assert_array_equal(there[inside], units.held(masks)["theta"][0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(axes, min_size=1, max_size=3).map(tuple), draws, st.integers(1, 4))
def test_each_entry_moves_by_the_mean_over_its_holders(entry_axes, seed, p):
    """In rational arithmetic, entry by entry; what nobody holds keeps its bits."""
    units = Units(GROUPS, {"theta": entry_axes})
    masks, rng = masks_of(seed, p), np.random.default_rng(seed)
    theta = rng.standard_normal(units.shape("theta"))
    updates, holders = rng.standard_normal((p, *theta.shape)), np.zeros((p, *theta.shape), dtype=bool)
    for l in range(p):
        kept = units.held({g: M[l] for g, M in masks.items()})["theta"]
        holders[l][np.ix_(*(np.arange(s) if k is None else k for k, s in zip(kept, theta.shape, strict=True)))] = True
    np.testing.assert_array_equal(np.broadcast_to(units.holders("theta", masks), holders.shape), holders)
    got = aggregate(theta, updates * holders, units.holders("theta", masks))
    per_axis = [units_of_entries(axis) for axis in entry_axes]
    for index in np.ndindex(theta.shape):
        needed = set().union(*(per_axis[d][i] for d, i in enumerate(index)))
        held_by = [l for l in range(p) if all(masks[g][l, i] for g, i in needed)]
        if held_by:
            mean = sum(Fraction(updates[l][index]) for l in held_by) / len(held_by)
            assert got[index] == pytest.approx(float(Fraction(theta[index]) + mean), rel=1e-14, abs=1e-14)
        else:
            assert got[index].tobytes() == theta[index].tobytes()


def test_the_paper_is_the_case_of_one_group():
    masks = Bernoulli(3, 0.5).sample(seed=1, round=2, width=5)
    paper = Units({"hidden": 5}, {"weights": (group_axis("hidden", 5), whole_axis(2))})
    rng = np.random.default_rng(0)
    W, updates = rng.standard_normal((5, 2)), rng.standard_normal((3, 5, 2)) * masks[:, :, np.newaxis]
    by_entry = aggregate(W, updates, paper.holders("weights", {"hidden": masks}))
    assert by_entry.tobytes() == aggregate(W, updates, masks).tobytes()


def test_a_fused_projection_by_hand():
    axis = group_axis("heads", 3, copies=3, repeat=2)  # queries, keys and values of three heads of two entries
    held = held_on_axis(axis, {"heads": np.array([False, True, False])})
    assert np.flatnonzero(held).tolist() == [2, 3, 8, 9, 14, 15]


def test_a_concatenation_by_hand():
    axis = ((Factor(2, "a"),), (Factor(1),), (Factor(2, "a"),))
    assert held_on_axis(axis, {"a": np.array([True, False])}).astype(int).tolist() == [1, 0, 1, 1, 0]


def test_groups_that_meet_in_an_entry():
    """Two parts of one axis never meet; two axes of one array do, and so do two factors of one part."""
    a, b, c = Factor(2, "a"), Factor(2, "b"), Factor(2, "c")
    sizes = {"a": 2, "b": 2, "c": 2}
    assert Units(sizes, {"w": (((a,), (b,)),)}).meeting_groups() == set()
    assert Units(sizes, {"w": (((a,), (b,)), ((c,),))}).meeting_groups() == {frozenset("ac"), frozenset("bc")}
    assert Units(sizes, {"w": (((a, b),),)}).meeting_groups() == {frozenset("ab")}


@pytest.mark.parametrize("factor", [Factor(3, "a"), Factor(2, "b"), Factor(0)])
def test_factors_that_fit_no_group_are_refused(factor):
    with pytest.raises(ValueError, match="Units: w must"):
        Units({"a": 2}, {"w": (((factor,),),)})


def test_group_zero_has_the_bits_of_the_shallow_masks():
    """The counter's last word was always 0; a block drawn by NumPy's generator with that counter is the oracle."""
    raw = np.random.Philox(key=np.array([5, 1], dtype=np.uint64), counter=np.array([0, 0, 7, 3], dtype=np.uint64))
    assert (random_words(5, Purpose.MASKS, 7, 0, 2, group=3) == raw.random_raw(8)).all()
    for law in (Bernoulli(3, 0.5), Categorical(3)):
        assert (law.sample(5, 7, 40) == law.sample(5, 7, 40, group=0)).all()
        assert (law.sample(5, 7, 40) != law.sample(5, 7, 40, group=1)).any()
        for l in range(3):
            assert (law.sample_subnetwork(5, 7, 40, l, group=2) == law.sample(5, 7, 40, group=2)[l]).all()
