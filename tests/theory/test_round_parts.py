"""The parts of a round, in rational numbers and as the event engine's trace has them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subnetlab as sl
from subnetlab.engines.base import Problem
from subnetlab.engines.event.traced import TracedEngine
from subnetlab.theory.round_parts import round_parts

EIGHTHS = st.integers(-8, 8).map(lambda k: Fraction(k, 8))


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_parts_add_up_to_the_next_error_exactly(by_definition, data):
    """The statement of docs/derivations in rational numbers, on kinks, with empty masks and steps of any size."""
    n, d, m, p, tau = 2, 2, 4, data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))

    def draw(*shape):
        size = int(np.prod(shape))
        return np.array(data.draw(st.lists(EIGHTHS, min_size=size, max_size=size)), dtype=object).reshape(shape)

    W, X, y = draw(m, d), draw(n, d), draw(n)
    a = np.array(data.draw(st.lists(st.sampled_from([-1, 1]), min_size=m, max_size=m)))
    masks = np.array(data.draw(st.lists(st.sampled_from([0, 1]), min_size=p * m, max_size=p * m))).reshape(p, m)
    xi, eta = data.draw(st.sampled_from([Fraction(1, 3), Fraction(1)])), data.draw(EIGHTHS.filter(lambda x: x > 0)) * 8
    after, T, sampled, crossed, _ = by_definition.round_in_parts(W, a, X, y, masks, eta, tau, xi, 2)
    before = by_definition.error(W, a, X, y, xi, 2)
    assert list(by_definition.error(after, a, X, y, xi, 2)) == list(T @ before + sampled + crossed)


LAWS = {
    "one, whole": (sl.AllNeurons(1), 1, {}),
    "Bernoulli": (sl.Bernoulli(3, 0.4), 4, {}),
    "categorical": (sl.Categorical(3), 6, {}),
    "shards": (sl.Bernoulli(2, 0.7), 3, {"shards": 2}),
    "minibatches": (sl.Categorical(2), 3, {"batch_size": 3}),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_trace_of_the_event_engine_has_the_parts_of_the_definition(by_definition, name):
    law, tau, more = LAWS[name]
    scheme = sl.TrainingScheme(law, rounds=4, local_steps=tau, step_size=2.0, **more)
    X, y, m, xi = rows(7, 4), np.linspace(-1, 1, 7), 70, law.selection_prob
    net = sl.ShallowReLU.initialize(m, 4, 0.2, seed=3)
    a, root = net.output_weights, np.sqrt(m)
    engine = TracedEngine(Problem(X, y, a, xi))
    state, changes = engine.start(net.weights), 0
    for k in range(4):
        W, masks = engine.weights(state), law.sample(0, k, m)
        before = by_definition.error(W, a, X, y, xi, root)
        seen = None
        if more:
            from subnetlab.core.rows import local_rows

            given_rows = {"n_samples": 7, "n_subnetworks": len(masks), "local_steps": tau}
            seen = local_rows(0, k, **given_rows, shards=scheme.shards, batch_size=scheme.batch_size)
        state, _ = engine.round(state, masks, 2.0, tau, rows=seen)
        parts = round_parts(engine.trace, X @ X.T, before, 2.0, xi)
        after = by_definition.error(engine.weights(state), a, X, y, xi, root)
        np.testing.assert_allclose(parts.matrix @ before + parts.sampled + parts.crossed, after, atol=1e-12)
        if not more:
            W, T, sampled, crossed, count = by_definition.round_in_parts(W, a, X, y, masks, 2.0, tau, xi, root)
            np.testing.assert_allclose(parts.matrix, T, atol=1e-13)
            np.testing.assert_allclose(parts.sampled, sampled, atol=1e-13)
            np.testing.assert_allclose(parts.crossed, crossed, atol=1e-13)
            assert engine.trace.crossings == count
        changes += engine.trace.crossings
    assert changes > 100
