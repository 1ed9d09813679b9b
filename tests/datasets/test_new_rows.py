"""Rows of another file against rows that were held out of the same file: the same bits."""

import json

import numpy as np
import pytest

from subnetlab.datasets import Preprocessing, load_dataset
from subnetlab.datasets.new_rows import load_new_rows
from subnetlab.input_file import FileContentError

HEADER = "id,rooms,city,distance,price"
ROWS = [
    *("7,3,Rome,2.5,310", "9,2,Oslo,0.8,290", "3,4,Rome,3.1,405", "1,1,Bern,1.2,150", "12,5,Oslo,4.0,480"),
    *("5,2,Bern,0.5,295", "8,3,Rome,1.9,350", "2,4,Oslo,2.2,420", "6,1,Bern,3.3,120", "4,2,Rome,2.7,230"),
]


def table(folder, lines, header=HEADER, name="rows.csv"):
    (folder / name).write_text("\n".join([header, *lines]) + "\n")
    return folder / name


def data_of(folder, **how):
    file = table(folder, ROWS, name="flats.csv")
    given = {"target": "price", "drop": "id", "categorical": "city", "n_validation": 4, "seed": 3} | how
    data = load_dataset(file, **given)
    return data, json.loads(json.dumps(data.provenance))


@pytest.mark.parametrize(
    "treatment",
    [
        Preprocessing(),
        Preprocessing(scaling="centred", intercept=True),
        Preprocessing(scaling="standardised", intercept=True, centre_target=True, impute=True),
    ],
)
def test_new_rows_have_the_bits_of_rows_held_out(tmp_path, treatment):
    data, facts = data_of(tmp_path, preprocessing=treatment)
    held_out = [ROWS[i] for i in facts["validation_rows"]]
    file = table(tmp_path, held_out)
    assert np.array_equal(load_new_rows(file, facts), data.X_validation)
    # the same columns in another order, without those that nobody needs
    shuffled = [",".join(np.array(line.split(","))[[3, 2, 1]]) for line in held_out]
    assert np.array_equal(load_new_rows(table(tmp_path, shuffled, "distance,city,rooms"), facts), data.X_validation)


def test_other_formats_give_the_same_rows(tmp_path):
    import pyarrow
    import pyarrow.parquet

    data, facts = data_of(tmp_path)
    cells = list(zip(*(ROWS[i].split(",") for i in facts["validation_rows"]), strict=True))
    columns = {"rooms": list(map(float, cells[1])), "city": cells[2], "distance": list(map(float, cells[3]))}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    assert np.array_equal(load_new_rows(tmp_path / "rows.parquet", facts), data.X_validation)
    values = np.random.default_rng(0).normal(size=(9, 3))
    np.save(tmp_path / "all.npy", values)
    whole = load_dataset(tmp_path / "all.npy", target=2)
    np.save(tmp_path / "rows.npy", values[4:6, :2])
    assert np.array_equal(load_new_rows(tmp_path / "rows.npy", whole.provenance), whole.X[4:6])


def test_missing_values_are_filled_with_the_means_of_the_training_rows(tmp_path):
    treatment = Preprocessing(impute=True)
    _, facts = data_of(tmp_path, preprocessing=treatment)
    train = [ROWS[i].split(",") for i in facts["rows"]]
    rooms = np.mean([float(cells[1]) for cells in train])
    share = [np.mean([cells[2] == city for cells in train]) for city in ("Bern", "Oslo", "Rome")]
    expected = np.array([rooms, *share, 2.0])
    found = load_new_rows(table(tmp_path, ["1,?,NA,2.0,5"]), facts)
    np.testing.assert_allclose(found, [expected / np.linalg.norm(expected)], rtol=1e-14)


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("rooms,distance", "1,2", "must have the columns of the run's data, but lacks 'city'"),
        ("rooms,city,distance,floor", "1,Rome,2,3", "must have the columns of the run's data, but has 'floor'"),
        ("room,city,distance", "1,Rome,2", "but lacks 'rooms' and has 'room'"),
        ("rooms,city,distance", "1,Paris,2", r"column 'city' must hold categories .*'Bern', .* got 'Paris' in row 0"),
        ("rooms,city,distance", "one,Rome,2", "column 'rooms' must hold numbers .* got 'one' in line 2"),
        ("rooms,city,distance", "1,Rome,", "no missing values, as .* got nan in column 'distance' of row 0"),
        ("rooms,city,distance", "1,,2", "no missing values, as .* got nan in column 'city' of row 0"),
        ("rooms,city,distance", "1e200,Rome,2", r"numbers of at most 1e\+150 in size, got 1e\+200 in column 'rooms'"),
        ("rooms,rooms,city,distance", "1,1,Rome,2", "column names must differ, got 'rooms' more than once"),
    ],
)
def test_wrong_rows_are_refused_by_name(tmp_path, header, line, message):
    _, facts = data_of(tmp_path)
    with pytest.raises(FileContentError, match=message):
        load_new_rows(table(tmp_path, [line], header), facts)


def test_a_row_without_direction_is_refused(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b,y\n1,2,3\n2,1,4\n")
    facts = load_dataset(tmp_path / "mine.csv", target="y").provenance
    with pytest.raises(FileContentError, match="no row may be zero after scaling, got row 1"):
        load_new_rows(table(tmp_path, ["1,1", "0,0"], "a,b"), facts)


def test_an_ending_without_a_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must be a file that ends in \.csv, .*, got 'rows\.npz'"):
        load_new_rows("rows.npz", data_of(tmp_path)[1])


def test_data_of_earlier_versions(tmp_path):
    """Without statistics rows are treated alike where none are needed, and refused elsewhere."""
    file = table(tmp_path, ["3,2.5,310", "2,0.8,290"], "rooms,distance,price")
    plain = load_dataset(file, target="price")
    facts = {name: value for name, value in plain.provenance.items() if name not in ("statistics", "categorical")}
    assert np.array_equal(load_new_rows(file, facts), plain.X)
    facts["preprocessing"] = facts["preprocessing"] | {"scaling": "centred"}
    with pytest.raises(ValueError, match="a version that keeps the statistics of the columns"):
        load_new_rows(file, facts)
    with pytest.raises(ValueError, match="the provenance must say how rows are treated"):
        load_new_rows(file, {"script": ["train.py"]})
