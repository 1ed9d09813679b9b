"""Mask laws: shapes, purity, known bits, bad input."""

import numpy as np
import pytest

from subnetlab import AllNeurons, Bernoulli, Categorical, FixedMasks
from subnetlab.core.masks import LAWS
from subnetlab.core.masks.naming import law_from_settings
from subnetlab.core.randomness import Purpose, random_words

GIVEN = np.random.default_rng(0).random((6, 3, 37)) < 0.5
LAWS_TO_TRY = [
    Bernoulli(3, 0.3),
    Bernoulli(1, 1.0),
    Categorical(3),
    Categorical(3, (0.5, 0.2, 0.3)),
    Categorical(1),
    AllNeurons(),
    AllNeurons(2),
    FixedMasks(GIVEN, 0.5),
]


def names(law):
    return repr(law)[:40]


@pytest.mark.parametrize("law", LAWS_TO_TRY, ids=names)
def test_masks_are_a_pure_function_of_seed_round_and_subnetwork(law):
    masks = {k: law.sample(4, k, 37) for k in (5, 0, 2)}
    for k in (0, 2, 5):  # another order, one subnetwork at a time
        assert masks[k].shape == (law.n_subnetworks, 37)
        assert masks[k].dtype == bool
        np.testing.assert_array_equal(law.sample(4, k, 37), masks[k])
        for l in reversed(range(law.n_subnetworks)):
            alone = law.sample_subnetwork(4, k, 37, l)
            assert alone.dtype == bool
            np.testing.assert_array_equal(alone, masks[k][l])


@pytest.mark.parametrize("law", [Bernoulli(3, 0.5), Categorical(3)], ids=names)
def test_other_seeds_and_rounds_give_other_masks(law):
    masks = [law.sample(seed, k, 200) for seed in (0, 1) for k in (0, 1)]
    for i in range(4):
        for j in range(i):
            assert 0.3 < np.mean(masks[i] != masks[j]) < 0.7


def test_subnetworks_of_a_bernoulli_law_do_not_depend_on_their_number():
    np.testing.assert_array_equal(Bernoulli(7, 0.4).sample(1, 2, 37)[:3], Bernoulli(3, 0.4).sample(1, 2, 37))


def test_a_bernoulli_mask_holds_the_neurons_whose_uniform_number_is_below_xi():
    words = random_words(3, Purpose.MASKS, 5, 0, 20)  # two rows of ten blocks, of which 37 words are used
    uniform = [(int(word) >> 11) / 2**53 for word in words]
    for xi in (0.25, 0.3, uniform[0], np.nextafter(uniform[0], 1), 1.0):
        expected = [[u < xi for u in uniform[40 * l : 40 * l + 37]] for l in range(2)]
        assert Bernoulli(2, xi).sample(3, 5, 37).tolist() == expected


def test_bernoulli_masks_grow_with_xi():
    small, large = (Bernoulli(3, xi).sample(0, 0, 500) for xi in (0.3, 0.31))
    assert np.all(large[small])


@pytest.mark.parametrize("law", [Categorical(1), Categorical(4), Categorical(3, (0.1, 0.1, 0.8))], ids=names)
def test_categorical_masks_are_a_partition(law):
    masks = law.sample(0, 3, 101)
    assert (masks.sum(axis=0) == 1).all()
    np.testing.assert_array_equal(law.owners(0, 3, 101), masks.argmax(axis=0))


def test_owners_are_the_uniform_numbers_cut_into_intervals():
    uniform = [(int(word) >> 11) / 2**53 for word in random_words(3, Purpose.MASKS, 5, 0, 10)[:37]]
    assert Categorical(4).owners(3, 5, 37).tolist() == [int(4 * u) for u in uniform]
    boundaries = (0.5, 0.7)
    cut = [sum(u >= b for b in boundaries) for u in uniform]
    assert Categorical(3, (0.5, 0.2, 0.3)).owners(3, 5, 37).tolist() == cut


def test_the_largest_word_still_has_an_owner(monkeypatch):
    """If (1 - 2**-53) p ever rounded up to p, the neuron would belong to nobody."""
    all_ones = np.full((1, 4), 2**64 - 1, dtype=np.uint64)
    monkeypatch.setattr("subnetlab.core.masks.categorical.rows_of_words", lambda *args, **kwargs: all_ones)
    for p in [*range(1, 2000), 2**31 - 1, 2**40 + 1]:
        assert Categorical(p).owners(0, 0, 4).tolist() == [p - 1] * 4
    assert Categorical(10, (0.1,) * 10).owners(0, 0, 4).tolist() == [9] * 4


def test_a_number_on_a_boundary_belongs_to_the_next_subnetwork(monkeypatch):
    half = np.full((1, 2), 2**63, dtype=np.uint64)
    monkeypatch.setattr("subnetlab.core.masks.categorical.rows_of_words", lambda *args, **kwargs: half)
    assert Categorical(2).owners(0, 0, 2).tolist() == [1, 1]
    assert Categorical(2, (0.5, 0.5)).owners(0, 0, 2).tolist() == [1, 1]


