"""What the command prints of the data."""

import json

import numpy as np
import pytest

from subnetlab.datasets import Preprocessing, describe, headline, list_datasets, load_dataset

IMAGES = ["fashion_mnist", "digits"]


def test_the_list_is_json_with_a_line_each():
    listing = json.loads(json.dumps(list_datasets()))
    assert [entry["name"] for entry in listing] == ["crime", "diabetes", "synthetic", *IMAGES, "auto", "FILE"]
    assert all(entry["summary"] and "\n" not in entry["summary"] for entry in listing)
    assert listing[0]["default_rows"] == 100
    assert listing[-1]["default_rows"] == "all"


def test_headline_says_what_and_from_where():
    data = load_dataset("diabetes", n_samples=50)
    assert headline(data).startswith("data: diabetes, 50 of 442 rows, 10 features, from scikit-learn ")


def test_headline_of_auto_says_why(accepted):
    line = headline(load_dataset("auto", download=False))
    assert "data: diabetes" in line
    assert "(auto: the paper's crime data could not be had: SUBNETLAB_DATA is not set;" in line
    assert "\n" not in line


def test_description_of_crime(accepted, tmp_path):
    (tmp_path / "communities.data").write_bytes(accepted.content)
    text = describe(load_dataset("crime", path=tmp_path, seed=6, n_validation=20))
    for part in (
        f"sha256 {accepted.sha256}",
        "drawn with seed 6; 20 others for validation",
        "ViolentCrimesPerPop, minus 0.0",
        "scaling raw, centre_target False, intercept False, impute False; rows to norm 1",
        "5 columns: identifier",
        "22 columns: lacks 1675 of 1994 values",
        "1 columns: lacks 1 of 1994 values",
    ):
        assert part in text
    assert "note" not in text


def test_description_notes_what_must_not_be_overlooked(tmp_path):
    X = np.array([[1.0, 2, 7], [2, 4, 14], [-3, -6, -21], [np.nan, 1, 1]])
    np.savez(tmp_path / "data.npz", X=X, y=np.ones(4))
    text = describe(load_dataset(tmp_path / "data.npz", preprocessing=Preprocessing(impute=True)))
    assert "note           1 missing values of 0 set to 0, mean of the 3 training rows" in text
    assert "3 rows lie on 1 shared lines (1 with antipodal rows), the first: rows [0, 1, 2] of X" in text
    np.savez(tmp_path / "data.npz", X=np.array([[1.0, 2], [1, 3], [1, 4], [1, 7]]), y=np.ones(4))
    text = describe(load_dataset(tmp_path / "data.npz", preprocessing=Preprocessing("centred", intercept=True)))
    assert "columns with one value in all training rows: 0" in text


def test_describing_warns_of_nothing_and_prints_nothing(capsys):
    describe(load_dataset("diabetes"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["diabetes", "synthetic"])
def test_embedded_data_need_no_note(name):
    assert "note" not in describe(load_dataset(name, n_samples=20))
