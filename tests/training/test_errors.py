"""A step size that diverges: found in the run, explained, nothing lost."""

import re

import numpy as np
import pytest

import subnetlab as sl

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 3))
Y = rng.uniform(-1, 1, 6)
NETWORK = sl.ShallowReLU.initialize(40, 3)


LAW = sl.Bernoulli(2, 0.5)


def scheme_of(rounds=400, step_size=6.0, law=LAW):
    return sl.TrainingScheme(law, rounds=rounds, local_steps=2, step_size=step_size)


def diverged(scheme, network=NETWORK, **options):
    with np.errstate(all="raise"), pytest.raises(sl.DivergenceError) as caught:  # errors, not NumPy's warnings
        sl.train(network, X, Y, scheme, seed=2, **options)
    return caught.value


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "reference"},
        {"engine": "primal"},
        {"dtype": "float32"},
        {"record": "subnetworks", "diagnostics": ("patterns", "movement"), "validation": (X[:2], Y[:2])},
    ],
    ids=repr,
)
def test_the_completed_rounds_are_kept_and_equal_a_run_of_exactly_that_many(options):
    error = diverged(scheme_of(), **options)
    assert error.round > 0
    expected = sl.train(NETWORK, X, Y, scheme_of(rounds=error.round), seed=2, **options)
    assert error.run.status == "diverged"
    assert error.run.history == expected.history
    assert error.run.network.weights.tobytes() == expected.network.weights.tobytes()
    assert error.run.engine_state["weights"].tobytes() == expected.engine_state["weights"].tobytes()
    assert np.isfinite(error.run.history.full_error).all()


def test_the_message_says_where_and_what_to_do():
    error = diverged(scheme_of())
    assert isinstance(error, ArithmeticError)
    pattern = (
        rf"train: diverged in round {error.round} \(error (\S+)\); step_size = 6 is too large: "
        rf"lower it or use step_size='auto'; the {error.round} completed rounds are kept"
    )
    found = re.fullmatch(pattern, str(error))
    assert found
    assert float(found[1]) > 1e10 * error.run.history.full_error[0]


def test_the_limit_is_1e10_times_the_scale_of_the_start():
    error = diverged(scheme_of())
    scale = max(np.sum(Y**2), error.run.history.full_error[0], np.sum(np.maximum(X @ NETWORK.weights.T, 0) ** 2) / 40)
    kept = error.run.history
    assert max(kept.full_error.max(), kept.local_error.max()) <= 2 * 1e10 * scale
    assert kept.full_error.max() > 1e4 * scale


@pytest.mark.parametrize("step_size", [1e30, 1e200])
def test_overflow_in_the_first_round(step_size):
    error = diverged(scheme_of(step_size=step_size))
    assert error.round == 0
    assert error.run.history.rounds == 0
    assert error.run.network.weights.tobytes() == NETWORK.weights.tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_not_a_number_is_divergence(dtype):
    """inf - inf: comparisons with NaN are false, the check must not be."""
    error = diverged(scheme_of(step_size=1e300, law=sl.AllNeurons()), dtype=dtype, engine="primal")
    assert error.round == 0
    assert "error nan" in str(error) or "error inf" in str(error)


def test_from_a_resumed_run_too(tmp_path):
    error = diverged(scheme_of())
    part = sl.train(NETWORK, X, Y, scheme_of(rounds=error.round - 1), seed=2)
    part.save(tmp_path / "part.npz")
    with pytest.raises(sl.DivergenceError) as caught:
        sl.resume(sl.load_run(tmp_path / "part.npz"), rounds=400)
    again = caught.value
    assert again.round == error.round
    assert str(again) == str(error)
    assert again.run.history == error.run.history
    assert again.run.network.weights.tobytes() == error.run.network.weights.tobytes()


def test_a_diverged_run_can_be_saved(tmp_path):
    error = diverged(scheme_of())
    error.run.save(tmp_path / "run.npz")
    back = sl.load_run(tmp_path / "run.npz")
    assert back.status == "diverged"
    assert back.history == error.run.history


def test_targets_and_output_of_zero_are_no_divergence():
    """A network and its negative cancel to u_0 = 0; the subnetworks still have errors."""
    cancelling = sl.ShallowReLU(
        np.vstack([NETWORK.weights] * 2), np.concatenate([NETWORK.output_weights, -NETWORK.output_weights])
    )
    run = sl.train(cancelling, X, np.zeros(6), sl.dropout(0.5, 20))
    assert run.history.sampled_error[0] > 1e-3
    assert run.history.full_error[0] < 1e-25


def test_sample_weights_set_the_scale():
    """Weights of 1e12 make every error large: no divergence by that."""
    run = sl.train(NETWORK, X, Y, sl.dropout(0.5, 20), sample_weight=np.full(6, 1e12))
    assert run.status == "finished"
    assert run.history.full_error[0] > 1e10


@pytest.mark.parametrize(("weights", "targets"), [(NETWORK.weights * 1e200, Y), (NETWORK.weights, Y * 1e150)])
def test_numbers_too_large_for_divergence_to_be_seen_are_refused(weights, targets):
    """An infinite limit would let infinite errors pass as a finished run."""
    network = sl.ShallowReLU(weights, NETWORK.output_weights)
    with (
        np.errstate(all="raise"),
        pytest.raises(ValueError, match=r"^train: errors must start below 1e298, got "),
    ):
        sl.train(network, X, targets, scheme_of(rounds=2), engine="primal")


def test_an_error_in_the_callers_own_function_carries_the_completed_rounds():
    scheme = scheme_of(rounds=6, step_size=0.1)

    def fails(session):
        if session.rounds_done == 4:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left") as caught:
        sl.train(NETWORK, X, Y, scheme, seed=2, on_round=fails)
    assert caught.value.__notes__ == ["The 4 completed rounds are kept: sl.resume(error.run) goes on from there."]
    resumed, straight = sl.resume(caught.value.run), sl.train(NETWORK, X, Y, scheme, seed=2)
    np.testing.assert_array_equal(resumed.network.weights, straight.network.weights)
    assert resumed.history == straight.history
