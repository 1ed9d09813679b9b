"""The shipped plans: what a study runs as it is, and what `reproduce` runs when nothing is changed."""

import tomllib
from dataclasses import replace

import pytest

from subnetlab.cli.reproduce import FULL, QUICK, Options
from subnetlab.reproduction.plans import figure_names, plan_name, read_plan
from subnetlab.reproduction.settings import ReproductionSettings, plan_settings
from subnetlab.reproduction.table import FIGURES, arranged, figure_plan, resolved
from subnetlab.study import Cell, DatasetSpec, StudyPlan

CRIME = DatasetSpec("crime", n_samples=100)
DIABETES = DatasetSpec("diabetes", n_samples=20)


def test_every_figure_has_a_plan():
    assert figure_names() == tuple(FIGURES)
    assert [read_plan(figure)["name"] for figure in FIGURES] == [plan_name(figure) for figure in FIGURES]


@pytest.mark.parametrize("figure", FIGURES)
def test_the_file_is_what_reproduce_runs_when_nothing_is_changed(figure):
    shipped = StudyPlan.from_dict(read_plan(figure))
    assert figure_plan(figure, ReproductionSettings(CRIME, step_size=0.03)).cells == shipped.cells


@pytest.mark.crime
def test_the_files_step_size_is_that_of_the_crime_data(crime_file):
    settings = ReproductionSettings(replace(CRIME, path=str(crime_file)))
    assert {read_plan(figure)["settings"]["step_size"] for figure in FIGURES} == {resolved(settings).step_size}


def test_what_the_figures_share_is_the_same_in_all_files():
    for key in ("width", "rounds", "init_scale", "network_seed"):
        assert len({read_plan(figure)["settings"][key] for figure in FIGURES}) == 1
    assert read_plan("2b")["settings"]["seed"] == read_plan("2c")["settings"]["seed"]


def cells_by_hand(s, figure):
    """The cells of a figure as nested loops, what the plans replaced."""
    common = {
        "dataset": s.dataset,
        **{name: getattr(s, name) for name in ("width", "rounds", "step_size", "init_scale", "engine", "dtype")},
    }
    if figure == "2a":
        p, xi, tau = s.dynamics_subnetworks, s.dynamics_selection_prob, s.dynamics_local_steps
        own = {"n_subnetworks": p, "selection_prob": xi, "local_steps": tau, "record": "subnetworks"}
        return [Cell(**common, **own, seed=seed, network_seed=seed) for seed in range(s.dynamics_seeds)]
    if figure == "2b":
        grid = [(p, {"selection_prob": xi}) for p in s.bernoulli_subnetworks for xi in s.bernoulli_selection_probs]
        common["local_steps"] = s.bernoulli_local_steps
    else:
        grid = [(p, {"local_steps": tau}) for p in s.categorical_subnetworks for tau in s.categorical_local_steps]
        common["masks"] = "categorical"
    seeds = range(s.seeds)
    return [Cell(**common, n_subnetworks=p, **own, seed=r, network_seed=r) for r in seeds for p, own in grid]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("chosen", [{}, QUICK, FULL, {"init_scale": 0.1, "bernoulli_selection_probs": (0.5,)}])
def test_options_take_the_place_of_the_files_settings(figure, chosen):
    settings = ReproductionSettings(DIABETES, step_size=0.05, **chosen)
    cells = figure_plan(figure, settings).cells
    assert [cell.key() for cell in cells] == [cell.key() for cell in cells_by_hand(settings, figure)]


def test_a_setting_of_one_figure_leaves_the_others_alone():
    default = ReproductionSettings(DIABETES)
    changed = replace(default, bernoulli_local_steps=7, dynamics_seeds=2)
    assert plan_settings(changed, "2c") == plan_settings(default, "2c")
    assert plan_settings(changed, "2a")["seed"] == [0, 1]
    assert plan_settings(changed, "2b")["local_steps"] == 7


def test_repetitions_share_the_data_and_differ_in_network_and_masks():
    cells = arranged(figure_plan("2b", ReproductionSettings(DIABETES, step_size=0.1)).cells, FIGURES["2b"].axes)
    assert cells.shape == (8, 5, 5)
    assert [(c.seed, c.own_network_seed) for c in cells[:, 0, 0]] == [(k, k) for k in range(8)]
    assert {c.dataset for c in cells.flat} == {DIABETES}
    assert (cells[0, 2, 3].n_subnetworks, cells[0, 2, 3].selection_prob) == (4, 0.7)


def test_only_a_full_grid_can_be_arranged():
    cells = figure_plan("2c", ReproductionSettings(DIABETES, step_size=0.1, seeds=1)).cells
    assert arranged(cells, ("n_subnetworks", "local_steps")).shape == (5, 5)
    for given, axes in ((cells[1:], ("n_subnetworks", "local_steps")), (cells, ("n_subnetworks",))):
        with pytest.raises(ValueError, match="must be a full grid"):
            arranged(given, axes)


def test_a_plan_as_text_and_back():
    plan = figure_plan("2b", resolved(Options(quick=True).settings()))
    assert plan.cells[0].dataset.name in ("crime", "diabetes")
    again = StudyPlan.from_dict(tomllib.loads(plan.to_toml()))
    assert (again.name, again.cells) == (plan.name, plan.cells)
