"""A study as a table: names, places, files."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import subnetlab as sl
from subnetlab.study import Cell, SparseGridError, Store, StudyPlan, execute
from subnetlab.study.table import coordinate


def test_every_value_is_in_its_place(study):
    table = study.table()
    assert table.sizes["seed"] == 2
    assert table.sizes["masks"] == 2
    for settings, result in study.results():
        place = {
            "n_samples": settings["n_samples"],
            "rounds": settings["rounds"],
            "masks": settings["masks"],
            "n_subnetworks": settings["n_subnetworks"],
            "local_steps": settings["local_steps"],
            "seed": settings["seed"],
            "step_size": str(settings["step_size"]),
            "record": settings["record"],
        }
        if result.status != "ok":
            continue
        mine = table.sel(place).isel(selection_prob=0 if settings["selection_prob"] is None else 1)
        rounds = settings["rounds"]
        assert str(mine.status.values) == "ok"
        np.testing.assert_array_equal(mine.full_error[: rounds + 1], result.curves["full_error"])
        assert np.isnan(mine.full_error[rounds + 1 :]).all()
        steps = settings["local_steps"]
        np.testing.assert_array_equal(mine.local_error[:rounds, :steps], result.curves["local_error"])
        assert float(mine.final_full_error) == pytest.approx(float(mine.full_error[rounds]), rel=1e-6)


def test_places_without_a_cell_and_cells_without_a_result(study):
    statuses, counts = np.unique(study.table().status, return_counts=True)
    found = dict(zip(statuses.tolist(), counts.tolist(), strict=True))
    assert {name: found[name] for name in ("failed", "ok", "pending")} == {"failed": 2, "ok": 21, "pending": 1}
    assert found["absent"] == study.table().status.size - 24
    assert study.counts() == {"ok": 21, "diverged": 0, "failed": 2, "pending": 1}


def test_what_does_not_vary_is_an_attribute(study):
    table = study.select(masks="categorical", n_samples=5).table()
    assert set(table.status.dims) == {"rounds", "seed"}
    assert table.attrs["width"] == 10
    assert table.attrs["selection_prob"] == "none"
    assert table.subnetwork_errors.dims == ("rounds", "seed", "round", "substep", "subnetwork")


def test_curves_can_be_chosen(study):
    assert "full_error" not in study.table(curves=False)
    assert "sampled_error" not in study.table(curves=["full_error"])


def test_a_grid_that_is_mostly_empty_is_refused(tmp_path, inline, made_up):
    grids = [{"width": w, "init_scale": w / 2, "seed": w, "network_seed": w} for w in range(5, 25)]
    plan = StudyPlan.from_dict(
        {"dataset": {"name": "synthetic", "n_samples": 5}, "settings": {"rounds": 1, "masks": "all"}, "grid": grids}
        | {"settings": {"rounds": 1, "masks": "all", "width": 1}}
    )
    with Store(tmp_path) as store:
        execute(plan.cells, store, run=made_up)
    study = sl.open_study(tmp_path)
    with pytest.raises(SparseGridError, match="20 cells span a grid of 20 x 20 x 20 x 20 places"):
        study.table()
    assert len(study.records()) == 20


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2], [1, 2]), ([None, 0.5], [np.nan, 0.5]), (["a", None], ["a", "none"]), ([0.5, "auto"], ["0.5", "auto"])],
)
def test_coordinates(values, expected):
    np.testing.assert_array_equal(coordinate(values), np.array(expected))


@pytest.fixture
def by_parity(monkeypatch):
    """Let "auto" choose by p alone, as its costs may: `dual` for odd numbers and `event` for even ones."""
    monkeypatch.setattr("subnetlab.engines.choice.choose_engine", lambda _, work: "dual" if work.p % 2 else "event")


def test_an_engine_that_nobody_varied_is_no_dimension(tmp_path, inline, made_up, by_parity, run_plan):
    table = run_plan(tmp_path, made_up, n_subnetworks=[1, 2, 3], seed=[0, 1]).table()
    assert dict(table.final_full_error.sizes) == {"n_subnetworks": 3, "seed": 2}
    assert not np.isnan(table.final_full_error).any()
    np.testing.assert_array_equal(table.final_full_error.mean("n_subnetworks"), [2, 3])  # the seed and 2, in `made_up`
    assert table.engine_used.sel(seed=0).values.tolist() == ["dual", "event", "dual"]
    assert table.attrs["engine"] == "auto"


def test_an_engine_that_was_varied_is_a_dimension_in_the_plans_words(tmp_path, inline, made_up, by_parity, run_plan):
    """Where "auto" chose an engine that was named too, one run stands in both places."""
    study = run_plan(tmp_path, made_up, n_subnetworks=[1, 2], engine=["auto", "dual", "reference"])
    table = study.table()
    assert dict(table.final_full_error.sizes) == {"n_subnetworks": 2, "engine": 3}
    assert (table.status == "ok").all()
    assert table.engine_used.sel(engine="auto").values.tolist() == ["dual", "event"]
    assert study.counts()["ok"] == 5
    assert dict(study.select(engine="auto").table().status.sizes) == {"n_subnetworks": 2}
    assert len(study.select(engine="event").cells) == 1


def test_cells_of_two_plans_each_stand_where_their_plan_asked_for_them(tmp_path, inline, made_up, by_parity, run_plan):
    run_plan(tmp_path, made_up, n_subnetworks=[1, 2])
    table = run_plan(tmp_path, made_up, n_subnetworks=[1, 2], engine="reference").table()
    assert dict(table.status.sizes) == {"n_subnetworks": 2, "engine": 2}
    assert table.engine.values.tolist() == ["auto", "reference"]
    assert (table.status == "ok").all()


def test_studies_that_kept_only_the_engines_that_were_chosen(tmp_path, inline, made_up, by_parity):
    """As version 0.1.0 stored them: the engine is a dimension where cells differ in nothing else."""
    content = {"dataset": {"name": "synthetic", "n_samples": 6}}
    common = {"width": 10, "rounds": 2, "selection_prob": 0.5, "n_subnetworks": [1, 2]}
    for engines, sizes in ((["auto"], {"n_subnetworks": 2}), (["dual", "event"], {"n_subnetworks": 2, "engine": 2})):
        cells = [
            cell.identified()
            for cell in StudyPlan.from_dict(content | {"settings": common | {"engine": engines}}).cells
        ]
        with Store(tmp_path / engines[0]) as store:
            store.set_plan((key, cell.stored_settings()) for key, cell in cells)
        table = sl.open_study(tmp_path / engines[0]).table()
        assert dict(table.status.sizes) == sizes
        assert (table.status == "pending").all()


def test_one_run_in_two_of_the_plans_words_stands_in_both_places(tmp_path, inline, made_up, run_plan):
    table = run_plan(tmp_path, made_up, seed=[0, 1], network_seed=[0, "seed"]).table()
    assert dict(table.status.sizes) == {"seed": 2, "network_seed": 2}
    assert (table.status == "ok").all()


def test_two_laws_leave_a_full_table_each(tmp_path, inline, made_up, by_parity, run_plan):
    study = run_plan(
        tmp_path,
        made_up,
        {"selection_prob": [0.25, 0.5], "n_subnetworks": [1, 2]},
        {"masks": "categorical", "selection_prob": None, "n_subnetworks": [2, 3], "local_steps": [1, 5]},
    )
    both = study.table()
    assert set(both.status.dims) == {"masks", "selection_prob", "n_subnetworks", "local_steps"}
    laws = {
        "bernoulli": {"n_subnetworks": 2, "selection_prob": 2},
        "categorical": {"n_subnetworks": 2, "local_steps": 2},
    }
    for law, sizes in laws.items():
        own = study.select(masks=law).table()
        assert dict(own.status.sizes) == sizes
        assert (own.status == "ok").all()
        assert float(both.final_full_error.sel(masks=law).count()) == 4


def test_a_retry_keeps_the_plans_words(tmp_path, inline, made_up, by_parity, run_plan):
    run_plan(tmp_path, made_up, n_subnetworks=[1, 2])
    with Store(tmp_path) as store:
        cells = [Cell.from_settings(settings) for settings in store.planned()]
        assert [cell.engine for cell in cells] == ["auto", "auto"]
        assert execute(cells, store, run=made_up).reused == 2


SEEDS = [[0, 2**53 + 1, 2**62 + 1], [2**63 + 1, 2**63 + 2], [0, 2**63 + 1, 2**63 + 2], [5, 2**64 - 1]]


@pytest.mark.parametrize("seeds", SEEDS)
def test_seeds_of_64_bits_stay_apart_everywhere(tmp_path, inline, made_up, seeds, run_plan):
    pq = pytest.importorskip("pyarrow.parquet")
    study = run_plan(tmp_path, lambda cell: made_up(replace(cell, seed=seeds.index(cell.seed))), seed=seeds)
    table = study.table()
    assert [int(seed) for seed in table.seed.values] == seeds
    for i, seed in enumerate(seeds):
        assert float(table.final_full_error.sel(seed=seed)) == 2 + i
    for ending in ("nc", "csv", "parquet"):
        study.export(tmp_path / f"t.{ending}")
    with xr.open_dataset(tmp_path / "t.nc") as read:
        assert [int(seed) for seed in read.seed.values] == seeds
    with open(tmp_path / "t.csv", newline="") as file:
        assert [int(row["seed"]) for row in csv.DictReader(file)] == seeds
    assert [row["seed"] for row in pq.read_table(tmp_path / "t.parquet").to_pylist()] == seeds


def test_large_numbers_beside_none_are_text():
    assert coordinate([None, 2**53 + 1, 2**53 + 2]).tolist() == ["none", str(2**53 + 1), str(2**53 + 2)]
