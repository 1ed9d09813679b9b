"""Fashion-MNIST and the digits: found, verified by content, as labels for classifiers and as rows of norm 1."""

import gzip
import hashlib
import io
import os
import struct
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.datasets import DatasetNotFoundError, Preprocessing, describe, fashion_mnist, fetch, load_dataset
from subnetlab.datasets.idx import read_idx
from subnetlab.input_file import FileContentError

SIZES = {"train": 30, "t10k": 7}


def idx(array):
    """The bytes of an IDX file, by its specification: two zeros, the type, the number of axes, their lengths."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def images(monkeypatch, tmp_path):
    """Small files in place of the dataset's, on a machine that has none and no network: name -> (array, bytes)."""
    rng = np.random.default_rng(3)
    files = {}
    for name, n in SIZES.items():
        pictures = rng.integers(1, 256, (n, 28, 28), dtype=np.uint8)
        for kind, array in (("images-idx3", pictures), ("labels-idx1", rng.integers(0, 10, n, dtype=np.uint8))):
            files[f"{name}-{kind}-ubyte"] = array, idx(array)
    parts = {
        name: fashion_mnist.Part(array.shape, hashlib.sha256(content).hexdigest())
        for name, (array, content) in files.items()
    }
    monkeypatch.setattr(fashion_mnist, "PARTS", parts)
    monkeypatch.setattr(fashion_mnist, "MIRRORS", ())
    elsewhere = replace(fashion_mnist.FASHION_MNIST, package_folder=str(tmp_path / "package"))
    for module in ("fashion_mnist", "describe"):
        monkeypatch.setattr(sys.modules[f"subnetlab.datasets.{module}"], "FASHION_MNIST", elsewhere)
    monkeypatch.delenv("SUBNETLAB_DATA", raising=False)
    monkeypatch.setenv("SUBNETLAB_CACHE", str(tmp_path / "cache"))
    return files


def write(folder: Path, files, *, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, content) in files.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def test_pixels_and_labels(images, tmp_path):
    data = load_dataset("fashion_mnist", path=write(tmp_path / "mine", images))
    pictures, labels = images["train-images-idx3-ubyte"][0], images["train-labels-idx1-ubyte"][0]
    assert (data.X.dtype, data.X.shape, data.y.dtype) == (np.float32, (30, 784), np.int64)
    np.testing.assert_array_equal(data.X, (pictures.reshape(30, 784) / np.float32(255)).astype(np.float32))
    assert data.X.max() <= 1
    np.testing.assert_array_equal(data.y, labels)
    np.testing.assert_array_equal(data.test_X * 255, images["t10k-images-idx3-ubyte"][0].reshape(7, 784))
    np.testing.assert_array_equal(data.test_y, images["t10k-labels-idx1-ubyte"][0])
    assert data.classes[9] == "Ankle boot"
    assert data.provenance["rows"] == "all"
    assert "none; rows keep their norm" in describe(data)


def test_a_subset_is_a_function_of_the_seed(images, tmp_path):
    path = write(tmp_path / "mine", images)
    whole = load_dataset("fashion_mnist", path=path)
    part = load_dataset("fashion_mnist", n_samples=12, seed=4, path=path, n_validation=5)
    rows, held_out = part.provenance["rows"], part.provenance["validation_rows"]
    assert len({*rows, *held_out}) == 17
    np.testing.assert_array_equal(part.X, whole.X[rows])
    np.testing.assert_array_equal(part.y, whole.y[rows])
    np.testing.assert_array_equal(part.X_validation, whole.X[held_out])
    np.testing.assert_array_equal(part.y_validation, whole.y[held_out])
    np.testing.assert_array_equal(part.test_X, whole.test_X)
    assert load_dataset("fashion_mnist", n_samples=6, seed=4, path=path).provenance["rows"] == rows[:6]
    assert load_dataset("fashion_mnist", n_samples=12, seed=5, path=path).provenance["rows"] != rows


