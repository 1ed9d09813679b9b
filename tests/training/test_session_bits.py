"""The same request gives the same bits: again, for any threads of the caller, of settings that decide nothing."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import subnetlab as sl
from subnetlab.engines.primal import PrimalEngine

rng = np.random.default_rng(0)
X = rng.standard_normal((150, 80))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = rng.uniform(-1, 1, 150)
NETWORK = sl.ShallowReLU.initialize(700, 80)
SCHEME = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=3, local_steps=2, shards=2, batch_size=20)


def bits(run):
    history = {name: values.tobytes() for name, values in run.history.arrays().items()}
    return run.network.weights.tobytes(), run.settings.step_size, history


@pytest.mark.parametrize("options", [{"engine": "reference"}, {"engine": "primal"}, {"dtype": "float32"}], ids=repr)
def test_on_rerun(options):
    assert bits(sl.train(NETWORK, X, Y, SCHEME, seed=3, **options)) == bits(
        sl.train(NETWORK, X, Y, SCHEME, seed=3, **options)
    )


def test_other_seeds_give_other_bits():
    assert bits(sl.train(NETWORK, X, Y, SCHEME, seed=3)) != bits(sl.train(NETWORK, X, Y, SCHEME, seed=4))


def test_whatever_the_threads_of_the_caller():
    runs = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            runs.append(bits(sl.train(NETWORK, X, Y, SCHEME, threads=1)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_pinned_where_bits_are_made_and_given_back_after(threads, monkeypatch):
    seen = []

    def spy(owner, name):
        original = getattr(owner, name)

        def spied(*args, **kwargs):
            seen.append({library["num_threads"] for library in threadpool_info()})
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, spied)

    from subnetlab.training import request, session

    for owner, name in [
        (request, "resolve_step_size"),
        (session.StateMeasures, "__init__"),
        (session.StateMeasures, "measure"),
        (PrimalEngine, "start"),
        (PrimalEngine, "round"),
        (PrimalEngine, "full_error"),
        (PrimalEngine, "restore"),
    ]:
        spy(owner, name)
    with threadpool_limits(limits=3 - threads):
        outside = [library["num_threads"] for library in threadpool_info()]
        options = {"diagnostics": ("patterns",), "engine": "primal"}
        run = sl.train(NETWORK, X, Y, SCHEME, threads=threads, **options)
        sl.resume(run, rounds=4)
        assert [library["num_threads"] for library in threadpool_info()] == outside
    assert seen
    assert all(counts == {threads} for counts in seen)


def test_what_is_recorded_and_shown_does_not_change_the_weights():
    plain = sl.train(NETWORK, X, Y, SCHEME)
    full = sl.train(
        NETWORK,
        X,
        Y,
        SCHEME,
        record="subnetworks",
        diagnostics=("patterns", "movement"),
        validation=(X[:5], Y[:5]),
        progress=True,
        on_round=lambda session: session.run(),
    )
    assert full.network.weights.tobytes() == plain.network.weights.tobytes()
    for name, values in plain.history.arrays().items():
        assert getattr(full.history, name).tobytes() == values.tobytes()


def test_a_round_depends_on_the_seed_and_its_number_only():
    """More rounds extend the run; its first rounds stay as they are."""
    longer = sl.train(NETWORK, X, Y, sl.TrainingScheme(SCHEME.masks, 6, 2, 0.1), seed=1)
    short = sl.train(NETWORK, X, Y, sl.TrainingScheme(SCHEME.masks, 2, 2, 0.1), seed=1)
    assert longer.history.local_error[:2].tobytes() == short.history.local_error.tobytes()
