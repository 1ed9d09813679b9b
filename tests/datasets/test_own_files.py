"""The user's own files: every format gives the same data, and what is wrong is said by name."""

import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from subnetlab.datasets import DatasetNotFoundError, Preprocessing, load_dataset

VALUES = np.array([[1.0, 2.5, 10.0], [-3.0, 0.125, 20.0], [0.5, 4.0, 30.0], [2.0, -1e-3, 40.0]])
NAMES = ["height", "weight", "price"]


def csv_text(values=VALUES, names=NAMES, delimiter=","):
    lines = [delimiter.join(names)] if names else []
    lines += [delimiter.join("" if np.isnan(v) else repr(float(v)) for v in row) for row in values]
    return "\n".join(lines) + "\n"


def parquet_table(values=VALUES):
    return pyarrow.table(dict(zip(NAMES, values.T, strict=True)))


def write(folder, ending):
    file = folder / f"data{ending}"
    if ending == ".csv":
        file.write_text(csv_text())
    elif ending == ".tsv":
        file.write_text(csv_text(delimiter="\t"))
    elif ending == ".parquet":
        pyarrow.parquet.write_table(parquet_table(), file)
    elif ending == ".npy":
        np.save(file, VALUES)
    else:
        np.savez(file, X=VALUES[:, :2], y=VALUES[:, 2])
    return file


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".npy", ".npz"])
def test_every_format_gives_the_same_data(tmp_path, ending):
    file = write(tmp_path, ending)
    data = load_dataset(file, target=None if ending == ".npz" else -1)
    expected = VALUES[:, :2] / np.linalg.norm(VALUES[:, :2], axis=1, keepdims=True)
    np.testing.assert_allclose(data.X, expected, rtol=1e-15)
    np.testing.assert_array_equal(data.y, VALUES[:, 2])
    assert data.name == file.name
    facts = data.provenance
    assert facts["rows"] == "all"
    assert facts["source"]["path"] == str(file)
    named = ending in (".csv", ".tsv", ".parquet")
    assert facts["columns"] == (["height", "weight"] if named else ["0", "1"])
    assert facts["target"]["name"] == ("price" if named else "y" if ending == ".npz" else "2")


def test_content_not_bytes_is_hashed(tmp_path):
    def digest(ending, target=-1):
        return load_dataset(write(tmp_path, ending), target=target).provenance["source"]["sha256"]

    assert digest(".csv") == digest(".tsv") == digest(".parquet")
    assert digest(".npy") == digest(".npz", target=None)
    before = digest(".csv")
    (tmp_path / "data.tsv").write_text(csv_text(VALUES + 1.0, delimiter="\t"))
    after = load_dataset(tmp_path / "data.tsv", target=-1).provenance["source"]["sha256"]
    assert after != before


@pytest.mark.parametrize(
    "text",
    [
        csv_text().replace("\n", "\r\n"),
        csv_text().replace("\n", "\r"),
        "\n" + csv_text() + "\n\n",
        csv_text().replace(",", ", "),
        csv_text(delimiter=";"),
        "\ufeff" + csv_text(),
        "\n".join('"' + line.replace(",", '","') + '"' for line in csv_text().splitlines()),
    ],
)
def test_forms_of_csv(tmp_path, text):
    file = tmp_path / "other.CSV"
    file.write_bytes(text.encode())
    data = load_dataset(str(file), target="price")
    np.testing.assert_array_equal(data.y, VALUES[:, 2])
    assert data.provenance["columns"] == ["height", "weight"]


@pytest.mark.parametrize(
    ("target", "index"), [("height", 0), ("weight", 1), (2, 2), ("2", 2), (-1, 2), ("-3", 0), (np.int64(1), 1)]
)
def test_target_by_name_or_position(tmp_path, target, index):
    data = load_dataset(write(tmp_path, ".csv"), target=target)
    np.testing.assert_array_equal(data.y, VALUES[:, index])
    assert data.provenance["columns"] == [name for name in NAMES if name != NAMES[index]]


def test_without_a_header_columns_have_numbers(tmp_path):
    (tmp_path / "plain.csv").write_text(csv_text(names=None))
    data = load_dataset(tmp_path / "plain.csv", target="0")
    assert len(data.X) == 4
    assert data.provenance["columns"] == ["1", "2"]