def test_rows_of_norm_1_for_the_shallow_network(images, tmp_path):
    path = write(tmp_path / "mine", images)
    data = load_dataset("fashion_mnist", path=path, preprocessing=Preprocessing(intercept=True))
    pixels = images["train-images-idx3-ubyte"][0].reshape(30, 784) / 255
    rows = np.column_stack([pixels, np.ones(30)])
    np.testing.assert_allclose(data.X, rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-14)
    assert data.y.dtype == np.int64
    test = np.column_stack([images["t10k-images-idx3-ubyte"][0].reshape(7, 784) / 255, np.ones(7)])
    np.testing.assert_allclose(data.test_X, test / np.linalg.norm(test, axis=1, keepdims=True), rtol=1e-14)
    centred = load_dataset("fashion_mnist", path=path, n_samples=20, preprocessing=Preprocessing("centred"))
    own = pixels[centred.provenance["rows"]]
    moved = images["t10k-images-idx3-ubyte"][0].reshape(7, 784) / 255 - own.mean(axis=0)
    np.testing.assert_allclose(centred.test_X, moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-12)
    with pytest.raises(ValueError, match="preprocessing of 'fashion_mnist' must keep centre_target False"):
        load_dataset("fashion_mnist", path=path, preprocessing=Preprocessing(centre_target=True))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_where_the_files_are_found(images, tmp_path, monkeypatch, packed, below):
    folder = write(tmp_path / "data" / below, images, packed=packed)
    some_file = next(folder.iterdir())
    for path in (tmp_path / "data", str(tmp_path / "data"), some_file):
        assert load_dataset("fashion_mnist", path=path).provenance["source"]["path"] == str(folder)
    monkeypatch.setenv("SUBNETLAB_DATA", str(tmp_path / "data"))
    assert load_dataset("fashion_mnist").provenance["source"]["kind"] == "environment"


def test_order_of_the_places(images, tmp_path, monkeypatch):
    with pytest.raises(
        DatasetNotFoundError, match=r"fashion_mnist: not found: SUBNETLAB_DATA is not set; the system's"
    ):
        load_dataset("fashion_mnist", download=False)
    cache = write(tmp_path / "cache" / "fashion-mnist", images)
    assert load_dataset("fashion_mnist").provenance["source"]["kind"] == "cache"
    package = write(tmp_path / "package", images)
    assert load_dataset("fashion_mnist").provenance["source"]["kind"] == "package"
    next(package.iterdir()).unlink()
    assert load_dataset("fashion_mnist").provenance["source"]["path"] == str(cache)
    monkeypatch.setenv("SUBNETLAB_DATA", str(tmp_path))
    with pytest.warns(sl.datasets.DatasetWarning, match=r"holds not all of .*; fashion_mnist was sought elsewhere"):
        load_dataset("fashion_mnist")


