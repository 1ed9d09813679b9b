"""Who owns what and what travels, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.distributed.placement import (
    HOME_BLOCKS,
    Placement,
    Route,
    is_partition,
    rows_sent,
)


def process_of(item, n_items, n_processes):
    """The rule of docs/distributed.md, looked for."""
    return next(s for s in range(n_processes) if item < (s + 1) * n_items // n_processes)


@pytest.mark.parametrize("width", [1, 5, HOME_BLOCKS, 1000])
def test_homes_are_blocks_of_neighbours(width):
    home = Placement.at_home(width)
    assert len(home.slots) == min(width, HOME_BLOCKS)
    assert np.concatenate(home.slots).tolist() == list(range(width))


def test_trained_neurons_stay_where_they_were_trained_if_each_was_trained_once():
    home = Placement.at_home(6)
    categorical = np.array([[1, 0, 0, 1, 0, 1], [0, 1, 1, 0, 1, 0]], bool)
    assert is_partition(categorical)
    assert [slot.tolist() for slot in home.after(categorical).slots] == [[0, 3, 5], [1, 2, 4]]
    twice = categorical.copy()
    twice[1, 0] = True
    assert home.after(twice) is home
    never = categorical.copy()
    never[0, 0] = False
    assert home.after(never) is home


def _needs(masks, size):
    """Return the pairs (process, neuron) where the process trains the neuron, by plain loops."""
    p, m = masks.shape
    return {(process_of(l, p, size), r) for l in range(p) for r in range(m) if masks[l, r]}


def _lives(placement, size):
    n_slots = len(placement.slots)
    return {int(r): process_of(s, n_slots, size) for s, slot in enumerate(placement.slots) for r in slot}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("law", [sl.Categorical(6), sl.Bernoulli(6, 0.4), sl.AllNeurons(6)], ids=repr)
def test_rows_sent_are_those_that_have_to_travel(law, size):
    width, placement = 50, Placement.at_home(50)
    for k in range(3):
        masks = law.sample(1, k, width)
        after = placement.after(masks)
        before_at, after_at = _lives(placement, size), _lives(after, size)
        expected = np.zeros((size, size), int)
        for process, r in _needs(masks, size):
            expected[before_at[r], process] += 1
        for l in range(6):
            for r in np.flatnonzero(masks[l]):
                expected[process_of(l, 6, size), after_at[int(r)]] += 1
        np.fill_diagonal(expected, 0)
        np.testing.assert_array_equal(rows_sent(placement, after, masks, size), expected)
        placement = after


@pytest.mark.parametrize(("size", "shares"), [(6, [1 / 6] * 6), (4, [1 / 3, 1 / 6, 1 / 3, 1 / 6])])
def test_categorical_traffic_is_the_least_possible(size, shares):
    """(1 - sum of squared shares) m rows; five deviations of the binomial count allowed."""
    law, width = sl.Categorical(6), 20_000
    placement = Placement.at_home(width).after(law.sample(0, 0, width))
    masks = law.sample(0, 1, width)
    travel = 1 - sum(share**2 for share in shares)
    sent = rows_sent(placement, placement.after(masks), masks, size).sum()
    assert abs(sent - travel * width) < 5 * np.sqrt(width * travel * (1 - travel))


def test_a_process_sees_its_rows_in_the_order_of_its_slots():
    masks = np.array([[0, 1, 0, 1], [1, 0, 1, 0]], bool)
    home = Placement.at_home(4)
    route = Route(home, home.after(masks), masks, rank=1, size=2)
    assert route.home.tolist() == [0, 2]
    assert route.rows_out(0).tolist() == [1]  # it holds 2 and 3 and gives 3 away
    assert route.rows_in(0).tolist() == [0]
    assert route.rows_in(1).tolist() == [1]
