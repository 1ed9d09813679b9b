"""What commands print as JSON is JSON: no NaN and no infinity, which Python reads but other readers do not."""

import json

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.json_text import json_text
from subnetlab.cli.main import main

X, Y = np.array([[1, 0.0], [0.6, 0.8], [0, 1]]), np.array([1.0, -1.0, 0.5])


def strictly(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_not_finite_are_null_wherever_they_stand():
    content = {"a": (np.float64("nan"), [float("inf"), 1.5]), "b": {"c": -float("inf")}, "d": "NaN", "e": True, "f": 3}
    assert strictly(json_text(content)) == {"a": [None, [None, 1.5]], "b": {"c": None}, "d": "NaN", "e": True, "f": 3}


@pytest.mark.parametrize(
    ("scheme", "record", "place"),
    [
        (sl.dropout(0.5, rounds=20, step_size=0.3), "none", lambda told: told["measured"][1]),
        (sl.gradient_descent(20, 3.9), "mean", lambda told: told["predicted_floor"]),
    ],
)
def test_theory_of_runs_without_records_and_without_a_limit(scheme, record, place, tmp_path, capsys):
    network = sl.ShallowReLU.initialize(width=60, n_features=2, seed=0)
    sl.train(network, X, Y, scheme, record=record).save(tmp_path / "run.npz")
    assert main(["theory", str(tmp_path), "--json"]) == 0
    assert place(strictly(capsys.readouterr().out)) is None


def test_plans_whose_costs_overflow(capsys):
    data = ["--dataset", "diabetes", "--n-samples", "20"]
    one = ["--p", "1", "--xi", "0.5", "--tau", "2", "--m", "1000", "--max-rounds", "500"]
    assert main(["plan", "--target-error", "3", *data, *one, "--neuron-step", "1e307", "--json"]) == 0
    assert strictly(capsys.readouterr().out)["plans"][0]["seconds"] is None