@pytest.mark.parametrize("law", LAWS_TO_TRY, ids=names)
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"round": -1}, ValueError, "round must be at least 0, got -1"),
        ({"round": 1.5}, TypeError, "round must be a whole number, got 1.5"),
        ({"width": 0}, ValueError, "width must be at least 1, got 0"),
        ({"subnetwork": -1}, ValueError, "subnetwork must be at least 0, got -1"),
        ({"subnetwork": 3}, ValueError, "subnetwork must be below {p}, got 3"),
    ],
)
def test_draws_that_do_not_exist(law, bad, error, message, refused):
    draw = {"seed": 0, "round": 0, "width": 37, "subnetwork": 0, **bad}
    message = f"{type(law).__name__}: {message.format(p=law.n_subnetworks)}"
    with refused(error, message):
        law.sample_subnetwork(**draw)
    if "subnetwork" not in bad:
        del draw["subnetwork"]
        with refused(error, message):
            law.sample(**draw)


def test_fixed_masks_know_their_rounds_and_width(refused):
    law = FixedMasks(GIVEN, 0.5)
    with refused(ValueError, "FixedMasks: masks must cover 7 rounds, got 6"):
        law.sample(0, 6, 37)
    with refused(ValueError, "FixedMasks: masks must be for 36 neurons, got 37"):
        law.sample_subnetwork(0, 0, 36, 0)


def test_a_law_by_name_takes_the_settings_that_it_has():
    defaults = {"n_subnetworks": 3, "selection_prob": 0.4, "no_such": 1}
    assert law_from_settings("bernoulli", {}, defaults) == Bernoulli(3, 0.4)
    assert law_from_settings("bernoulli", {"selection_prob": 0.5}, defaults) == Bernoulli(3, 0.5)
    weights = (0.5, 0.25, 0.25)
    assert law_from_settings("categorical", {"probabilities": weights}, defaults) == Categorical(3, weights)
    assert law_from_settings("all", {"n_subnetworks": None}, defaults) == AllNeurons(3)
    with pytest.raises(ValueError, match="selection_prob must be given for masks 'bernoulli'"):
        law_from_settings("bernoulli", {"n_subnetworks": 3}, {})


def test_known_bits():
    """Pinned: a change of these changes every stored result."""

    def hexadecimal(law):
        return [f"{int(''.join(str(int(bit)) for bit in row), 2):04x}" for row in law.sample(0, 5, 16)]

    assert hexadecimal(Bernoulli(3, 0.5)) == ["c3fc", "7d9c", "00fa"]
    assert hexadecimal(Categorical(3)) == ["c174", "2288", "1c03"]
    assert hexadecimal(Categorical(3, (0.5, 0.25, 0.25))) == ["c3fc", "2800", "1403"]


def test_selection_probabilities():
    assert Bernoulli(3, 0.3).selection_prob == 0.3
    assert Categorical(4).selection_prob == 0.25
    assert Categorical(2, (0.9, 0.1)).selection_prob == 0.5
    assert AllNeurons(3).selection_prob == 1.0
    assert FixedMasks(GIVEN, 0.5).selection_prob == 0.5
    assert AllNeurons().n_subnetworks == 1
    assert FixedMasks(GIVEN, 0.5).n_subnetworks == 3


def test_fixed_masks_are_a_private_read_only_copy():
    given = GIVEN.copy()
    law = FixedMasks(given, 0.5)
    given[:] = False
    np.testing.assert_array_equal(law.sample(0, 4, 37), GIVEN[4])
    with pytest.raises(ValueError, match="read-only"):
        law.masks[0] = False


def test_equality_and_hash_of_laws():
    law = FixedMasks(GIVEN, 0.5)
    same, other_prob, other_masks = FixedMasks(GIVEN, 0.5), FixedMasks(GIVEN, 0.4), FixedMasks(~GIVEN, 0.5)
    assert law == same
    assert hash(law) == hash(same)
    assert law not in (other_prob, other_masks, "law")
    assert len({hash(law), hash(other_prob), hash(other_masks), hash(FixedMasks(GIVEN.reshape(3, 6, 37), 0.5))}) == 4
    assert Bernoulli(np.int64(2), np.float32(0.5)) == Bernoulli(2, 0.5)


def test_numbers_are_kept_as_plain_python_numbers():
    bernoulli, categorical = Bernoulli(np.int64(2), np.float32(0.5)), Categorical(np.int64(2), [np.float32(0.5)] * 2)
    values = (bernoulli.n_subnetworks, categorical.n_subnetworks, AllNeurons(np.int64(2)).n_subnetworks)
    assert [type(v) for v in values] == [int] * 3
    probabilities = (
        bernoulli.selection_prob,
        *categorical.probabilities,
        FixedMasks(GIVEN, np.float32(1)).selection_prob,
    )
    assert [type(v) for v in probabilities] == [float] * 4


