"""A study as a table: names, places, files."""

import csv

import numpy as np
import pytest
import xarray as xr

import subnetlab as sl
from subnetlab.study import Plan, SparseGridError, Store, execute
from subnetlab.study.table import coordinate


@pytest.fixture
def study(tmp_path, inline):
    """Two laws, curves of different lengths, one cell failed, one not run."""
    plan = Plan.from_dict(
        {
            "dataset": {"name": "synthetic", "n_samples": [5, 6]},
            "settings": {"width": 10, "rounds": [2, 4], "seed": [3, 2**40]},
            "grid": [
                {"masks": "bernoulli", "selection_prob": 0.5, "step_size": ["auto", 0.25]},
                {"masks": "categorical", "n_subnetworks": 2, "local_steps": 3, "record": "subnetworks"},
            ],
        }
    )

    def run(cell):
        if cell.seed == 3 and cell.masks == "categorical" and cell.rounds == 2:
            raise ValueError("no")
        return sl.study.run_cell(cell)

    with Store(tmp_path) as store:
        tasks = [cell.identified() for cell in plan.cells]
        execute(plan.cells[:-1], store, run=run)
        store.set_plan((key, cell.settings()) for key, cell in tasks)
    return sl.open_study(tmp_path)


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


def test_select_refuses_unknown_names(study):
    with pytest.raises(ValueError, match="'widht' is no setting; there are: dataset"):
        study.select(widht=3)
    assert len(study.select(seed=[3, 4]).cells) == 12


def test_a_grid_that_is_mostly_empty_is_refused(tmp_path, inline, made_up):
    grids = [{"width": w, "init_scale": w / 2, "seed": w, "network_seed": w} for w in range(5, 25)]
    plan = Plan.from_dict(
        {"dataset": {"name": "synthetic", "n_samples": 5}, "settings": {"rounds": 1, "masks": "all"}, "grid": grids}
        | {"settings": {"rounds": 1, "masks": "all", "width": 1}}
    )
    with Store(tmp_path) as store:
        execute(plan.cells, store, run=made_up)
    study = sl.open_study(tmp_path)
    with pytest.raises(SparseGridError, match="20 cells span a grid of 20 x 20 x 20 x 20 places"):
        study.table()
    assert len(study.records()) == 20


def test_netcdf_and_back(study, tmp_path):
    study.export(tmp_path / "t.nc")
    with xr.open_dataset(tmp_path / "t.nc") as read:
        mine = study.table()
        assert read.sizes == mine.sizes
        np.testing.assert_array_equal(read.full_error, mine.full_error)
        assert read.seed.values.tolist() == ["3", str(2**40)]
        assert (read.status.values == mine.status.values).all()


def test_csv_in_full_precision(study, tmp_path):
    study.export(tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    for row, record in zip(rows, study.records(), strict=True):
        assert row["final_full_error"] == ("" if record["status"] != "ok" else repr(record["final_full_error"]))
        assert row["status"] == record["status"]


def test_parquet_with_curves(study, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    study.export(tmp_path / "t.parquet")
    read = pq.read_table(tmp_path / "t.parquet").to_pylist()
    results = iter(study.results())
    for row in read:
        if row["status"] == "pending":
            assert row["full_error"] is None
            continue
        _, result = next(results)
        curve = result.curves.get("local_error")
        assert row["local_error"] == (None if curve is None else curve.tolist())
    assert [row["step_size"] for row in read[:2]] == ["auto", "0.25"]


def test_exports_are_the_same_bytes_every_time(study, tmp_path):
    for ending in ("nc", "csv", "parquet"):
        for name in ("a", "b"):
            study.export(tmp_path / f"{name}.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_other_endings_are_refused(study, tmp_path):
    with pytest.raises(ValueError, match=r"must end in .nc, .csv, .parquet, got 't.xlsx'"):
        study.export(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2], [1, 2]), ([None, 0.5], [np.nan, 0.5]), (["a", None], ["a", "none"]), ([0.5, "auto"], ["0.5", "auto"])],
)
def test_coordinates(values, expected):
    np.testing.assert_array_equal(coordinate(values), np.array(expected))
