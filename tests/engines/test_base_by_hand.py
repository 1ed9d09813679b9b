"""Two neurons, two samples, every number worked out on paper; all engines that compute in float64 must agree.

The setting of all cases: x_1 = (1, 0), x_2 = (0, 1), m = 2, signs a = (1, -1). Write y_i = t_i / sqrt 2 and
f_i = g_i / sqrt 2; then
    g_i = sum_r a_r m_r relu(w_ri),      |y - f|^2 = (1/2) sum_i (g_i - t_i)^2,
    one step:  w_ri <- w_ri - (eta / 2) a_r m_r (g_i - t_i) 1{w_ri >= 0}.
With t = (1, 1), eta = 1 and W_0 = [[2, 0], [-1, 1]] everything stays a short binary fraction.
"""

import numpy as np
import pytest

from subnetlab.core.rows import LocalRows
from subnetlab.engines.base import Problem
from subnetlab.engines.table import ENGINES, create

X = np.eye(2)
T = np.array([1.0, 1.0])
A = np.array([1.0, -1.0])
W0 = np.array([[2.0, 0.0], [-1.0, 1.0]])


@pytest.fixture(params=[name for name, entry in ENGINES.items() if entry.exact])
def engine_name(request):
    return request.param


def able(*needed):
    """The engines that declare these capabilities."""
    return [name for name, entry in ENGINES.items() if entry.exact and entry.capabilities >= set(needed)]


def started(name, problem):
    try:
        return create(name, problem, dtype="float64", threads=1)
    except ImportError as error:  # an extra that is not installed
        pytest.skip(str(error))


def one_round(name, masks, tau=1, W=W0, eta=1.0, xi=1.0, **options):
    problem = Problem(X=X, y=T / np.sqrt(2), signs=A, selection_prob=xi)
    engine = started(name, problem)
    state, record = engine.round(engine.start(W), np.array(masks, dtype=bool), eta, tau, **options)
    return engine.weights(state), record


