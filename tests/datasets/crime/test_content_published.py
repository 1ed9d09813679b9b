"""The true Communities and Crime: the facts that the documentation states, and the paper's size."""

import hashlib

import numpy as np
import pytest

from subnetlab.core.inputs import has_unit_rows
from subnetlab.datasets import Preprocessing, describe, load_dataset
from subnetlab.datasets.crime.columns import MISSING, N_ROWS, PREDICTIVE
from subnetlab.datasets.crime.content import SHA256, parse_crime
from subnetlab.datasets.crime.source import load_crime
from subnetlab.kernels.infinite import infinite_ntk

pytestmark = pytest.mark.crime


def extreme_eigenvalues(X):
    return np.linalg.eigvalsh(infinite_ntk(X))[[0, -1]]


def test_content(crime_file):
    content = crime_file.read_bytes()
    table = parse_crime(content, "file")
    assert table.sha256 == SHA256 == hashlib.sha256(table.text.encode()).hexdigest()
    missing = np.isnan(table.features).sum(axis=0)
    assert dict(zip(PREDICTIVE, missing, strict=True)) == {name: MISSING.get(name, 0) for name in PREDICTIVE}
    assert sorted(set(missing.tolist())) == [0, 1, 1675]
    assert (missing == 1675).sum() == 22
    assert np.flatnonzero(np.isnan(table.features[:, PREDICTIVE.index("OtherPerCap")])).tolist() == [130]
    assert (table.target.min(), table.target.max()) == (0, 1)
    damaged = content.replace(b"Lakewoodcity,1,0.19", b"Lakewoodcity,1,0.91")
    assert damaged != content
    with pytest.raises(ValueError, match="must hash to"):
        parse_crime(damaged, "file")


def test_papers_size_by_default(crime_file):
    data = load_dataset("crime", path=crime_file)
    assert data.X.shape == (100, 99)
    assert data.y.shape == (100,)
    assert has_unit_rows(data.X)
    facts = data.provenance
    assert facts["source"]["sha256"] == SHA256
    assert len(facts["left_out"]) == 5 + 22 + 1
    assert facts["left_out"]["OtherPerCap"] == "lacks 1 of 1994 values"
    raw = load_crime(path=crime_file)
    rows = raw.features[facts["rows"]]
    np.testing.assert_allclose(data.X, rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-14)
    np.testing.assert_array_equal(data.y, raw.target[facts["rows"]])
    assert facts["collinear_rows"]["n_groups"] == 0


def test_all_rows_with_the_missing_value_imputed(crime_file):
    data = load_dataset("crime", n_samples="all", path=crime_file, preprocessing=Preprocessing(impute=True))
    assert data.X.shape == (N_ROWS, 100)
    (imputed,) = data.provenance["imputed"]
    assert imputed["column"] == "OtherPerCap"
    assert imputed["rows"] == [130]
    column = load_crime(path=crime_file, impute=True).features[:, data.provenance["columns"].index("OtherPerCap")]
    assert imputed["value"] == pytest.approx(np.nanmean(column), rel=1e-12)
    assert data.provenance["collinear_rows"]["n_groups"] == 0  # no two communities are parallel
    assert "1 missing values of OtherPerCap set to 0.284742" in describe(data)


def test_a_draw_without_the_missing_value_says_so(crime_file):
    data = load_dataset("crime", path=crime_file, preprocessing=Preprocessing(impute=True))
    assert 130 not in data.provenance["rows"]
    assert data.X.shape == (100, 100)
    assert data.provenance["imputed"] == []
    assert "nothing was imputed" in describe(data)


def test_kernel_of_the_first_hundred_rows(crime_file):
    rows = load_crime(path=crime_file).features[:100]
    smallest, largest = extreme_eigenvalues(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    assert smallest == pytest.approx(0.0235, abs=5e-5)
    assert largest == pytest.approx(33.95, abs=5e-3)


@pytest.mark.parametrize(
    ("scaling", "smallest", "largest"), [("raw", (0.022, 0.028), (33, 35)), ("standardised", (0.06, 0.10), (6.0, 6.8))]
)
def test_kernel_of_drawn_rows(crime_file, scaling, smallest, largest):
    # 0.024 and 34 raw, 0.066 and 6.2 standardised were measured on other draws of 100 rows
    for seed in range(4):
        data = load_dataset("crime", seed=seed, path=crime_file, preprocessing=Preprocessing(scaling))
        lam0, lam_max = extreme_eigenvalues(data.X)
        assert smallest[0] < lam0 < smallest[1]
        assert largest[0] < lam_max < largest[1]


def test_auto_takes_it_where_it_is(crime_file, monkeypatch):
    monkeypatch.setenv("SUBNETLAB_DATA", str(crime_file.parent))
    data = load_dataset("auto")
    assert data.name == "crime"
    assert "found in SUBNETLAB_DATA" in data.provenance["why"]