def test_the_largest_share():
    assert AllNeurons(4).largest_share(10) == 1.0
    assert FixedMasks(GIVEN, 0.5).largest_share(37) == max(mask.mean() for masks in GIVEN for mask in masks)
    for law in (Bernoulli(1, 0.3), Categorical(1)):
        assert law.largest_share(100) == pytest.approx(law.selection_prob)  # nothing to be the largest of
    assert Bernoulli(8, 0.9).largest_share(4) == 1.0
    assert Categorical(2).largest_share(1) == 1.0
    assert Bernoulli(5, 0.5).largest_share(400) == pytest.approx(0.5 + 0.025 * np.sqrt(2 * np.log(5)))
    assert Categorical(5).largest_share(400) == pytest.approx(0.2 + 0.02 * np.sqrt(2 * np.log(5)))
    assert Categorical(2, (0.8, 0.2)).largest_share(400) == pytest.approx(0.8 + 0.02 * np.sqrt(2 * np.log(2)))


@pytest.mark.parametrize("law", [Bernoulli(10, 0.3), Categorical(10), Categorical(3, (0.5, 0.2, 0.3))], ids=names)
def test_the_largest_share_bounds_the_mean_of_the_largest_subnetwork(law):
    measured = np.mean([law.sample(0, k, 200).mean(axis=1).max() for k in range(200)])
    assert measured < law.largest_share(200) < measured + 0.06


def test_the_table_of_laws():
    released = {"bernoulli": Bernoulli, "categorical": Categorical, "all": AllNeurons, "fixed": FixedMasks}
    assert released.items() <= LAWS.items()  # these names are in saved files
    assert LAWS.keys() - released.keys() == {"balanced", "ordered", "rolling"}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Bernoulli(0, 0.5), ValueError, "Bernoulli: n_subnetworks must be at least 1, got 0"),
        (lambda: Bernoulli(1.0, 0.5), TypeError, "Bernoulli: n_subnetworks must be a whole number, got 1.0"),
        (lambda: Bernoulli(1, 0.0), ValueError, "Bernoulli: selection_prob must be in (0, 1], got 0.0"),
        (lambda: Bernoulli(1, 1.2), ValueError, "Bernoulli: selection_prob must be in (0, 1], got 1.2"),
        (lambda: Bernoulli(1, "x"), TypeError, "Bernoulli: selection_prob must be a number, got 'x'"),
        (lambda: Categorical(0), ValueError, "Categorical: n_subnetworks must be at least 1, got 0"),
        (lambda: Categorical(2, (1.0,)), ValueError, "Categorical: probabilities must have 2 entries, got 1"),
        (lambda: Categorical(1, ("a",)), TypeError, "Categorical: probabilities must be a number, got 'a'"),
        (lambda: Categorical(1, (np.nan,)), ValueError, "Categorical: probabilities must be finite, got nan"),
        (lambda: Categorical(1, 1.0), TypeError, "Categorical: probabilities must be a sequence of numbers, got 1.0"),
        (
            lambda: Categorical(2, (1.0, 0.0)),
            ValueError,
            "Categorical: probabilities must be above 0 and sum to 1, got (1.0, 0.0)",
        ),
        (
            lambda: Categorical(2, (0.5, 0.5 + 1e-8)),
            ValueError,
            f"Categorical: probabilities must be above 0 and sum to 1, got (0.5, {0.5 + 1e-8})",
        ),
        (
            lambda: Categorical(2, (0.5, 0.5 - 1e-8)),
            ValueError,
            f"Categorical: probabilities must be above 0 and sum to 1, got (0.5, {0.5 - 1e-8})",
        ),
        (lambda: AllNeurons(0), ValueError, "AllNeurons: n_subnetworks must be at least 1, got 0"),
        (lambda: FixedMasks(1 * GIVEN, 0.5), TypeError, "FixedMasks: masks must be an array of bool, got int64"),
        (
            lambda: FixedMasks(GIVEN[0], 0.5),
            ValueError,
            "FixedMasks: masks must have shape (rounds, p, m), got (3, 37)",
        ),
        (
            lambda: FixedMasks(GIVEN[:0], 0.5),
            ValueError,
            "FixedMasks: masks must have shape (rounds, p, m), got (0, 3, 37)",
        ),
        (lambda: FixedMasks(GIVEN, 0), ValueError, "FixedMasks: selection_prob must be in (0, 1], got 0"),
        (
            lambda: FixedMasks(GIVEN, 0.5).check(38, 1),
            ValueError,
            "FixedMasks: masks must be for 38 neurons, got 37",
        ),
        (lambda: FixedMasks(GIVEN, 0.5).check(37, 7), ValueError, "FixedMasks: masks must cover 7 rounds, got 6"),
    ],
)
def test_laws_refused(make, error, message, refused):
    with refused(error, message):
        make()


def test_laws_that_fit_are_accepted():
    FixedMasks(GIVEN, 0.5).check(37, 6)
    Categorical(3, (1 / 3, 1 / 3, 1 / 3 + 9e-10))
    for law in (Bernoulli(2, 0.5), Categorical(2), AllNeurons()):
        law.check(1, 10**9)
