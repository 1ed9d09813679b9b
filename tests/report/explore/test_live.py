"""The stream of a live run has the numbers of train()."""

import json

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.report.explore import live
from subnetlab.report.explore.live import live_events
from subnetlab.report.explore.settings import ExploreSettings


@pytest.fixture(scope="module")
def data():
    return sl.load_dataset("diabetes", n_samples=30)


@pytest.mark.parametrize("masks", ["bernoulli", "categorical", "all"])
def test_the_events_are_the_history_of_train(data, masks):
    settings = ExploreSettings(masks=masks, n_subnetworks=3, width=60, rounds=5, local_steps=2, init_scale=0.5, seed=4)
    start, prediction, *rounds, end = live_events(data, settings)
    network = sl.ShallowReLU.initialize(60, data.X.shape[1], init_scale=0.5, seed=4)
    run = sl.train(network, data.X, data.y, settings.scheme(), seed=4)
    history = run.history
    assert (start["engine"], start["step_size"]) == (run.settings.engine, run.settings.step_size)
    assert [start["full_error"], *(event["errors"][-1] for event in rounds)] == history.full_error.tolist()
    assert [event["errors"][0] for event in rounds] == history.sampled_error.tolist()
    assert [event["errors"][1:-1] for event in rounds] == history.local_error.tolist()
    assert [event["round"] for event in rounds] == list(range(5))
    predicted = sl.predict(
        sl.lazy_model(network, data.X, data.y), settings.scheme(), run.settings.step_size, patterns="frozen"
    )
    np.testing.assert_array_equal(prediction["full_error"], predicted.full_error)
    assert end["event"] == "end"
    assert end["seconds"] > 0


def test_a_run_that_diverges_ends_with_the_reason(data):
    *_, last = live_events(data, ExploreSettings(width=60, rounds=200, step_size=50.0))
    assert last["event"] == "diverged"
    assert last["message"].startswith("diverged in round ")


def test_every_event_is_json_without_infinities(data):
    """At a step size beyond stability the prediction is infinite, which JSON does not know."""
    events = list(live_events(data, ExploreSettings(width=60, rounds=200, local_steps=50, step_size=50.0)))
    assert None in events[1]["full_error"]
    for event in events:
        assert json.loads(json.dumps(event, allow_nan=False)) == event


def test_no_prediction_for_many_rows(data, monkeypatch):
    monkeypatch.setattr(live, "_MOST_PREDICTED", 29)
    events = live_events(data, ExploreSettings(width=20, rounds=1))
    assert [event["event"] for event in events] == ["start", "round", "end"]
