"""The results of a study as files for other programs."""

import csv
import os

import numpy as np
import pytest
import xarray as xr

import subnetlab as sl
from subnetlab.study import Store, StudyPlan, execute


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


def test_a_file_name_that_is_no_utf8_is_escaped_in_every_export(tmp_path, inline, made_up):
    pq = pytest.importorskip("pyarrow.parquet")
    name = os.fsdecode(os.fsencode(tmp_path) + b"/lat\xffin.csv")
    with open(name, "w") as file:
        file.write("a,b,y\n1,2,3\n2,1,4\n0,1,5\n3,3,1\n")
    plan = StudyPlan.from_dict(
        {"dataset": {"name": name, "target": "y"}, "settings": {"width": 9, "rounds": 2, "selection_prob": 0.5}}
    )
    with Store(tmp_path / "out") as store:
        execute(plan.cells, store, run=made_up)
    study = sl.open_study(tmp_path / "out")
    escaped = f"{tmp_path}/lat\\udcffin.csv"
    for ending in ("nc", "csv", "parquet"):
        study.export(tmp_path / f"t.{ending}")
    with xr.open_dataset(tmp_path / "t.nc") as read:
        assert read.attrs["dataset"] == escaped
    with open(tmp_path / "t.csv", newline="") as file:
        assert [row["dataset"] for row in csv.DictReader(file)] == [escaped]
    assert [row["dataset"] for row in pq.read_table(tmp_path / "t.parquet").to_pylist()] == [escaped]


@pytest.mark.parametrize("ending", ["nc", "csv", "parquet"])
def test_an_export_takes_the_place_of_an_earlier_one_and_of_nothing_else(study, tmp_path, ending):
    pytest.importorskip("pyarrow")
    path = tmp_path / f"t.{ending}"
    for _ in range(2):
        study.export(path)
    made = path.read_bytes()
    for foreign in (b"my,own\n1,2\n", b"CDF\x01 of somebody else", b"PAR1 of somebody else"):
        path.write_bytes(foreign)
        with pytest.raises(FileExistsError, match="is no earlier result"):
            study.export(path)
        assert path.read_bytes() == foreign
    study.export(path, force=True)
    assert path.read_bytes() == made


def test_a_table_of_somebody_elses_is_not_written_over(study, tmp_path):
    """Files of the same kinds, with other columns."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame({"key": [1], "price": [2]}).to_parquet(tmp_path / "t.parquet")
    xr.Dataset({"price": ("x", [1.0])}).to_netcdf(tmp_path / "t.nc", engine="scipy")
    (tmp_path / "t.csv").write_text("key,price\n1,2\n")
    for ending in ("nc", "csv", "parquet"):
        with pytest.raises(FileExistsError, match="is no earlier result"):
            study.export(tmp_path / f"t.{ending}")
