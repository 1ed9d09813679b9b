"""engine="auto": decided by counts and scales, and recorded."""

from dataclasses import replace

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.base import Problem
from subnetlab.engines.choice import NANOSECONDS_PER_ROUND, Workload, choose_engine
from subnetlab.study import Cell, DatasetSpec
from subnetlab.training import RunRequest

RNG = np.random.default_rng(0)


def _work(n=100, d=100, m=4000, p=10, tau=10, *, kappa=1.0, step_size=0.02, dtype="float64", X=None, **scheme):
    X = np.abs(RNG.standard_normal((n, d))) if X is None else X
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    scheme = sl.TrainingScheme(sl.Bernoulli(p, 0.5), rounds=200, local_steps=tau, step_size=step_size, **scheme)
    problem = Problem(X, RNG.uniform(-1, 1, n), np.ones(m), 0.5, step_errors=scheme.batch_size is None)
    return Workload.estimate(problem, scheme, init_scale=kappa, dtype=dtype)


def test_the_paper_s_size_is_the_event_engine_s():
    assert choose_engine(set(), _work()) == "event"


@pytest.mark.parametrize("n", [100, 500])
def test_float32_is_the_lookup_engine_s_while_n_is_not_far_above_d(n):
    assert choose_engine({"float32"}, _work(n=n, dtype="float32")) == "lookup"


def test_kinks_everywhere_are_the_lookup_engine_s():
    assert choose_engine(set(), _work(kappa=0.01)) == "lookup"
    assert choose_engine(set(), _work(kappa=1e-6, step_size=0.5)) == "lookup"


def test_what_tables_cannot_do_is_the_dual_engine_s():
    assert choose_engine({"outputs"}, _work()) == "dual"


def test_many_rows_are_the_primal_engine_s():
    assert choose_engine(set(), _work(n=2000, kappa=0.1)) == "primal"
    assert choose_engine({"float32"}, _work(n=2000, dtype="float32")) == "primal"


def test_a_short_run_does_not_load_numba():
    work = replace(_work(n=5, d=3, m=50, p=2, tau=2), rounds=20)
    assert choose_engine(set(), work) in ("dual", "primal")


def test_small_batches_of_many_rows_are_the_minibatch_engine_s():
    assert choose_engine({"minibatches"}, _work(n=5000, batch_size=10)) == "minibatch"


def test_a_step_size_not_yet_resolved_is_guessed():
    X = RNG.standard_normal((300, 20))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    net = sl.ShallowReLU.initialize(2000, 20)
    scheme = sl.gradient_descent(1)
    eigenvalue = np.linalg.eigvalsh(sl.finite_ntk(net, X))[-1]
    problem = Problem(X, np.ones(300), net.output_weights, 1.0)
    guess = Workload.estimate(problem, scheme, init_scale=1.0, dtype="float64").step_size
    assert 0.3 < guess * eigenvalue < 3


def test_the_watched_share_follows_the_measured_one():
    shares = [_work(kappa=kappa).watched_share() for kappa in (10.0, 1.0, 0.1, 0.01)]
    assert shares == sorted(shares)
    assert shares[1] < 0.15
    assert shares[-1] > 0.9
    assert _work(m=64_000).watched_share() == pytest.approx(_work(m=4_000).watched_share() / 4, rel=0.15)


@pytest.mark.parametrize("name", NANOSECONDS_PER_ROUND)
def test_more_work_takes_longer(name):
    work, cost = _work(), NANOSECONDS_PER_ROUND[name]
    for change in ({"m": 8000}, {"n": 200, "batch": 200.0}, {"p": 20}, {"tau": 20}):
        assert cost(replace(work, **change)) > cost(work)


def test_the_choice_is_recorded_and_kept():
    X, y = np.eye(3), np.array([1.0, -1.0, 0.5])
    net = sl.ShallowReLU.initialize(100, 3)
    run = sl.train(net, X, y, sl.dropout(0.5, rounds=3, step_size=0.1))
    assert run.settings.engine == "dual"
    assert sl.resume(run, rounds=5).settings.engine == "dual"


@pytest.mark.parametrize("step_size", ["auto", "theory", 0.02])
@pytest.mark.parametrize("width", [30, 4000])
@pytest.mark.parametrize("init_scale", [1.0, 0.1])
def test_auto_means_the_same_in_a_run_and_in_a_study(step_size, width, init_scale):
    """A study decides before there is a network, a run without asking for the study's settings."""
    cell = Cell(DatasetSpec("synthetic", n_samples=20), width, 40, "bernoulli", 4, 0.5, step_size=step_size)
    cell = replace(cell, init_scale=init_scale)
    data = cell.dataset.load()
    network = sl.ShallowReLU.initialize(width, data.X.shape[1], init_scale)
    assert RunRequest(network, data.X, data.y, cell.scheme()).resolve().engine == cell.resolved().engine


@pytest.mark.parametrize("batch_size", [None, 50])
def test_a_run_that_records_nothing_is_the_minibatch_engine_s(batch_size):
    """It alone leaves out the error of the whole network; estimators train so."""
    X = RNG.standard_normal((400, 10))
    network = sl.ShallowReLU.initialize(128, 10, 0.05)
    scheme = sl.independent_subnets(2, 10, 10, batch_size=batch_size)
    assert RunRequest(network, X, np.ones(400), scheme, record="none").resolve().engine == "minibatch"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-149, 1e-100, 1e100, 1e149])
@pytest.mark.parametrize("step_size", ["auto", 1e-20, 1e-300])
def test_rows_whose_products_have_squares_that_vanish_or_overflow(size, step_size):
    X = size * np.array([[1, 0.0], [0.6, 0.8], [0, 1]])
    network = sl.ShallowReLU.initialize(60, 2, seed=0)
    try:
        run = sl.train(network, X, np.array([1.0, -1.0, 0.5]), sl.dropout(0.5, rounds=2, step_size=step_size))
    except sl.DivergenceError as diverged:
        run = diverged.run
    assert run.settings.engine in NANOSECONDS_PER_ROUND


def test_the_guess_of_the_ntk_grows_with_the_square_of_the_rows():
    X = np.abs(RNG.standard_normal((50, 9)))
    y, scheme = np.ones(50), sl.dropout(0.5, rounds=2, step_size=0.1)
    tops = [
        Workload.estimate(Problem(size * X, y, np.ones(10), 0.5), scheme, init_scale=1.0, dtype="float64").ntk_top
        for size in (1.0, 2.0**-400, 2.0**400)
    ]
    assert tops == [tops[0], tops[0] * 2.0**-800, tops[0] * 2.0**800]