def test_a_name_that_looks_like_a_number_is_a_name(tmp_path):
    (tmp_path / "years.csv").write_text("id,1,0\n1,2,3\n4,5,6\n")
    assert load_dataset(tmp_path / "years.csv", target="0").provenance["columns"] == ["id", "1"]
    assert load_dataset(tmp_path / "years.csv", target=0).provenance["columns"] == ["1", "0"]


def test_rows_are_drawn_and_treated_like_any(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.random.default_rng(0).random((50, 4)), y=np.arange(50.0))
    data = load_dataset(tmp_path / "data.npz", n_samples=10, seed=1, n_validation=5)
    np.testing.assert_array_equal(data.y, data.provenance["rows"])
    np.testing.assert_array_equal(data.y_validation, data.provenance["validation_rows"])
    whole = load_dataset(tmp_path / "data.npz", n_validation=5, seed=1)
    assert whole.X.shape == (45, 4)
    assert sorted([*whole.y, *whole.y_validation]) == list(range(50))


@pytest.mark.parametrize("mark", ["", "?", "NA", "nan", "null"])
def test_missing_values(tmp_path, mark):
    file = tmp_path / "data.csv"
    file.write_text(f"a,b,y\n1,{mark},3\n4,5,6\n")
    with pytest.raises(ValueError, match=r"missing values are refused .* got 1, the first in column 'b' of row 0"):
        load_dataset(file, target="y")
    filled = load_dataset(file, target="y", preprocessing=Preprocessing(impute=True))
    assert filled.provenance["imputed"][0]["value"] == 5
    file.write_text(f"a,b,y\n1,2,3\n4,5,{mark}\n")
    with pytest.raises(ValueError, match=r"the target must be numbers .* row 1 .* is missing"):
        load_dataset(file, target="y", preprocessing=Preprocessing(impute=True))
    file.write_text(f"a,b,y\n1,2,3\n{mark},{mark},{mark}\n")
    with pytest.raises(ValueError, match=r"missing values are refused .* got 2, the first in column 'a' of row 1"):
        load_dataset(file, target="y")


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", 0, "must have rows, got an empty file"),
        ("a,b\n", 0, "must have rows beneath its header, got none"),
        ("a,b\n1,2\n3\n", 0, "as many cells as the first, 2, got 1 in line 3"),
        ("a,b\n1,2\n3,x\n", 0, "column 'b' must hold numbers .* got 'x' in line 3"),
        ("a;b\n1,5;2\n", 0, "got '1,5' in line 2"),
        ("a,a\n1,2\n", 0, "column names must differ, got 'a' more than once"),
        ("a\n1\n", 0, "must have two columns or more, features and a target, got 1"),
        ("a,b\n1,2\n", None, r"target must be a column's name or position \(columns: a, b\), got None"),
        ("a,b\n1,2\n", "c", r"target must be .*\(columns: a, b\), got 'c'"),
        ("a,b\n1,2\n", 2, "target must be .* got 2 of 2"),
        ("a,b\n1,2\n", "-3", "target must be .* got '-3' of 2"),
        ("a,b\n1,2\n", True, "target must be .* got True"),
        ('a,b\n1,"2\n', 0, "must be a line of a delimited table"),
        ("a,b\n1,inf\n", 0, r"features must be numbers of at most 1e\+150"),
        ("a,b\n1,0\n", 0, "no row may be zero"),
    ],
)
def test_bad_text(tmp_path, text, target, message):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"bad\.csv: .*{message}"):
        load_dataset(tmp_path / "bad.csv", target=target)


def test_text_in_another_encoding(tmp_path):
    (tmp_path / "bad.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(ValueError, match="must be text in UTF-8, got byte 2"):
        load_dataset(tmp_path / "bad.csv", target="y")


def test_no_file(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"path of a file, got '.*none\.csv': nothing there"):
        load_dataset(tmp_path / "none.csv", target=0)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DatasetNotFoundError, match="a folder"):
        load_dataset(tmp_path / "folder.csv", target=0)


