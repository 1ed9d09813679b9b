"""A run held against the theory."""

import numpy as np
import pytest

import subnetlab as sl


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y = rows(5, 6), np.array([0.5, -0.5, 0.25, -1.0, 1.0])
NET = sl.ShallowReLU.initialize(3000, 6, 0.5, seed=0)


def trained(masks, tau=2, **more):
    scheme = sl.TrainingScheme(masks, rounds=12, local_steps=tau, step_size=0.2)
    return sl.train(NET, X, Y, scheme, record="subnetworks", seed=5, **more)


def test_every_measure_by_hand():
    run = trained(sl.Bernoulli(2, 0.5))
    result = run.theory(init_scale=0.5)
    lam0 = sl.smallest_eigenvalue(sl.infinite_ntk(X, 0.5))
    masks = run.scheme.masks.sample(5, 11, 3000)
    kernels = sl.masked_ntk(run.network, X, masks)
    assert result.eigenvalues.mask_rounds[-1] == 11
    np.testing.assert_allclose(
        result.eigenvalues.values[-1, -1], [np.linalg.eigvalsh(K)[0] for K in kernels], rtol=1e-10
    )
    assert result.movement == pytest.approx(np.linalg.norm(run.network.weights - NET.weights, axis=1).max())
    errors = run.history.subnetwork_errors
    np.testing.assert_allclose(result.local_rates[3, 1, 1], errors[3, 2, 1] / errors[3, 1, 1])
    assert result.local_rate_limit == pytest.approx(1 - 0.2 * lam0 / 2)
    assert result.radius == pytest.approx(0.5 * lam0 / (192 * 5))
    np.testing.assert_array_equal(result.measured, run.history.full_error)


def test_a_wide_run_keeps_the_conclusions_without_the_hypotheses():
    result = trained(sl.Bernoulli(2, 0.5)).theory()
    assert result.kernels_kept
    assert result.local_rates_kept == 1.0
    assert result.bound_kept
    assert not result.promises["theorem3"][0].met
    assert result.prediction.full_error[-1] == pytest.approx(result.measured[-1], rel=0.7)


def test_text_names_what_a_student_needs():
    text = str(trained(sl.Categorical(2)).theory())
    for words in ("Theorem 4 is about this run", "NOT met", "lambda_0/2", "promises nothing here", "lazy prediction"):
        assert words in text
    assert "proof is broken" in text


def test_a_narrow_network_loses_the_kernels():
    tiny = sl.ShallowReLU.initialize(8, 6, seed=0)
    run = sl.train(tiny, X, Y, sl.dropout(0.3, rounds=3, step_size=0.1))
    assert not run.theory().kernels_kept
    assert "NOT met" in str(run.theory())


def test_mean_record_and_more_networks():
    scheme = sl.dropout(0.5, rounds=4, step_size=0.1)
    run = sl.train(NET, X, Y, scheme, diagnostics=("movement",))
    from subnetlab.theory.verdict import verdict

    result = verdict(run, networks={2: NET}, mask_rounds=2)
    assert result.local_rates.shape == (4, 1, 1)
    assert list(result.eigenvalues.weight_rounds) == [0, 2, 4]
    assert result.eigenvalues.values.shape == (3, 2, 1)
    assert result.movement == pytest.approx(run.history.weight_movement.max())


def test_data_that_the_theory_is_not_about(refused):
    run = sl.train(NET, X, Y, sl.dropout(0.5, rounds=1, step_size=0.1), sample_weight=np.ones(5))
    with refused(ValueError, "theory: sample_weight must be None, the theory is about plain errors"):
        run.theory()
    long_rows = sl.train(NET, 2 * X, Y, sl.dropout(0.5, rounds=1, step_size=0.1))
    with pytest.raises(ValueError, match="rows of X must have norm 1"):
        long_rows.theory()


def test_local_rates_are_judged_until_errors_are_rounding():
    run = sl.train(NET, X, Y, sl.gradient_descent(rounds=1000, step_size=1.0), record="subnetworks")
    errors = run.history.subnetwork_errors[:, 0, 0] / run.history.full_error[0]
    rates = run.theory(init_scale=0.5).local_rates
    assert errors[0] > 1e-3 > 1e-15 > errors[-1]
    assert np.isfinite(rates[errors > 1e-17]).all()
    assert np.isnan(rates[errors < 1e-19]).all()


