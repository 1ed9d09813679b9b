"""Streams of random words: their layout, their bits, their statistics."""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import subnetlab as sl
from subnetlab.core.randomness import (
    Purpose,
    blocks_for,
    permutation,
    random_subset,
    random_words,
    rows_of_words,
    single_normals,
    standard_normals,
    uniforms,
)

WORD = 2**64


def philox4x64(counter, key):
    """One block of Philox4x64-10 (Salmon et al. 2011) in Python integers: the oracle, independent of NumPy."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * c0, WORD)
        high1, low1 = divmod(0xCA5A826395121157 * c2, WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORD, (k1 + 0xBB67AE8584CAA73B) % WORD
    return [c0, c1, c2, c3]


@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [  # the known answers published with Random123: zeros, ones, the digits of pi
        ([0] * 4, [0] * 2, [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]),
        (
            [WORD - 1] * 4,
            [WORD - 1] * 2,
            [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0],
        ),
        (
            [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
            [0x452821E638D01377, 0xBE5466CF34E90C6C],
            [0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6],
        ),
    ],
)
def test_the_oracle_gives_the_published_answers(counter, key, block):
    assert philox4x64(counter, key) == block


@pytest.mark.parametrize("seed", [0, 7, WORD - 1])
@pytest.mark.parametrize(("round", "lane", "first_block"), [(0, 0, 0), (3, 0, 2), (2, 5, 0), (10**6, 1, 2**40)])
def test_words_are_philox_blocks_at_the_documented_key_and_counter(seed, round, lane, first_block):
    words = random_words(seed, Purpose.BATCHES, round, first_block, 3, lane=lane)
    expected = [
        word
        for block in range(first_block, first_block + 3)
        for word in philox4x64((block + 1, lane, round, 0), (seed, int(Purpose.BATCHES)))
    ]
    assert words.tolist() == expected
    assert words.dtype == np.uint64


def test_the_numbers_of_the_purposes_never_change():
    assert {purpose.name: int(purpose) for purpose in Purpose if purpose <= 7} == {
        "MASKS": 1,
        "WEIGHTS": 2,
        "SIGNS": 3,
        "SHARDS": 4,
        "BATCHES": 5,
        "DATA_ROWS": 6,
        "SYNTHETIC_DATA": 7,
    }
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose)


@pytest.mark.parametrize(("words", "blocks"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_blocks_for(words, blocks):
    assert blocks_for(words) == blocks


def test_uniforms_are_the_upper_53_bits():
    words = np.array([0, 2**11 - 1, 2**11, 2**63, WORD - 1], dtype=np.uint64)
    assert uniforms(words).tolist() == [0.0, 0.0, 2.0**-53, 0.5, 1 - 2.0**-53]


@pytest.mark.parametrize("columns", [1, 3, 4, 5, 9])
def test_a_row_of_words_is_the_same_alone_and_among_others(columns):
    rows = rows_of_words(5, Purpose.MASKS, 2, 0, 6, columns)
    assert rows.shape == (6, columns)
    for i in range(6):
        np.testing.assert_array_equal(rows_of_words(5, Purpose.MASKS, 2, i, 1, columns)[0], rows[i])
    assert len(np.unique(rows)) == rows.size  # no row repeats the words of another


@pytest.mark.parametrize("round", [0, 7])
@pytest.mark.parametrize("columns", [1, 2, 5, 6])
def test_standard_normals_are_box_and_muller_of_the_row_s_words(columns, round):
    normals = standard_normals(9, Purpose.WEIGHTS, 4, 3, columns, round=round)
    pairs = (columns + 1) // 2
    for i in range(3):
        u = uniforms(rows_of_words(9, Purpose.WEIGHTS, round, 4 + i, 1, 2 * pairs)[0])
        radius = np.sqrt(-2 * np.log(1 - u[:pairs]))
        angle = 2 * np.pi * u[pairs:]
        row = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:columns]
        np.testing.assert_array_equal(normals[i], row)


def test_standard_normals_do_not_depend_on_how_they_are_cut(monkeypatch):
    whole = standard_normals(2, Purpose.WEIGHTS, 0, 50, 3)
    monkeypatch.setattr("subnetlab.core.randomness._NORMALS_AT_ONCE", 21)  # seven rows at once
    np.testing.assert_array_equal(standard_normals(2, Purpose.WEIGHTS, 0, 50, 3), whole)
    monkeypatch.setattr("subnetlab.core.randomness._NORMALS_AT_ONCE", 1)  # below one row: still goes on
    np.testing.assert_array_equal(standard_normals(2, Purpose.WEIGHTS, 0, 50, 3), whole)
    assert standard_normals(2, Purpose.WEIGHTS, 0, 0, 3).shape == (0, 3)


@pytest.mark.parametrize("shape", [(3, 5), (2, 4), (0, 3)])
def test_single_normals_are_box_and_muller_of_the_halves_of_words(shape, monkeypatch):
    """The upper 24 bits of a word give the radius, the lower 24 the angle."""
    count = int(np.prod(shape))
    known = []
    for word in random_words(9, Purpose.NEURON_NOISE, 7, 0, 3).tolist():
        radius = np.sqrt(-2 * np.log(1 - (word >> 40) / 2**24))
        angle = 2 * np.pi * (word % 2**24) / 2**24
        known += [radius * np.cos(angle), radius * np.sin(angle)]
    for at_once in (100, 3):
        monkeypatch.setattr("subnetlab.core.randomness._NORMALS_AT_ONCE", at_once)
        normals = single_normals(9, Purpose.NEURON_NOISE, *shape, round=7)
        assert (normals.dtype, normals.shape) == (np.float32, shape)
        np.testing.assert_allclose(normals.reshape(-1), known[:count], rtol=1e-5, atol=1e-6)


def test_a_permutation_orders_the_words_of_its_lane():
    order = permutation(3, Purpose.BATCHES, 4, 6, 11)
    words = random_words(3, Purpose.BATCHES, 4, 0, 3, lane=6).tolist()[:11]
    assert order.tolist() == sorted(range(11), key=words.__getitem__)


def test_equal_words_keep_their_order_in_a_permutation(monkeypatch):
    monkeypatch.setattr(
        "subnetlab.core.randomness.random_words",
        lambda *args, **lane: np.array([5, 1] * 50, dtype=np.uint64),
    )
    ones, fives = list(range(1, 100, 2)), list(range(0, 100, 2))
    assert permutation(0, Purpose.SHARDS, 0, 0, 100).tolist() == ones + fives


def test_known_bits():
    """Pinned: a change here changes every result that anyone has stored."""
    assert random_words(0, Purpose.MASKS, 0, 0, 1).tolist() == [
        0xD037F8C3F9A1D176,
        0xC057419B4C210765,
        0xABF13115117B0065,
        0x7BAE035DEA6EA5C0,
    ]
    assert permutation(1, Purpose.SHARDS, 0, 0, 10).tolist() == [8, 3, 9, 5, 4, 2, 1, 0, 7, 6]


# Statistics. Seeds are fixed, so each test either always passes or always fails; ALARM is the chance that a
# correct generator had failed it when the seed was chosen.
ALARM = 1e-4


def test_words_are_uniform_in_every_byte():
    words = random_words(11, Purpose.MASKS, 0, 0, 25_000)
    counts = np.bincount(words.view(np.uint8), minlength=256)
    assert stats.chisquare(counts).pvalue > ALARM


def test_streams_of_different_seed_purpose_round_and_lane_are_uncorrelated():
    n = 20_000
    streams = [
        uniforms(random_words(seed, purpose, round, 0, n // 4, lane=lane))
        for seed, purpose, round, lane in [
            (0, Purpose.MASKS, 0, 0),
            (1, Purpose.MASKS, 0, 0),
            (0, Purpose.WEIGHTS, 0, 0),
            (0, Purpose.MASKS, 1, 0),
            (0, Purpose.MASKS, 0, 1),
        ]
    ]
    correlations = np.corrcoef(streams)[np.triu_indices(5, k=1)]
    assert np.abs(correlations).max() < stats.norm.isf(ALARM / 2 / 10) / np.sqrt(n)  # Bonferroni over ten pairs


def test_permutations_are_uniform():
    orders = [tuple(permutation(seed, Purpose.BATCHES, 0, 0, 4)) for seed in range(4_800)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > ALARM


@pytest.mark.parametrize("size", [1, 2, 7, 8])
@pytest.mark.parametrize("distinct", [1, 2, 3, 100])
def test_a_random_subset_is_the_head_of_the_permutation_also_where_words_are_equal(size, distinct, monkeypatch):
    def few_words(*args, **kwargs):
        return random_words(*args, **kwargs) % np.uint64(distinct)

    monkeypatch.setattr("subnetlab.core.randomness.random_words", few_words)
    for index in range(20):
        head = permutation(3, Purpose.BATCHES, 0, index, 8)[:size]
        np.testing.assert_array_equal(random_subset(3, Purpose.BATCHES, 0, index, 8, size), np.sort(head))


@pytest.mark.parametrize("size", [1, 100, 499, 1000])
def test_a_random_subset_of_many(size):
    """Large enough that a partial sort leaves the rest unsorted."""
    head = permutation(3, Purpose.BATCHES, 0, 0, 1000)[:size]
    np.testing.assert_array_equal(random_subset(3, Purpose.BATCHES, 0, 0, 1000, size), np.sort(head))


GENERATORS_ELSEWHERE = {
    "core/randomness.py": "the one place that draws",
    "estimators/hold_out.py": "scikit-learn's own generator, which has chosen the held-out rows of fitted models",
    "modules/graph.py": "draws nothing: it asks whether a user's module has drawn",
}


def test_nobody_else_draws():
    package = Path(sl.__file__).parent
    users = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names)
            imported |= isinstance(node, ast.ImportFrom) and (node.module, node.level) == ("random", 0)
            numpys = isinstance(node, ast.Attribute) and node.attr == "random" and ast.unparse(node.value) == "np"
            if imported or numpys or "default_rng" in (getattr(node, "id", ""), getattr(node, "attr", "")):
                users.add(path.relative_to(package).as_posix())
    assert users == GENERATORS_ELSEWHERE.keys()
