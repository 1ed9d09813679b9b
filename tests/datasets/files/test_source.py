"""The user's own files: every format gives the same data, and what is wrong is said by name."""

import csv
import io
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from subnetlab.datasets import DatasetNotFoundError, DatasetWarning, Preprocessing, describe, load_dataset
from subnetlab.datasets.files.contents import loses_digits
from subnetlab.input_file import FileContentError

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
        (np.array([[{}, 1]], object), "array of real numbers, got dtype object"),
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
    with pytest.raises(ValueError, match="X must be an array of real numbers, got dtype object"):
        load_dataset(tmp_path / "pickled.npz")
    (tmp_path / "exchanged.npy").write_bytes(write(tmp_path, ".npz").read_bytes())
    with pytest.raises(ValueError, match="array of real numbers, got several arrays"):
        load_dataset(tmp_path / "exchanged.npy", target=0)
    (tmp_path / "exchanged.npz").write_bytes(write(tmp_path, ".npy").read_bytes())
    with pytest.raises(ValueError, match=r"must hold arrays by name .* got one array without"):
        load_dataset(tmp_path / "exchanged.npz")


def csv_module(text, delimiter):
    """What Python's own reader sees, given the separator."""
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ('"price, EUR";y\n1;2\n3;4\n', ";"),
        ('"size\n(a, b)";c;y\n1;2;3\n3;4;5\n', ";"),
        ("price, EUR;y\n1;2\n3;4\n", ";"),
        ('"price; EUR",y\n1,2\n3,4\n', ","),
        ("price; EUR,y\n1,2\n3,4\n", ","),
        ('"a";"y, EUR"\n"1";"2"\n', ";"),
        ('"a, ""b""";"y;z"\n1;2\n', ";"),
        ("a\ty\n1\t2\n3\t4\n", "\t"),
        ("a, b\tc;d\n1\t2\n3\t4\n", "\t"),
        ("a|y\n1|2\n", "|"),
        ("P(a|b),y\n1,2\n", ","),
        ("P(a;b|c)\td,y\n1,2\n3,4\n", ","),
        ("a,b;c,d\n1,2,3\n4,5,6\n", ","),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_the_separator_is_the_one_that_makes_a_table_of_numbers(tmp_path, text, delimiter, ending):
    (tmp_path / f"f{ending}").write_text(text)
    header, *rows = csv_module(text, delimiter)
    data = load_dataset(tmp_path / f"f{ending}", target=-1)
    assert [*data.provenance["columns"], data.provenance["target"]["name"]] == header
    np.testing.assert_array_equal(data.y, [float(row[-1]) for row in rows])


@pytest.mark.parametrize(
    ("above", "table"),
    [
        ("sep=;\n", "a;b;y\n1;2;3\n4;5;6\n"),
        ("\ufeffSEP=,\r\n", "a,b,y\n1,2,3\n4,5,6\n"),
        ('"sep=|"\n', "a|b|y\n1|2|3\n4|5|6\n"),
        ("sep=\t\n\n", "a\tb\ty\n1\t2\t3\n4\t5\t6\n"),
        ("# made by a program\n", "a,b,y\n1,2,3\n4,5,6\n"),
        ("# units: m, kg, EUR\n#\n\n", "a,b,y\n1,2,3\n4,5,6\n"),
        ('# "an open quote\n', "a;b;y\n1;2;3\n4;5;6\n"),
        ("\n\n", "a;b;y\n1;2;3\n4;5;6\n"),
    ],
)
def test_what_programs_write_above_a_table(tmp_path, above, table):
    (tmp_path / "f.csv").write_text(above + table, newline="")
    data = load_dataset(tmp_path / "f.csv", target="y")
    assert data.provenance["columns"] == ["a", "b"]
    np.testing.assert_array_equal(data.y, [3, 6])


