"""Schemes as plain data, and back without loss."""

import json

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.scheme_record import scheme_from_record, scheme_to_record

MASKS = np.random.default_rng(0).random((3, 2, 5)) < 0.5


@pytest.mark.parametrize(
    "scheme",
    [
        sl.gradient_descent(3, "theory"),
        sl.multi_sample_dropout(5, 0.1, 3, 0.1),
        sl.independent_subnets(5, 3, 7),
        sl.TrainingScheme(sl.Categorical(2, (0.1, 0.9)), rounds=2, unselected="zero", shards=2, batch_size=4),
        sl.TrainingScheme(sl.FixedMasks(MASKS, 0.3), rounds=2, step_size=1e-300),
        sl.TrainingScheme(sl.FixedMasks({"fc1": MASKS, "fc2": MASKS[:, :, :2]}, 0.3), rounds=2),
        sl.TrainingScheme({"fc1": sl.Balanced(2), "fc2": sl.FixedMasks(MASKS, 0.3)}, rounds=2, cut_groups=("fc2",)),
        sl.independent_subnets(4, 3, 7, balanced=True, cut_groups="alternate", batch_size=3),
        sl.diloco(4, 3, 7, shards=4, outer=sl.OuterSGD(0.5, 0.0, nesterov=False)),
        sl.heterofl(4, 3, 7, shares=(1.0, 0.3)),
        sl.fedrolex(4, 3, 7, shares=0.25),
        sl.fjord(4, 3, 7),
    ],
    ids=lambda scheme: type(scheme.masks).__name__,
)
def test_a_scheme_survives_json(scheme):
    record, arrays = scheme_to_record(scheme)
    plain = json.loads(json.dumps(record))
    assert plain == record
    assert scheme_from_record(plain, arrays) == scheme


def test_schemes_of_the_first_release_are_stored_as_they_were():
    """A study knows its cells by these records: settings that came later are left out where they are not used."""
    record, _ = scheme_to_record(sl.independent_subnets(5, 3, 7))
    assert list(record) == ["masks", "rounds", "local_steps", "step_size", "unselected", "shards", "batch_size"]


def test_the_record_is_plain_to_read():
    record, arrays = scheme_to_record(sl.TrainingScheme(sl.FixedMasks(MASKS, 0.3), rounds=2, step_size=0.5))
    assert record == {
        "masks": {"law": "fixed", "masks": "array:masks", "selection_prob": 0.3},
        "rounds": 2,
        "local_steps": 1,
        "step_size": 0.5,
        "unselected": "keep",
        "shards": None,
        "batch_size": None,
    }
    assert list(arrays) == ["masks"]
    np.testing.assert_array_equal(arrays["masks"], MASKS)


def test_scheme_record_refused(refused):
    record, arrays = scheme_to_record(sl.gradient_descent(3))
    laws = "'bernoulli', 'categorical', 'balanced', 'ordered', 'rolling', 'all'"
    with refused(ValueError, f"TrainingScheme: masks must be one of {laws}, got 'odd'"):
        scheme_from_record({**record, "masks": {"law": "odd"}}, arrays)
    with refused(ValueError, "TrainingScheme: rounds must be at least 1, got 0"):
        scheme_from_record({**record, "rounds": 0}, arrays)