def test_categorical_masks_are_judged_by_theorem_4_also_where_it_does_not_apply():
    scheme = sl.TrainingScheme(sl.Categorical(2), rounds=2, step_size=0.1, shards=2)
    result = sl.train(NET, X, Y, scheme).theory()
    assert result.theorem == "theorem4"
    assert "Theorem 4 (paper) does not apply: the theorems do not cover shards=2." in str(result)


@pytest.mark.parametrize("engine", ["event", "minibatch"])
def test_a_run_that_recorded_nothing_is_judged_by_what_is_known(engine):
    """Only the first and the last error are sure to be known; engines that have the others for free keep them."""
    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=12, local_steps=2, step_size=0.2)
    full = sl.train(NET, X, Y, scheme, seed=5, engine=engine)
    silent = sl.train(NET, X, Y, scheme, seed=5, engine=engine, record="none")
    assert np.isnan(silent.history.full_error[0])
    result, reference = silent.theory(), full.theory()
    np.testing.assert_allclose(result.measured[[0, -1]], reference.measured[[0, -1]], rtol=1e-12)
    assert result.bound_kept
    text = str(result)
    assert "nan" not in text
    unknown = int(np.isnan(result.measured).sum())
    assert (f"{unknown} of 13 errors were not recorded" in text) == (unknown > 0)
    np.testing.assert_array_equal(result.eigenvalues.values, reference.eigenvalues.values)


def test_a_run_that_recorded_rounds_only_says_what_cannot_be_judged():
    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=6, local_steps=2, step_size=0.2)
    run = sl.train(NET, X, Y, scheme, engine="minibatch", record="rounds")
    text = str(run.theory())
    assert np.isnan(run.history.local_error).all()
    assert "a run with record='rounds' does not keep" in text
    assert "record='mean' or record='subnetworks'" in text
    assert "not recorded" not in text
    assert "nan" not in text


def test_the_bound_is_not_kept_if_a_known_error_exceeds_it():
    from dataclasses import replace

    result = trained(sl.Bernoulli(2, 0.5)).theory()
    bound = result.promises["theorem3"][0].bound
    measured = np.full(13, np.nan)
    measured[4] = 2 * bound[4]
    assert not replace(result, measured=measured).bound_kept
    measured[4] = 0.5 * bound[4]
    assert replace(result, measured=measured).bound_kept


def test_the_prediction_follows_patterns_for_few_rows():
    assert trained(sl.Bernoulli(2, 0.5)).theory().prediction.patterns == "moving"


@pytest.mark.parametrize("law", [sl.Bernoulli(2, 0.5), sl.Categorical(2)])
@pytest.mark.parametrize("step_size", [50.0, 1e10, 1e150])
def test_a_run_that_diverged_is_judged_whatever_its_step(law, step_size):
    """Theorem 4's rate (1 - eta lambda_0 / 2)^tau means nothing where eta lambda_0 exceeds 2."""
    with pytest.raises(sl.DivergenceError) as diverged:
        sl.train(NET, X, Y, sl.TrainingScheme(law, rounds=400, local_steps=5, step_size=step_size))
    result = diverged.value.run.theory()
    assert not result.promises[result.theorem][0].met
    assert ("Theorem 4 (paper) does not apply: the step size must be below 2 / lambda_0" in str(result)) == (
        result.theorem == "theorem4"
    )


def test_a_step_whose_square_is_no_number_is_refused():
    with pytest.raises(sl.DivergenceError) as diverged:
        sl.train(NET, X, Y, sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=9, step_size=1e200))
    with pytest.raises(ValueError, match=r"theory: step_size must be at most 1e\+150, got 1e\+200"):
        diverged.value.run.theory()


def test_old_names_work_and_warn():
    from subnetlab.theory import planner, run_verdict, verdict

    with pytest.warns(DeprecationWarning, match="subnetlab.theory.verdict.Verdict is now RunVerdict"):
        assert verdict.Verdict is run_verdict.RunVerdict
    with pytest.warns(DeprecationWarning, match="subnetlab.theory.planner.Plan is now TrainingPlan"):
        assert planner.Plan is planner.TrainingPlan
