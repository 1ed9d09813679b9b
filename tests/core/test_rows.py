"""Shards and minibatches: partitions, draws without replacement, factors, purity."""

import numpy as np
import pytest
from scipy import stats

from subnetlab.core.rows import local_rows, shard_rows

ALARM = 1e-4  # the chance that a correct draw had failed a statistical test when its seed was chosen


def rows(seed=0, round=0, *, n=12, p=3, tau=2, shards=None, batch_size=None):
    return local_rows(seed, round, n_samples=n, n_subnetworks=p, local_steps=tau, shards=shards, batch_size=batch_size)


@pytest.mark.parametrize(("n", "shards"), [(10, 3), (10, 1), (10, 10), (11, 4)])
def test_shards_are_a_partition_into_nearly_equal_parts(n, shards):
    parts = shard_rows(4, n, shards)
    assert len(parts) == shards
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all((np.diff(part) > 0).all() for part in parts)


def test_shards_depend_on_the_seed_and_on_nothing_else():
    first = [part.tolist() for part in shard_rows(4, 20, 2)]
    assert [part.tolist() for part in shard_rows(4, 20, 2)] == first
    assert [part.tolist() for part in shard_rows(5, 20, 2)] != first
    for k in (0, 7):
        assert [i[0].tolist() for i in rows(4, k, n=20, p=2, shards=2).indices] == first


def test_pairs_of_rows_meet_in_a_shard_with_the_right_chance():
    """Of 6 rows in 2 shards, two given rows share a shard with chance 2/5."""
    together = sum(any({0, 1} <= set(part.tolist()) for part in shard_rows(seed, 6, 2)) for seed in range(3000))
    assert stats.binomtest(together, 3000, 0.4).pvalue > ALARM


def test_without_shards_and_batches_there_is_nothing_to_choose():
    assert rows() is None


def test_subnetworks_share_the_shards_in_turn():
    parts = [part.tolist() for part in shard_rows(0, 12, 2)]
    chosen = rows(p=5, shards=2)
    assert [i.tolist() for i in chosen.indices] == [[parts[l % 2]] * 2 for l in range(5)]
    assert chosen.scales == (1.0,) * 5
    more_shards_than_subnetworks = rows(p=1, shards=3)
    assert more_shards_than_subnetworks.indices[0].tolist() == [shard_rows(0, 12, 3)[0].tolist()] * 2


@pytest.mark.parametrize("shards", [None, 3])
def test_minibatches_are_drawn_without_replacement_from_the_own_rows(shards):
    chosen = rows(round=4, n=13, tau=50, shards=shards, batch_size=4)
    parts = [np.arange(13)] * 3 if shards is None else shard_rows(0, 13, 3)
    for part, indices, scale in zip(parts, chosen.indices, chosen.scales, strict=True):
        if len(part) == 4:
            assert scale == 1.0
            continue
        assert indices.shape == (50, 4)
        assert np.isin(indices, part).all()
        assert (np.diff(indices, axis=1) > 0).all()
        assert scale == len(part) / 4
        assert len(np.unique(indices, axis=0)) > 1


def test_a_batch_of_all_own_rows_is_no_batch():
    for batch_size in (12, 13):
        chosen = rows(batch_size=batch_size)
        assert chosen.indices[0].tolist() == [list(range(12))] * 2
        assert chosen.scales == (1.0, 1.0, 1.0)


def test_each_minibatch_is_a_pure_function_of_seed_round_subnetwork_and_step():
    longer, alone = rows(1, 5, p=1, tau=3, batch_size=5), rows(1, 5, p=1, tau=3, batch_size=5)
    np.testing.assert_array_equal(longer.indices[0], alone.indices[0])
    batches = [
        tuple(batch)
        for seed in (1, 2)
        for k in (5, 6)
        for indices in rows(seed, k, n=40, p=3, tau=4, batch_size=20).indices
        for batch in indices
    ]
    assert len(set(batches)) == len(batches) == 48  # all different


def test_every_row_is_as_likely_as_every_other():
    counts = np.zeros(12)
    for k in range(400):
        for indices in rows(3, k, batch_size=5).indices:
            counts += np.bincount(indices.ravel(), minlength=12)
    # Var of a row's count under draws without replacement: N (5/12)(7/12); the sum over rows is fixed
    z2 = np.sum((counts - counts.mean()) ** 2) / (2400 * (5 / 12) * (7 / 12)) * 11 / 12
    assert ALARM / 2 < stats.chi2.sf(z2, 11) < 1 - ALARM / 2


def test_known_bits():
    """Pinned: a change of these changes every stored result."""
    assert [part.tolist() for part in shard_rows(0, 8, 3)] == [[4, 5, 6], [0, 2, 3], [1, 7]]
    assert rows(0, 1, n=9, p=2, tau=2, batch_size=3).indices[1].tolist() == [[0, 1, 7], [0, 1, 3]]
