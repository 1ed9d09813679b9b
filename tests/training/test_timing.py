"""Engines timed in turn: the same rounds by each, refusals kept as text."""

import signal

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.training import TrainingSession, timing
from subnetlab.training.timing import time_engines

X = np.eye(3)
Y = np.array([1.0, -1.0, 0.5])
NET = sl.ShallowReLU.initialize(width=40, n_features=3, seed=0)


def scheme(**changes):
    return sl.TrainingScheme(**{"masks": sl.Bernoulli(2, 0.5), "rounds": 4, "local_steps": 2, **changes})


def test_times_of_every_round_and_the_same_weights():
    primal, dual = time_engines(NET, X, Y, scheme(step_size=0.1), ["primal", "dual"])
    for found in (primal, dual):
        assert found.refusal is None
        assert found.rounds.shape == (3,)
        assert found.start > 0
        assert found.median == np.median(found.rounds) > 0
    assert primal.deviation == 0
    assert dual.deviation < 1e-12


def test_what_an_engine_cannot_do_is_said_and_the_others_go_on():
    event, primal = time_engines(NET, X, Y, scheme(step_size=0.1), ["event", "primal"], dtype="float32")
    assert event.refusal.startswith("engine 'event' does not support float32; engines that can: ")
    assert (len(event.rounds), np.isnan(event.median), np.isnan(event.deviation)) == (0, True, True)
    assert (primal.refusal, primal.deviation) == (None, 0)


def test_divergence_in_a_later_round_is_a_refusal_too():
    features = np.random.default_rng(0).normal(size=(20, 3))
    (found,) = time_engines(NET, features, np.ones(20), scheme(step_size=2.0, rounds=50), ["primal"])
    assert found.refusal.startswith("diverged in round 3 ")
    assert len(found.rounds) == 0


def test_the_rounds_are_run_in_turn(monkeypatch):
    order = []

    class Watched(timing.TrainingSession):
        def advance(self):
            order.append((self.settings.engine, self.rounds_done))
            return super().advance()

    monkeypatch.setattr(timing, "TrainingSession", Watched)
    time_engines(NET, X, Y, scheme(step_size=0.1, rounds=3), ["primal", "dual"])
    assert order == [(engine, k) for k in range(3) for engine in ("primal", "dual")]


def test_wrong_arguments_are_errors_whatever_the_engine():
    with pytest.raises(ValueError, match="time_engines: rounds must be at least 2, got 1"):
        time_engines(NET, X, Y, scheme(rounds=1), ["primal"])
    with pytest.raises(ValueError, match="train: y must"):
        time_engines(NET, X, Y[:2], scheme(), ["primal"])


@pytest.mark.parametrize("comes_out_as", [None, ImportError("numpy._core.multiarray failed to import")])
@pytest.mark.parametrize("method", ["__init__", "advance"])
def test_an_interrupt_that_an_import_swallows_is_not_lost(comes_out_as, method, monkeypatch):
    """As C code does that imports modules: the exception is dropped, or replaced."""
    original, calls = getattr(TrainingSession, method), []

    def interrupted(self, *args, **kwargs):
        calls.append(method)
        try:
            if len(calls) == 2:
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if comes_out_as is not None:
                raise comes_out_as from None
        return original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingSession, method, interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        time_engines(NET, X, Y, scheme(step_size=0.1), ["reference", "primal"])
    assert len(calls) == 2
    assert signal.getsignal(signal.SIGINT) is before