def test_a_header_may_begin_like_a_comment(tmp_path):
    (tmp_path / "f.csv").write_text("# written by numpy.savetxt\n# a,b,y\n1,2,3\n4,5,6\n")
    data = load_dataset(tmp_path / "f.csv", target="y")
    assert data.provenance["columns"] == ["# a", "b"]
    assert len(data.y) == 2


def test_numbers_beneath_a_separator_line_are_all_rows(tmp_path):
    (tmp_path / "f.csv").write_text("sep=;\n1;2\n3;4\n")
    np.testing.assert_array_equal(load_dataset(tmp_path / "f.csv", target=1).y, [2, 4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "My table\na,b,y\n1,2,3\n",
            r"the first line must be the header or a row \(remove titles\), got one cell above",
        ),
        ("My table\na;y\n1;2\n", "got one cell above 2"),
        ("sep=x\na,b\n1,2\n", "the first line, 'sep=x', must name a tab, a semicolon, a bar or a comma"),
        ("sep=;\na,b\n1,2\n", "must have two columns or more, features and a target, got 1"),
        ("1,5;2,5\n3,5;4,5\n", r"column '1,5' must hold numbers \(.*decimal points\), got '3,5' in line 2"),
        ("# note\n\na,b\n1,2\n3,x\n", "got 'x' in line 5"),
        ("sep=;\na;b\n1;2\n3\n", "as many cells as the first, 2, got 1 in line 4"),
        ("a,b\n1,2\n# end\n", "got 1 in line 3"),
    ],
)
def test_text_that_is_no_table_is_said_with_its_line(tmp_path, text, message):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(FileContentError, match=rf"bad\.csv: .*{message}"):
        load_dataset(tmp_path / "bad.csv", target=0)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_identifiers_that_lose_digits_are_named(tmp_path, ending):
    ids, exact = [2**53 + 1, 2**53 + 2], [2**53 + 2, -(2**60)]
    file = tmp_path / f"data{ending}"
    if ending == ".csv":
        file.write_text(f"id,exact,half,y\n{ids[0]},{exact[0]},1.5,3\n{ids[1]},{exact[1]},2e100,4\n")
    elif ending == ".parquet":
        columns = {"id": [*ids, None], "exact": [*exact, 1], "half": [1.5, 2e100, 1.0], "y": [3, 4, 5]}
        pyarrow.parquet.write_table(pyarrow.table(columns).slice(0, 2), file)
    else:
        np.savez(file, X=np.array([ids, exact]).T, y=[3, 4])
    name = "0" if ending == ".npz" else "id"
    with pytest.warns(DatasetWarning, match=f"{file}: column '{name}' holds whole numbers above 2\\^53") as caught:
        load_dataset(file, target=None if ending == ".npz" else "y")
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize("value", [2**64 - 1, 2**63 - 1, 2**63 + 1, -(2**63) + 1])
def test_the_largest_whole_numbers_lose_digits_too(value):
    dtype = np.uint64 if value > 2**63 else np.int64
    assert loses_digits(np.array([1, value], dtype)) == (int(float(value)) != value)
    assert not loses_digits(np.array([2**62, 0], dtype))


def test_parquet_holds_the_columns_of_the_file_and_no_others(tmp_path):
    folder = tmp_path / "year=2020" / "price=7"
    folder.mkdir(parents=True)
    pyarrow.parquet.write_table(parquet_table(), folder / "data.parquet")
    assert load_dataset(folder / "data.parquet", target="price").provenance["columns"] == ["height", "weight"]
    dotted = parquet_table().rename_columns(["a.b", "a", "price"])
    pyarrow.parquet.write_table(dotted, folder / "data.parquet")
    data = load_dataset(folder / "data.parquet", target="price")
    assert data.provenance["columns"] == ["a.b", "a"]
    np.testing.assert_allclose(data.X[:, 0] / data.X[:, 1], VALUES[:, 0] / VALUES[:, 1])


