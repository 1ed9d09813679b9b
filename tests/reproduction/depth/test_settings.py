"""What is trained for the figures of depth: step sizes by a rule, methods on the same rows."""

import pytest

import subnetlab as sl
from subnetlab.reproduction.depth.plans import METHODS, figure_grid, method_plan, methods_at, search_plan
from subnetlab.reproduction.depth.settings import (
    HELD_OUT,
    LARGEST_EIGENVALUES,
    NETWORKS,
    QUICK,
    ROWS,
    SEARCH_SEED,
    DepthSettings,
)

SETTINGS = DepthSettings("digits")


def test_step_sizes_follow_from_the_kernel_of_the_initial_network(torch):
    """Measured anew: half of the largest stable step for the squared loss, a quarter of it for cross-entropy."""
    from subnetlab.modules.by_name import cut_of, drawn, mlp

    data = sl.load_dataset("digits", n_samples=ROWS, n_validation=HELD_OUT)
    cut = cut_of(drawn(lambda: mlp(64, 10, 64), 0, "float32"), 64)
    largest = sl.module_ntk(cut, data.X).eigenvalues().largest
    assert LARGEST_EIGENVALUES["digits"]["mlp(64)"] == pytest.approx(largest, rel=1e-2)
    n, o = len(data.X), 10
    stable = {"squared": n * o / largest, "cross_entropy": 4 * n / largest}  # 2 over the largest curvature
    assert SETTINGS.step_size("1 layer", "squared") == pytest.approx(stable["squared"] / 2, rel=0.05)
    assert SETTINGS.step_size("1 layer", "cross_entropy") == pytest.approx(stable["cross_entropy"] / 4, rel=0.05)


def test_every_network_has_a_step_size_on_all_data():
    for dataset in LARGEST_EIGENVALUES:
        settings = DepthSettings(dataset)
        assert all(settings.step_size(n, loss) > 0 for n in NETWORKS for loss in settings.losses)


def test_grids_are_those_of_the_papers_figures(torch):
    """Bernoulli masks over p and xi, categorical ones over p and tau; scale 0 unless its name says otherwise."""
    b, c = (figure_grid(figure, "CNN", "squared", SETTINGS).cells for figure in ("2b", "2c"))
    assert {cell.masks for cell in b} == {"bernoulli"}
    assert {cell.masks for cell in c} == {"categorical"}
    assert {(cell.n_subnetworks, cell.selection_prob) for cell in b} == {
        (p, x) for p in (1, 2, 4) for x in (0.25, 0.5, 1)
    }
    assert {(cell.n_subnetworks, cell.local_steps) for cell in c} == {(p, t) for p in (2, 3, 4) for t in (1, 3, 5)}
    assert {cell.scale for cell in (*b, *c)} == {0.0}
    assert {cell.scale for cell in figure_grid("2b", "4 layers, a = 1/2", "squared", SETTINGS).cells} == {0.5}
    assert {cell.own_network_seed for cell in b} == set(range(5))
    assert {cell.batch_size for cell in (*b, *c)} == {None}


@pytest.mark.parametrize("name", METHODS)
def test_all_methods_pass_over_the_same_rows(name, torch):
    (cell,) = method_plan(name, 4, SETTINGS, rates=(0.1,), seeds=(0,)).cells
    assert cell.rounds * cell.n_subnetworks * cell.local_steps * cell.batch_size == 10 * 4 * 25 * 64


def test_the_small_network_has_a_subnetworks_width(torch):
    ist, small = (method_plan(name, 2, SETTINGS, rates=(0.1,), seeds=(0,)).cells[0] for name in ("ist", "small"))
    assert (ist.network, small.network) == ("mlp(256, 256)", "mlp(64, 64)")
    assert (ist.n_subnetworks, small.n_subnetworks, small.masks) == (4, 1, "all")


def test_rates_are_found_on_a_seed_of_their_own(torch):
    cells = search_plan("reset", 1, SETTINGS).cells
    assert {cell.seed for cell in cells} == {SEARCH_SEED}
    assert SEARCH_SEED not in range(SETTINGS.seeds)
    assert [cell.step_size for cell in cells] == [0.001, 0.005, 0.02, 0.08]  # of momentum a tenth


def test_widths_other_than_four_subnetworks_are_for_the_deepest(torch):
    assert set(METHODS) - set(methods_at(1)) == {"ist_2", "alternate_2", "ist_8", "alternate_8"}
    assert methods_at(4) == list(METHODS)


def test_rules(refused):
    with refused(ValueError, "reproduce: dataset must be one of 'fashion_mnist', 'digits', got 'crime'"):
        DepthSettings("crime")
    with refused(ValueError, "reproduce: final_rounds must be at most rounds = 3, got 5"):
        DepthSettings("digits", rounds=3)
    assert DepthSettings("digits", **QUICK).rounds == 10