def test_the_content_is_hashed_not_the_file(images, tmp_path):
    folders = [write(tmp_path / "a", images), write(tmp_path / "b", images, packed=False)]
    first, second = [load_dataset("fashion_mnist", path=folder) for folder in folders]
    assert first.digest == second.digest
    assert first.provenance["source"]["sha256"] == second.provenance["source"]["sha256"]
    content = bytearray(images["train-labels-idx1-ubyte"][1])
    content[-1] ^= 1
    (folders[1] / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(FileContentError, match="train-labels-idx1-ubyte: the uncompressed content must hash to"):
        load_dataset("fashion_mnist", path=folders[1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be an IDX file of 3 x 2 bytes, got the header $"),
        (struct.pack(">HBB2I", 0, 8, 2, 3, 2**31) + bytes(6), "must be an IDX file of 3 x 2 bytes, got the header 00"),
        (struct.pack(">HBB2I", 0, 13, 2, 3, 2) + bytes(24), "must be an IDX file of 3 x 2 bytes"),
        (struct.pack(">HBB1I", 0, 8, 1, 6) + bytes(6), "must be an IDX file of 3 x 2 bytes"),
        (idx(np.zeros((3, 2), np.uint8))[:-1], "must hold 6 bytes behind its header, got 5"),
        (idx(np.zeros((3, 2), np.uint8)) + b"x", "must hold 6 bytes behind its header, got more"),
    ],
)
def test_files_that_are_no_such_array(content, message):
    for file in (content, gzip.compress(content)):
        with pytest.raises(FileContentError, match=message):
            read_idx(io.BytesIO(file), (3, 2), "f")


def test_damaged_gzip():
    array = np.arange(200, dtype=np.uint8).reshape(20, 10)
    whole = gzip.compress(idx(array))
    np.testing.assert_array_equal(read_idx(io.BytesIO(whole), (20, 10), "f"), array)
    for place in range(2, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 255
        for content in (whole[:place], bytes(damaged)):
            with suppress(FileContentError):  # the header of gzip holds a time and a name, too
                np.testing.assert_array_equal(read_idx(io.BytesIO(content), (20, 10), "f"), array)


def test_a_small_file_that_unpacks_to_gigabytes_takes_no_memory(images, tmp_path):
    path = write(tmp_path / "mine", images)
    with gzip.open(path / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(images["train-images-idx3-ubyte"][1])
        for _ in range(100):
            file.write(bytes(10**7))
    with pytest.raises(FileContentError, match="must hold 23,520 bytes behind its header, got more"):
        load_dataset("fashion_mnist", path=path)


def test_a_download_is_verified_and_kept(images, tmp_path, monkeypatch):
    served = {f"https://good/{name}.gz": gzip.compress(content) for name, (_, content) in images.items()}
    asked = []

    def serve(url):
        asked.append(url)
        if url in served:
            return served[url]
        raise OSError("404")

    monkeypatch.setattr(fetch, "_fetch", serve)
    monkeypatch.setattr(fashion_mnist, "MIRRORS", ("https://bad", "https://good"))
    facts = load_dataset("fashion_mnist").provenance["source"]
    assert facts["kind"] == "download"
    assert facts["path"] == str(tmp_path / "cache" / "fashion-mnist")
    assert len(asked) == 8
    assert load_dataset("fashion_mnist", download=False).provenance["source"]["kind"] == "cache"
    for file in Path(facts["path"]).iterdir():
        file.write_bytes(b"damaged")
    served.clear()
    with pytest.raises(DatasetNotFoundError, match=r"is damaged .*the download failed: .*404"):
        load_dataset("fashion_mnist")


def test_digits_are_scikit_learns():
    data = load_dataset("digits")
    known = sklearn.datasets.load_digits()
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(np.concatenate([data.X, data.test_X]) * 16, known.data)
    np.testing.assert_array_equal(np.concatenate([data.y, data.test_y]), known.target)
    assert (len(data.test_y), data.y.dtype, data.classes[3]) == (360, np.int64, "3")
    model = sl.SubnetClassifier(random_state=0).fit(data.X[:500], data.y[:500])
    assert model.score(data.test_X, data.test_y) > 0.7


LABELS = "must have numbers to predict, got the class labels of 'digits'; in Python, load_dataset('digits') gives"


@pytest.mark.parametrize("command", ["train", "launch", "plan", "bench", "explore", "reproduce", "study"])
def test_commands_that_fit_numbers_say_what_to_do_with_labels(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = {"study": ["--m", "20", "--rounds", "2", "--xi", "0.5"], "plan": ["--target-error", "1"]}.get(command, [])
    assert main([command, "--dataset", "digits", *more]) == 2
    message = capsys.readouterr().err
    assert LABELS in message
    assert "SubnetClassifier" in message
    assert os.listdir(tmp_path) == []


def test_the_command_shows_them(images, tmp_path, capsys):
    write(tmp_path / "mine", images)
    assert main(["data", "--dataset", "fashion_mnist", "--path", str(tmp_path / "mine")]) == 0
    assert "data: fashion_mnist, 30 of 30 rows, 784 features" in capsys.readouterr().out
    assert main(["data", "--list", "--dataset", "fashion_mnist", "--path", str(tmp_path / "mine")]) == 0
    listing = capsys.readouterr().out
    assert f"path          {tmp_path / 'mine'}  verified" in listing
    assert "package" in listing
    assert "cache" in listing


def test_the_true_files():
    folder = os.environ.get("SUBNETLAB_DATA")
    if not folder or not (Path(folder) / "fashion-mnist").is_dir():
        pytest.skip("SUBNETLAB_DATA names no folder with fashion-mnist (docs/data.md)")
    data = load_dataset("fashion_mnist")
    assert (data.X.shape, data.test_X.shape) == ((60_000, 784), (10_000, 784))
    assert set(np.bincount(data.y)) == {6000}
    assert set(np.bincount(data.test_y)) == {1000}
    assert (data.X.min(), data.X.max()) == (0, 1)
    assert data.classes[data.y[0]] == "Ankle boot"