def test_parquet_types(tmp_path):
    columns = {
        "whole": pyarrow.array([1, None, 3]),
        "yes": pyarrow.array([True, False, True]),
        "half": pyarrow.array([1.5, 2.5, 3.5], pyarrow.float16()),
        "exact": pyarrow.array([1, 2, 3], pyarrow.decimal128(10, 2)),
        "y": pyarrow.array([1, 2, 3], pyarrow.uint8()),
        "__index_level_0__": pyarrow.array([7, 8, 9]),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "data.parquet")
    with pytest.raises(ValueError, match=r"missing values are refused .* column 'whole' of row 1"):
        load_dataset(tmp_path / "data.parquet", target="y")
    data = load_dataset(tmp_path / "data.parquet", target="y", preprocessing=Preprocessing(impute=True))
    assert data.provenance["columns"] == ["whole", "yes", "half", "exact"]
    np.testing.assert_allclose(data.X[1] * np.sqrt(4 + 2.5**2 + 4), [2, 0, 2.5, 2])
    np.testing.assert_array_equal(data.y, [1, 2, 3])


def test_bad_parquet(tmp_path, monkeypatch):
    file = tmp_path / "bad.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": ["x"], "y": [1]}), file)
    with pytest.raises(ValueError, match=r"column 'a' must hold numbers .* got string"):
        load_dataset(file, target="y")
    pyarrow.parquet.write_table(parquet_table().slice(0, 0), file)
    with pytest.raises(ValueError, match="must have rows and columns, got 0 x 3"):
        load_dataset(file, target="price")
    file.write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match="must be a whole Parquet file"):
        load_dataset(file, target="y")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"^reading Parquet needs pyarrow: pip install 'subnetlab\[parquet\]'$"):
        load_dataset(file, target="y")


def test_npz_keys(tmp_path):
    file = tmp_path / "data.npz"
    np.savez(file, features=VALUES[:, :2], label=VALUES[:, 2:])
    data = load_dataset(file, target="label")
    np.testing.assert_array_equal(data.y, VALUES[:, 2])  # (n, 1) is one target
    assert data.provenance["target"]["name"] == "label"
    with pytest.raises(ValueError, match=r"target must name one of its arrays \(features, label\), got 'y'"):
        load_dataset(file)
    np.savez(file, a=VALUES, b=VALUES, y=VALUES[:, 2])
    with pytest.raises(ValueError, match="must hold the features in an array X, got a, b, y"):
        load_dataset(file)
    np.savez(file, X=VALUES, y=VALUES[:3, 2])
    with pytest.raises(ValueError, match=r"y must have shape \(4,\), got \(3,\)"):
        load_dataset(file)
    np.savez(file, X=VALUES, y=VALUES[:, :2])
    assert load_dataset(file).y.shape == (4, 2)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(3.0), r"must have shape \(n_samples, n_features\), got \(3,\)"),
        (np.zeros((0, 3)), r"got \(0, 3\)"),
        (np.ones((2, 2), complex), "array of real numbers, got dtype complex128"),
        (np.array([["a", "b"]]), "array of real numbers, got dtype <U1"),
        (np.array([[{}, 1]], object), "must be a whole file of plain arrays, got: Object arrays"),
    ],
)
def test_bad_npy(tmp_path, array, message):
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"bad\.npy: .*{message}"):
        load_dataset(tmp_path / "bad.npy", target=0)


def test_broken_array_files(tmp_path):
    for ending in (".npy", ".npz"):
        whole = write(tmp_path, ending).read_bytes()
        for content in (b"", b"hello", whole[: len(whole) // 2]):
            (tmp_path / f"bad{ending}").write_bytes(content)
            with pytest.raises(ValueError, match=rf"bad\{ending}: must be a whole file of plain arrays"):
                load_dataset(tmp_path / f"bad{ending}", target=0)
    np.savez(tmp_path / "pickled.npz", X=np.array([[{}]]), y=np.ones(1))
    with pytest.raises(ValueError, match="must hold plain arrays, got: Object arrays"):
        load_dataset(tmp_path / "pickled.npz")
    (tmp_path / "exchanged.npy").write_bytes(write(tmp_path, ".npz").read_bytes())
    with pytest.raises(ValueError, match="array of real numbers, got several arrays"):
        load_dataset(tmp_path / "exchanged.npy", target=0)
    (tmp_path / "exchanged.npz").write_bytes(write(tmp_path, ".npy").read_bytes())
    with pytest.raises(ValueError, match=r"must hold arrays by name .* got one array without"):
        load_dataset(tmp_path / "exchanged.npz")
