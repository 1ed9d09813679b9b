"""The exchange simulated in one process: the same bits for any number of workers, and those of the primal engine."""

from __future__ import annotations

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.rows import local_rows
from subnetlab.engines.base import Problem
from subnetlab.engines.distributed import DistributedEngine
from subnetlab.engines.distributed.engine import run_in_step
from subnetlab.engines.distributed.worker import Exchange
from subnetlab.engines.table import create

N, D, M, P, ROUNDS = 30, 20, 500, 6, 6
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = rng.uniform(-1, 1, N)
NETWORK = sl.ShallowReLU.initialize(M, D)
LAWS = [sl.Categorical(P), sl.Bernoulli(P, 0.5)]
SEEN = {"all rows": {}, "shards and minibatches": {"shards": 3, "batch_size": 5}}


def _mixed():
    """Masks that are a partition in every other round only."""
    masks = [LAWS[k % 2].sample(3, k, M) for k in range(ROUNDS)]
    return sl.FixedMasks(np.array(masks), selection_prob=0.3)


def _train(engine, law, seen, *, unselected="keep", rounds=range(ROUNDS), state=None):
    state = engine.start(NETWORK.weights) if state is None else state
    errors = [engine.full_error(state)]
    for k in rounds:
        rows = local_rows(
            1, k, n_samples=N, n_subnetworks=P, local_steps=3, **{"shards": None, "batch_size": None, **seen}
        )
        state, record = engine.round(state, law.sample(1, k, M), 0.3, 3, rows=rows, unselected=unselected)
        errors += [*record.subnetwork_errors.ravel(), record.full_error]
    return engine.weights(state), np.array(errors), state


def _engine(law, dtype, workers):
    return DistributedEngine(Problem(X, Y, NETWORK.output_weights, law.selection_prob), dtype=dtype, workers=workers)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("law", [*LAWS, _mixed()], ids=["categorical", "bernoulli", "mixed"])
def test_same_bits_for_any_number_of_workers(law, seen, dtype):
    one, one_errors, _ = _train(_engine(law, dtype, 1), law, seen)
    for workers in (2, 3, 4, 6):
        many, errors, _ = _train(_engine(law, dtype, workers), law, seen)
        assert many.tobytes() == one.tobytes()
        assert errors.tobytes() == one_errors.tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("unselected", ["keep", "zero"])
@pytest.mark.parametrize("law", LAWS, ids=["categorical", "bernoulli"])
def test_weights_and_local_errors_have_the_bits_of_the_primal_engine(law, unselected, dtype):
    """The primal engine takes W X' of chosen neurons from a product of all: the same bits if BLAS works row by row."""
    W, rows = NETWORK.weights.astype(dtype), X.astype(dtype)
    masks = [chosen for k in range(ROUNDS) for chosen in law.sample(1, k, M)]  # some processors differ for some sizes
    if any(((W @ rows.T)[chosen] != W[chosen] @ rows.T).any() for chosen in masks):
        pytest.skip("this BLAS computes a row of a product differently in other company")
    primal = create("primal", Problem(X, Y, NETWORK.output_weights, law.selection_prob), dtype=dtype, threads=1)
    theirs, their_errors, _ = _train(primal, law, {}, unselected=unselected)
    ours, errors, _ = _train(_engine(law, dtype, 4), law, {}, unselected=unselected)
    assert ours.tobytes() == theirs.tobytes()
    inside = np.ones(len(errors), bool)
    inside[:: 1 + 4 * P] = False  # the error of the whole network is summed slot by slot, theirs at once
    assert errors[inside].tobytes() == their_errors[inside].tobytes()
    np.testing.assert_allclose(errors, their_errors, rtol=1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("law", [*LAWS, _mixed()], ids=["categorical", "bernoulli", "mixed"])
def test_a_snapshot_goes_on_with_any_number_of_workers(law):
    whole, errors, _ = _train(_engine(law, "float64", 3), law, {})
    first = _engine(law, "float64", 2)
    _, _, state = _train(first, law, {}, rounds=range(3))
    second = _engine(law, "float64", 6)
    resumed, later, _ = _train(second, law, {}, rounds=range(3, ROUNDS), state=second.restore(first.snapshot(state)))
    assert resumed.tobytes() == whole.tobytes()
    assert later[1:].tobytes() == errors[-len(later) + 1 :].tobytes()


@pytest.mark.parametrize(("name", "value"), [("n_slots", 10**15), ("n_slots", 3), ("n_slots", 0), ("slots", -1)])
def test_a_snapshot_with_slots_that_cannot_be_is_refused_at_once(name, value):
    engine = _engine(LAWS[0], "float64", 1)
    _, _, state = _train(engine, LAWS[0], {}, rounds=range(1))
    arrays = engine.snapshot(state)
    arrays[name] = np.full_like(arrays[name], value)
    with pytest.raises(ValueError, match=r"^resume: n_slots must be at most 1,048,576 and above the number of every "):
        engine.restore(arrays)


def test_more_workers_than_neurons():
    problem = Problem(X, Y, np.array([1.0, -1.0]), 1.0)
    masks = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], bool)
    results = []
    for workers in (1, 4):
        engine = DistributedEngine(problem, workers=workers)
        state, record = engine.round(engine.start(NETWORK.weights[:2]), masks, 0.1, 2)
        results.append((engine.weights(state).tobytes(), record.full_error, record.subnetwork_errors.tobytes()))
    assert results[0] == results[1]


def test_the_simulation_refuses_messages_that_nobody_awaits():
    def worker(shape):
        yield Exchange([[np.zeros(3)]], [[shape]], np.dtype(float))

    assert run_in_step([worker((3,))]) == [None]
    with pytest.raises(RuntimeError, match=r"process 0 awaits \[\[\(4,\)\]\], got \[\[\(3,\)\]\]"):
        run_in_step([worker((4,))])
