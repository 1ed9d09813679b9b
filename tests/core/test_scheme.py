"""Schemes: the special cases of Section 3 and bad input."""

import numpy as np
import pytest

import subnetlab as sl

GOOD = {"masks": sl.Bernoulli(2, 0.5), "rounds": 3}


def test_the_special_cases_of_the_paper():
    expected = sl.TrainingScheme(sl.AllNeurons(1), rounds=3, local_steps=1, step_size=0.1)
    assert sl.gradient_descent(3, 0.1) == expected
    expected = sl.TrainingScheme(sl.Bernoulli(1, 0.4), rounds=3, local_steps=1, step_size=0.1)
    assert sl.dropout(0.4, 3, 0.1) == expected
    expected = sl.TrainingScheme(sl.Bernoulli(5, 0.4), rounds=3, local_steps=1, step_size=0.1)
    assert sl.multi_sample_dropout(5, 0.4, 3, 0.1) == expected
    expected = sl.TrainingScheme(sl.Categorical(5), rounds=3, local_steps=7, step_size=0.1)
    assert sl.independent_subnets(5, 3, 7, 0.1) == expected


def test_defaults():
    scheme = sl.TrainingScheme(**GOOD)
    assert (scheme.local_steps, scheme.step_size, scheme.unselected) == (1, "auto", "keep")
    assert (scheme.shards, scheme.batch_size) == (None, None)
    for short in (sl.gradient_descent(3), sl.dropout(0.4, 3), sl.independent_subnets(5, 3, 7)):
        assert (short.step_size, short.unselected, short.shards, short.batch_size) == ("auto", "keep", None, None)
    assert sl.multi_sample_dropout(2, 0.4, 3).step_size == "auto"


def test_numbers_are_kept_as_plain_python_numbers():
    """NumPy's would not fit into the JSON header of a saved run."""
    one = np.int64(1)
    scheme = sl.TrainingScheme(sl.AllNeurons(), one, one, np.float32(0.5), shards=one, batch_size=one)
    values = (scheme.rounds, scheme.local_steps, scheme.shards, scheme.batch_size)
    assert [type(v) for v in values] == [int] * 4
    assert type(scheme.step_size) is float
    assert type(sl.gradient_descent(1, 1).step_size) is float


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"masks": 0.5}, TypeError, "masks must be a mask law such as Bernoulli(10, 0.5), got 0.5"),
        (
            {"masks": sl.AllNeurons},
            TypeError,
            f"masks must be a mask law such as Bernoulli(10, 0.5), got {sl.AllNeurons!r}",
        ),
        ({"rounds": 0}, ValueError, "rounds must be at least 1, got 0"),
        ({"rounds": None}, TypeError, "rounds must be a whole number, got None"),
        ({"rounds": 2.0}, TypeError, "rounds must be a whole number, got 2.0"),
        ({"local_steps": 0}, ValueError, "local_steps must be at least 1, got 0"),
        ({"local_steps": None}, TypeError, "local_steps must be a whole number, got None"),
        ({"step_size": 0.0}, ValueError, "step_size must be above 0, got 0.0"),
        ({"step_size": -1}, ValueError, "step_size must be above 0, got -1"),
        ({"step_size": np.inf}, ValueError, "step_size must be finite, got inf"),
        ({"step_size": None}, TypeError, "step_size must be a number, got None"),
        ({"step_size": "big"}, ValueError, "step_size must be one of 'auto', 'theory', got 'big'"),
        ({"unselected": "drop"}, ValueError, "unselected must be one of 'keep', 'zero', got 'drop'"),
        ({"shards": 0}, ValueError, "shards must be at least 1, got 0"),
        ({"shards": 1.5}, TypeError, "shards must be a whole number, got 1.5"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": True}, TypeError, "batch_size must be a whole number, got True"),
    ],
)
def test_schemes_refused(bad, error, message, refused):
    with refused(error, f"TrainingScheme: {message}"):
        sl.TrainingScheme(**{**GOOD, **bad})


@pytest.mark.parametrize("name", ["shards", "batch_size"])
def test_no_more_shards_or_batch_rows_than_rows(name, refused):
    scheme = sl.TrainingScheme(**GOOD, **{name: 5})
    scheme.check(width=7, n_samples=5)
    with refused(ValueError, f"TrainingScheme: {name} must be at most the number of rows 4, got 5"):
        scheme.check(width=7, n_samples=4)


def test_the_law_is_asked_whether_it_fits(refused):
    scheme = sl.TrainingScheme(sl.FixedMasks(np.ones((3, 1, 7), bool), 1.0), rounds=3)
    scheme.check(width=7, n_samples=1)
    with refused(ValueError, "FixedMasks: masks must be for 8 neurons, got 7"):
        scheme.check(width=8, n_samples=1)


@pytest.mark.parametrize(
    ("make", "owner"),
    [
        (lambda: sl.gradient_descent(0), "TrainingScheme: rounds must be at least 1, got 0"),
        (lambda: sl.dropout(1.5, 3), "Bernoulli: selection_prob must be in (0, 1], got 1.5"),
        (lambda: sl.multi_sample_dropout(0, 0.5, 3), "Bernoulli: n_subnetworks must be at least 1, got 0"),
        (lambda: sl.independent_subnets(0, 3, 2), "Categorical: n_subnetworks must be at least 1, got 0"),
        (lambda: sl.independent_subnets(2, 3, 0), "TrainingScheme: local_steps must be at least 1, got 0"),
    ],
)
def test_short_forms_refused(make, owner, refused):
    with refused(ValueError, owner):
        make()


@pytest.mark.parametrize("law", [sl.Bernoulli(10**12, 0.5), sl.Categorical(10**12), sl.AllNeurons(10**12)])
def test_more_subnetworks_than_fit_in_memory_are_refused_before_work(law):
    for settings, name in (({"masks": law}, "n_subnetworks"), ({"local_steps": 10**15}, "local_steps")):
        scheme = sl.TrainingScheme(**{**GOOD, **settings})
        with pytest.raises(ValueError, match=rf"TrainingScheme: {name} must give .* that fit into the memory"):
            scheme.check(20, 5)


def test_a_number_too_large_for_a_float_is_refused_in_words_too():
    with pytest.raises(ValueError, match=r"TrainingScheme: rounds must give .* that fit into the memory"):
        sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=10**400).check(20, 5)