def equals(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


def test_two_local_steps_with_a_neuron_on_the_hinge(engine_name):
    """
    Step 1: g = (2, 0 - 1) = (2, -1), g - t = (1, -2), error (1 + 4)/2 = 2.5.
        w_12 = 0 lies on the hinge and counts as active:
        w_1 <- (2, 0) - 1/2 (1, -2) = (1.5, 1);   w_2 <- (-1, 1) + 1/2 (0, -2) = (-1, 0), as w_21 < 0 is inactive.
    Step 2: g = (1.5, 1 - 0), g - t = (.5, 0), error .125;   w_1 <- (1.25, 1), w_2 stays.
    Then g = (1.25, 1), error .03125. With xi = 1 that is the error of the whole network too.
    """
    W, record = one_round(engine_name, [[1, 1]], tau=2)
    equals(W, [[1.25, 1.0], [-1.0, 0.0]])
    equals(record.subnetwork_errors, [[2.5], [0.125], [0.03125]])
    equals(record.full_error, 0.03125)


def test_a_shared_neuron_takes_the_mean_of_its_updates(engine_name):
    """
    Subnetwork 1 holds both neurons: updates (-.5, 1) and (0, -1), errors 2.5 and .125, as above.
    Subnetwork 2 holds neuron 1 alone: g = (2, 0), g - t = (1, -1), error 1; update (-.5, .5); then g = (1.5, .5),
        error (.25 + .25)/2 = .25.
    Neuron 1 takes the mean (-.5, .75), neuron 2 the one update it has: W = [[1.5, .75], [-1, 0]].
    u = xi g with xi = 1/2 and g = (1.5, .75): error ((.75 - 1)^2 + (.375 - 1)^2)/2 = .2265625.
    """
    W, record = one_round(engine_name, [[1, 1], [1, 0]], xi=0.5)
    equals(W, [[1.5, 0.75], [-1.0, 0.0]])
    equals(record.subnetwork_errors, [[2.5, 1.0], [0.125, 0.25]])
    equals(record.full_error, 0.2265625)


def test_an_unselected_neuron_stays(engine_name):
    """
    Subnetworks 1 and 2 hold neuron 1 alone: both make the update (-.5, .5), so does their mean.
    Neuron 2 = (0, 1/3) belongs to nobody.
    """
    W, _ = one_round(engine_name, [[1, 0], [1, 0]], W=np.array([[2.0, 0.0], [0.0, 1 / 3]]))
    equals(W, [[1.5, 0.5], [0.0, 1 / 3]])


def test_the_zero_option_erases_an_unselected_neuron_until_it_is_selected_again(engine_name):
    """
    Round 1 as above, but neuron 2 becomes (0, 0). Round 2 holds neuron 2 alone, on the hinge for both samples:
    g = 0, g - t = (-1, -1), error 1; w_2 <- 0 - 1/2 (1, 1) = (-.5, -.5), dead on both samples: error 1 again.
    """
    W, _ = one_round(engine_name, [[1, 0]], unselected="zero")
    equals(W, [[1.5, 0.5], [0.0, 0.0]])
    assert not np.signbit(W[1]).any()
    W, record = one_round(engine_name, [[0, 1]], W=W, unselected="zero")
    equals(W, [[0.0, 0.0], [-0.5, -0.5]])
    equals(record.subnetwork_errors, [[1.0], [1.0]])


@pytest.mark.parametrize("unselected", ["keep", "zero"])
def test_a_round_in_which_nobody_is_selected(engine_name, unselected):
    """Empty subnetworks: f = 0, error (1 + 1)/2 = 1 at every time; W stays, u = g = (2, -1) has error 2.5; or W = 0."""
    W, record = one_round(engine_name, [[0, 0], [0, 0]], tau=2, unselected=unselected)
    equals(record.subnetwork_errors, np.ones((3, 2)))
    if unselected == "keep":
        assert W.tobytes() == W0.tobytes()
        equals(record.full_error, 2.5)
    else:
        assert W.tobytes() == np.zeros((2, 2)).tobytes()
        equals(record.full_error, 1.0)


def test_one_empty_subnetwork_does_not_count(engine_name):
    """Neuron 1 has the one update (-.5, .5), not half of it."""
    W, record = one_round(engine_name, [[0, 0], [1, 0]])
    equals(W, [[1.5, 0.5], [-1.0, 1.0]])
    equals(record.subnetwork_errors, [[1.0, 1.0], [1.0, 0.25]])


@pytest.mark.parametrize("engine_name", able("shards", "minibatches"))
def test_a_shard_and_a_minibatch(engine_name):
    """
    Subnetwork 1 owns sample 1: residual (1, 0), w_1 <- (2, 0) - 1/2 (1, 0) = (1.5, 0), w_2 has w_21 < 0 and stays.
        Its error is on all rows: g = (1.5, -1), (.25 + 4)/2 = 2.125.
    Subnetwork 2 draws sample 2 of two, factor 2: residual 2 (0, -2), w_1 <- (2, 2), w_2 <- (-1, 1 - 2) = (-1, -1);
        g = (2, 2), error (1 + 1)/2 = 1.
    Means: w_1 = (2, 0) + ((-.5, 0) + (0, 2))/2 = (1.75, 1), w_2 = (-1, 1) + ((0, 0) + (0, -2))/2 = (-1, 0).
    """
    rows = LocalRows((np.array([[0]]), np.array([[1]])), (1.0, 2.0))
    W, record = one_round(engine_name, [[1, 1], [1, 1]], rows=rows)
    equals(W, [[1.75, 1.0], [-1.0, 0.0]])
    equals(record.subnetwork_errors, [[2.5, 2.5], [2.125, 1.0]])


@pytest.mark.parametrize("engine_name", able("sample_weight"))
def test_sample_weights(engine_name):
    """
    s = (2, 0): residuals s (g - t) = (2, 0); w_1 <- (2, 0) - 1/2 (2, 0) = (1, 0), w_2 stays.
    Errors carry the weights: (2 * 1 + 0)/2 = 1 before; g = (1, -1), (2 * 0 + 0)/2 = 0 after.
    """
    problem = Problem(X, T / np.sqrt(2), A, selection_prob=1.0, sample_weight=np.array([2.0, 0.0]))
    engine = started(engine_name, problem)
    state, record = engine.round(engine.start(W0), np.array([[True, True]]), 1.0, 1)
    equals(engine.weights(state), [[1.0, 0.0], [-1.0, 1.0]])
    equals(record.subnetwork_errors, [[1.0], [0.0]])
    equals(record.full_error, 0.0)


@pytest.mark.parametrize("engine_name", able("outputs"))
def test_two_outputs(engine_name):
    """
    Output 1 has signs (1, -1), output 2 signs (1, 1); targets t = (1, 1) and (1, 0).
    g = (2, -1) and (2, 1); g - t = (1, -2) and (1, 1); error (1 + 4 + 1 + 1)/2 = 3.5.
    Neuron 1 sees residuals (1 + 1, -2 + 1) = (2, -1): w_1 <- (2, 0) - 1/2 (2, -1) = (1, .5).
    Neuron 2 sees (-1 + 1, 2 + 1) = (0, 3), inactive on sample 1: w_2 <- (-1, 1) - 1/2 (0, 3) = (-1, -.5).
    Then g = (1, .5) for both outputs, g - t = (0, -.5) and (0, .5), error (.25 + .25)/2 = .25.
    """
    signs = np.array([[1.0, 1.0], [-1.0, 1.0]])
    y = np.array([[1.0, 1.0], [1.0, 0.0]]) / np.sqrt(2)
    engine = started(engine_name, Problem(X, y, signs, selection_prob=1.0))
    state, record = engine.round(engine.start(W0), np.array([[True, True]]), 1.0, 1)
    equals(engine.weights(state), [[1.0, 0.5], [-1.0, -0.5]])
    equals(record.subnetwork_errors, [[3.5], [0.25]])
    equals(record.full_error, 0.25)


@pytest.mark.parametrize("engine_name", able("learned_signs"))
@pytest.mark.parametrize("unselected", ["keep", "zero"])
def test_learned_output_weights(engine_name, unselected):
    """
    Neuron 1 alone: g - t = (2, 0) - (1, 1) = (1, -1), so a_1 <- 1 - 1/2 (1 * 2 + (-1) * 0) = 0, by the old w_1;
    w_1 <- (1.5, .5) as before, by the old a_1. Neuron 2 belongs to nobody: a_2 = -1 stays, or is erased with w_2.
    """
    engine = started(engine_name, Problem(X, T / np.sqrt(2), A, selection_prob=1.0, learn_signs=True))
    state, _ = engine.round(engine.start(W0), np.array([[True, False]]), 1.0, 1, unselected=unselected)
    keep = unselected == "keep"
    equals(engine.weights(state), [[1.5, 0.5], [-1.0, 1.0] if keep else [0.0, 0.0]])
    equals(engine.signs(state), [0.0, -1.0 if keep else 0.0])


def test_the_cases_are_tried_on_the_first_two_engines_at_least():
    assert {"reference", "primal"} <= set(able())
    assert "reference" in set(able("outputs", "sample_weight", "shards", "minibatches"))
    assert "primal" in able("shards", "minibatches")
