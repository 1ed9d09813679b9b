"""From cells to numbers: rates by training loss, coverage, and a second call that trains nothing."""

import numpy as np
import pytest

from subnetlab.reproduction.depth.plans import METHODS, method_plan, search_plan
from subnetlab.reproduction.depth.reading import coverage_between, curves_of, finals_of, grid_of
from subnetlab.reproduction.depth.settings import DepthSettings
from subnetlab.reproduction.depth.training import best_rate, train_depth
from subnetlab.reproduction.results import CellsMissingError
from subnetlab.study import CellResult, Store

TINY = DepthSettings(
    "digits",
    networks=("1 layer",),
    losses=("squared",),
    rounds=2,
    seeds=2,
    final_rounds=1,
    bernoulli_subnetworks=(1, 2),
    bernoulli_selection_probs=(0.5, 1.0),
    bernoulli_local_steps=1,
    categorical_subnetworks=(2, 3),
    categorical_local_steps=(1, 2),
    depths=(2,),
    method_width=8,
    method_rows=40,
    method_held_out=20,
    method_rounds=2,
    method_steps=1,
    method_batch=8,
    rates=(0.01, 0.1),
)


@pytest.fixture
def trained(tmp_path, inline, torch):
    with Store(tmp_path) as store:
        return train_depth(TINY, store, jobs=1, progress=False)


def test_everything_is_trained_and_read(trained):
    assert trained.failed() == []
    assert {method for method, _ in trained.methods} == {name for name, way in METHODS.items() if not way.depths}
    grid = grid_of("2b", "1 layer", "squared", trained, TINY)
    assert grid.full.shape == (2, 2, 2, 2)
    cell = next(
        c
        for c in trained.grids["2b", "1 layer", "squared"]
        if (c.seed, c.n_subnetworks, c.selection_prob) == (1, 2, 0.5)
    )
    curve = trained.results[cell.key()].curves["full_error"]
    np.testing.assert_array_equal(grid.full[1, 1, 0], curve[1:].astype(np.float64))
    sampled, local, full = curves_of("1 layer", "squared", trained, TINY)
    assert (sampled.shape, local.shape, full.shape) == ((2, 2), (2, 2, 1), (2, 3))
    np.testing.assert_array_equal(full[1], curve.astype(np.float64))
    finals = finals_of(trained.methods["ist", 2], trained.results)
    assert np.isfinite(finals["final_accuracy"]).all() and finals["final_full_error"].shape == (2,)


@pytest.mark.parametrize(("growth", "diverged"), [(0.9e10, False), (1.1e10, True)])
def test_a_network_whose_loss_explodes_has_diverged_even_if_its_numbers_stay_finite(trained, growth, diverged):
    cell = trained.grids["2b", "1 layer", "squared"][0]
    curves = trained.results[cell.key()].curves
    curves["full_error"] = np.array([2.0, 2.0 * growth, 1.0])
    grid = grid_of("2b", "1 layer", "squared", trained, TINY)
    assert np.isinf(grid.full).sum() == np.isinf(grid.sampled).sum() == np.isinf(grid.local).sum() == 2 * diverged


def test_rates_are_those_with_the_lowest_training_loss(trained):
    for pair, rate in trained.rates.items():
        cells = search_plan(*pair, TINY).cells
        losses = {cell.step_size: trained.results[cell.key()].finals["final_full_error"] for cell in cells}
        assert rate == min(losses, key=losses.get)
        assert {cell.step_size for cell in trained.methods[pair]} == {rate}


def test_the_same_again_trains_nothing(trained, tmp_path, monkeypatch):
    def no_pool(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("subnetlab.study.execution._pool", no_pool)
    with Store(tmp_path) as store:
        again = train_depth(TINY, store, jobs=1, progress=False)
        assert len(store.planned()) == len(again.results)  # both steps are the study's plan
    assert again.rates == trained.rates


def result(loss, status="ok"):
    return CellResult(status, finals={"final_full_error": loss})


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ([result(0.5), result(0.2)], 0.1),
        ([result(0.5), result(np.nan, "diverged")], 0.01),
        ([result(np.nan, "diverged"), result(np.nan, "diverged")], 0.01),
        ([result(np.nan), result(0.7)], 0.1),
        ([CellResult("failed", "no"), result(0.7)], 0.1),
    ],
)
def test_a_rate_that_diverges_is_not_taken(losses, rate, torch):
    cells = search_plan("ist", 2, TINY).cells
    assert best_rate("ist", cells, {c.key(): r for c, r in zip(cells, losses, strict=True)}) == rate


def test_without_any_result_there_is_no_rate(torch, refused):
    with refused(CellsMissingError, "no learning rate of 'equal parts' gave a result"):
        best_rate("ist", search_plan("ist", 2, TINY).cells, {})


@pytest.mark.parametrize(
    ("method", "depth", "share"),
    [("ist", 2, 1 / 4), ("ist_8", 4, 1 / 8), ("alternate", 2, 1), ("ist", 1, 1), ("small", 2, 1)],
)
def test_coverage_between_layers_is_that_of_equal_parts(method, depth, share, torch):
    """An entry between two layers cut into p equal parts is trained in one of p rounds."""
    (cell,) = method_plan(method, depth, TINY, rates=(0.1,), seeds=(0,)).cells
    assert coverage_between(cell) == pytest.approx(share, abs=0.001)