def test_row_labels_of_pandas_are_no_features(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(VALUES, columns=NAMES)
    labels = {
        "named": frame.set_axis(pandas.Index([9, 4, 7, 1], name="id")),
        "text": frame.set_axis(pandas.Index(list("uvwx"), name="name")),
        "dates": frame.set_axis(pandas.date_range("2020", periods=4, name="day")),
        "several": frame.assign(g=[1, 1, 2, 2], h=range(4)).set_index(["g", "h"]),
        "like a column": frame.set_axis(pandas.Index(range(4), name="height")),
        "every second": frame.iloc[::2],
    }
    for name, labelled in labels.items():
        labelled.to_parquet(tmp_path / "data.parquet")
        facts = load_dataset(tmp_path / "data.parquet", target="price").provenance
        assert facts["columns"] == ["height", "weight"], name
        left_out = {"named": ["id"], "several": ["g", "h"], "every second": []}
        assert list(facts["left_out"]) == left_out.get(name, list(facts["left_out"]))


def memory_of(code, *arguments):
    """Peak memory in MiB of a program, and what it said; ru_maxrss would count what its parent had before exec."""
    code += "\nprint([int(line.split()[1]) for line in open('/proc/self/status') if 'VmHWM' in line][0] >> 10)"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    *said, memory = done.stdout.splitlines()
    return int(memory), "".join(said)


LOAD = """
import sys, subnetlab as sl
try: sl.load_dataset(sys.argv[1], target=sys.argv[2])
except ValueError as error: print(error)
"""


def bomb(folder, ending):
    """A small file that claims, and mostly holds, 2.4 GB of numbers."""
    file, rows = folder / f"bomb{ending}", 10**8
    if ending == ".parquet":
        zeros = pyarrow.array(np.zeros(rows // 100))
        part = pyarrow.table({"a": zeros, "b": zeros, "y": zeros})
        with pyarrow.parquet.ParquetWriter(file, part.schema, compression="zstd") as writer:
            for _ in range(100):
                writer.write_table(part)
    elif ending == ".npz":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, shape in (("X", (rows, 2)), ("y", (rows,))):
                with archive.open(f"{name}.npy", "w") as member:
                    header = {"descr": "|i1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(member, header)
                    for _ in range(int(np.prod(shape)) // 10**7):
                        member.write(bytes(10**7))
    else:
        with open(file, "wb") as opened:
            np.lib.format.write_array_header_1_0(opened, {"descr": "<f8", "fortran_order": False, "shape": (rows, 3)})
            opened.write(bytes(1000))
    return file


@pytest.mark.parametrize("ending", [".parquet", ".npz", ".npy"])
def test_sizes_are_checked_before_memory_is_taken(tmp_path, ending):
    file = bomb(tmp_path, ending)
    assert file.stat().st_size < 10 * 2**20
    memory, said = memory_of(LOAD, file, "y")
    assert f"bomb{ending}: must " in said
    assert memory < 500


MIXED = "id,age,city,y\n1,30,Rome,1\n2,40,Oslo,2\n4,50,Rome,3\n"


def mixed(folder, ending):
    """A table with a column of names, as text or as Parquet."""
    file = folder / f"mixed{ending}"
    header, *rows = [line.split(",") for line in MIXED.splitlines()]
    if ending == ".parquet":
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        numbers = {name: list(map(float, cells)) for name, cells in columns.items() if name != "city"}
        pyarrow.parquet.write_table(pyarrow.table({name: numbers.get(name, columns[name]) for name in header}), file)
    else:
        file.write_text(MIXED.replace(",", "\t" if ending == ".tsv" else ","))
    return file


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_columns_of_names_and_columns_left_out(tmp_path, ending):
    data = load_dataset(mixed(tmp_path, ending), target="y", drop="id", categorical=["city"])
    raw = np.array([[30.0, 0, 1], [40, 1, 0], [50, 0, 1]])
    np.testing.assert_allclose(data.X, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-15)
    facts = data.provenance
    assert facts["columns"] == ["age", "city=Oslo", "city=Rome"]
    assert facts["categorical"] == {"city": ["Oslo", "Rome"]}
    assert facts["left_out"] == {"id": "named in drop"}
    said = describe(data)
    assert "  categorical    city, a column for each of 2: Oslo, Rome\n" in said
    assert "  left out       1 columns: named in drop" in said
    numbers_only = load_dataset(mixed(tmp_path, ending), target="y", drop=("id", "city"))
    assert numbers_only.provenance["columns"] == ["age"]


def test_numbers_may_be_names_and_names_may_be_missing(tmp_path):
    file = tmp_path / "codes.csv"
    file.write_text("code,a,y\n20,1,1\n3,2,2\n?,3,3\n20,4,4\n")
    with pytest.raises(ValueError, match=r"missing values are refused .* in column 'code=20' of row 2"):
        load_dataset(file, target="y", categorical="code")
    data = load_dataset(file, target="y", categorical="code", preprocessing=Preprocessing(impute=True))
    assert data.provenance["columns"] == ["code=20", "code=3", "a"]
    ratio = data.X[2, :2] / data.X[2, 2]
    np.testing.assert_allclose(ratio * 3, [2 / 3, 1 / 3], rtol=1e-14)  # the shares among the rows that have one


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_columns_of_arrays_are_left_out_by_their_positions(tmp_path, ending):
    target = None if ending == ".npz" else 2
    data = load_dataset(write(tmp_path, ending), target=target, drop="0")
    assert data.provenance["columns"] == ["1"]
    with pytest.raises(ValueError, match="categorical must name columns of a CSV, TSV or Parquet file, got '0'"):
        load_dataset(write(tmp_path, ending), target=target, categorical="0")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {},
            r"column 'city' must hold numbers \(name columns of text in drop or categorical.*\), got 'Rome'",
        ),
        ({"drop": ["city", "town"]}, r"drop must name features \(id, age, city\), got no column 'town'"),
        ({"drop": ["city", "idd"]}, "got no column 'idd'; did you mean 'id'"),
        ({"drop": ["y", "city"]}, "drop must name features .* got the target 'y'"),
        ({"categorical": ["city", "y"]}, "categorical must name features .* got the target 'y'"),
        (
            {"drop": "city", "categorical": "city"},
            "drop and categorical must name different columns, got 'city' in both",
        ),
        ({"drop": ["id", "age", "city"]}, "must have a feature besides the target and what drop names, got none"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_wrong_choices_of_columns_are_refused_by_name(tmp_path, ending, choice, message):
    if ending == ".parquet" and not choice:
        message = r"column 'city' must hold numbers \(name others in drop or categorical\), got string"
    with pytest.raises(ValueError, match=message):
        load_dataset(mixed(tmp_path, ending), target="y", **choice)


def test_a_choice_of_columns_is_for_files_and_of_texts(tmp_path):
    with pytest.raises(ValueError, match="drop is for your own files"):
        load_dataset("diabetes", drop="age")
    with pytest.raises(TypeError, match="categorical must be a str, got int"):
        load_dataset(mixed(tmp_path, ".csv"), target="y", categorical=[2])


def test_far_too_many_names_are_refused(tmp_path):
    file = tmp_path / "names.csv"
    file.write_text("name,a,y\n" + "".join(f"n{i},1,{i}\n" for i in range(1001)))
    with pytest.raises(FileContentError, match="column 'name' must have at most 1,000 categories, got 1,001"):
        load_dataset(file, target="y", categorical="name")
    assert load_dataset(file, target="y", drop="name").X.shape == (1001, 1)


def test_a_name_that_makes_two_columns_one_is_refused(tmp_path):
    file = tmp_path / "two.csv"
    file.write_text("c,c=x,y\nx,1,1\nz,2,2\n")
    with pytest.raises(FileContentError, match="column names must differ, got 'c=x' more than once"):
        load_dataset(file, target="y", categorical="c")
