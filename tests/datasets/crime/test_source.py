"""Where the crime file is looked for, in which order, and what is said when it is nowhere."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from subnetlab.cli.main import main
from subnetlab.datasets import DatasetNotFoundError, DatasetWarning, crime_places, fetch, load_dataset
from subnetlab.datasets.crime import source
from subnetlab.datasets.crime.content import parse_crime
from subnetlab.datasets.crime.source import load_crime
from subnetlab.datasets.search import cache_folder


def write(folder: Path, content: bytes, name="communities.data") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_path_may_be_the_file_or_its_folder(accepted, tmp_path):
    file = write(tmp_path / "mine", accepted.content, "renamed.txt")
    folder = write(tmp_path / "yours", accepted.content, "communities.csv").parent
    for path in (file, str(file), folder):
        source = load_dataset("crime", path=path).provenance["source"]
        assert source["kind"] == "path"
        assert source["sha256"] == accepted.sha256
        assert source["n_rows"] == 1994


def test_order_is_path_then_environment_then_cache(accepted, tmp_path, monkeypatch):
    def kind(**arguments):
        return load_dataset("crime", **arguments).provenance["source"]["kind"]

    write(tmp_path / "cache", accepted.content)
    assert kind() == "cache"
    monkeypatch.setenv("SUBNETLAB_DATA", str(write(tmp_path / "data", accepted.content).parent))
    assert kind() == "environment"
    assert kind(path=write(tmp_path / "mine", accepted.content)) == "path"
    monkeypatch.setenv("SUBNETLAB_DATA", str(tmp_path / "data" / "communities.data"))
    assert kind() == "environment"


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("", None),
        (".", r"holds none of communities\.data, .*"),
        ("nowhere", "does not exist"),
        ("fifo", "cannot be used: a FIFO"),
        ("loop", "cannot be used: a link that leads back to itself"),
        ("n" * 300, "cannot be used: the name is too long"),
    ],
)
def test_an_empty_place_is_passed_over_with_a_word(accepted, tmp_path, monkeypatch, place, problem):
    write(tmp_path / "cache", accepted.content)
    os.mkfifo(tmp_path / "fifo")
    os.symlink("loop", tmp_path / "loop")
    monkeypatch.setenv("SUBNETLAB_DATA", str(tmp_path / place) if place else "")
    if problem is None:
        assert load_dataset("crime").provenance["source"]["kind"] == "cache"
        return
    said = f"SUBNETLAB_DATA='.*' {problem}; crime was sought elsewhere, the data come from the cache '.*'$"
    with pytest.warns(DatasetWarning, match=said):
        assert load_dataset("crime").provenance["source"]["kind"] == "cache"
    with pytest.raises(DatasetNotFoundError, match=f"path='.*' {problem}$"):
        load_dataset("crime", path=tmp_path / place)


@pytest.mark.filterwarnings("default")
def test_a_mistyped_folder_is_said_by_every_command(accepted, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SUBNETLAB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("subnetlab.datasets.table.load_crime", partial(load_crime, download=False))
    for command in (["data"], ["train", "--m", "20", "--rounds", "1", "--quiet", "--out", str(tmp_path / "run")]):
        assert main(command) == 0
        note = f"subnetlab {command[0]}: note: load_dataset: SUBNETLAB_DATA='{tmp_path / 'nowhere'}' does not exist; "
        assert capsys.readouterr().err.startswith(f"{note}crime was sought elsewhere, the data come from diabetes\n")


def test_a_cache_that_cannot_be_searched_is_passed_over(accepted, tmp_path, monkeypatch):
    monkeypatch.setenv("SUBNETLAB_CACHE", str(tmp_path / ("n" * 300)))
    with pytest.raises(DatasetNotFoundError, match=r"the cache '.*' cannot be used: the name is too long"):
        load_dataset("crime")
    write(tmp_path / "cache", accepted.content)
    monkeypatch.setenv("SUBNETLAB_CACHE", str(tmp_path / "cache"))

    def refuse(path):  # root may search every folder
        raise PermissionError(13, "Permission denied", str(path))

    for step in ("is_file", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(
                *((Path, "is_file", refuse) if step == "is_file" else (os, "open", lambda path, _: refuse(path)))
            )
            assert load_dataset("auto", download=False).name == "diabetes"
            with pytest.raises(DatasetNotFoundError, match=r"the cache '.*' cannot be read \(.*ermission denied\)"):
                load_dataset("crime", download=False)


@pytest.mark.parametrize("name", ["crime", "auto"])
def test_a_damaged_file_that_the_user_names_is_refused(accepted, tmp_path, monkeypatch, name):
    write(tmp_path / "cache", accepted.content)
    damaged = write(tmp_path / "data", accepted.content[:-500])
    with pytest.raises(ValueError, match=r"communities.data: every line must have 128 values"):
        load_dataset(name, path=damaged)
    monkeypatch.setenv("SUBNETLAB_DATA", str(damaged.parent))
    with pytest.raises(ValueError, match=r"communities.data: every line must have 128 values"):
        load_dataset(name)


@pytest.mark.parametrize("name", ["crime", "auto"])
def test_a_path_without_the_file_is_an_error(accepted, tmp_path, name):
    write(tmp_path / "cache", accepted.content)
    with pytest.raises(DatasetNotFoundError, match=r"load_dataset: path='.*nowhere' does not exist"):
        load_dataset(name, path=tmp_path / "nowhere")
    with pytest.raises(DatasetNotFoundError, match=r"path='.*' holds none of communities\.data"):
        load_dataset(name, path=tmp_path)


def test_a_damaged_cache_is_replaced_by_a_download(accepted, tmp_path, monkeypatch):
    cached = write(tmp_path / "cache", b"1,2,3\n")
    with pytest.raises(DatasetNotFoundError, match=r"the cache .* is damaged .*got 3 in line 1"):
        load_dataset("crime")
    monkeypatch.setattr(source, "MIRRORS", ("https://somewhere/file",))
    monkeypatch.setattr(fetch, "_fetch", lambda url: accepted.text(line_end="\r\n").encode())
    assert load_dataset("crime").provenance["source"]["kind"] == "download"
    assert cached.read_bytes() == accepted.content  # kept in UCI's form
    assert load_dataset("crime", download=False).provenance["source"]["kind"] == "cache"


def test_nowhere_names_every_place_and_every_way(accepted, tmp_path, monkeypatch):
    monkeypatch.setenv("SUBNETLAB_DATA", str(tmp_path))
    with pytest.raises(DatasetNotFoundError) as caught:
        load_dataset("crime", download=False)
    message = str(caught.value)
    assert "\n" not in message
    for part in (f"SUBNETLAB_DATA='{tmp_path}' holds none", "cache", "path=", "not allowed", str(tmp_path / "cache")):
        assert part in message
    assert isinstance(caught.value, OSError)


def test_auto_says_which_and_why(accepted, tmp_path):
    fallback = load_dataset("auto", download=False)
    assert fallback.name == "diabetes"
    assert fallback.provenance["requested"] == "auto"
    assert "SUBNETLAB_DATA is not set" in fallback.provenance["why"]
    assert "To provide it" not in fallback.provenance["why"]
    np.testing.assert_array_equal(fallback.X, load_dataset("diabetes").X)
    write(tmp_path / "cache", accepted.content)
    found = load_dataset("auto")
    assert found.name == "crime"
    assert "the paper's data, found in the cache" in found.provenance["why"]
    np.testing.assert_array_equal(found.X, load_dataset("crime").X)
    assert load_dataset("crime").provenance["why"] is None


def test_places_are_reported_without_loading(accepted, tmp_path, monkeypatch):
    monkeypatch.setenv("SUBNETLAB_DATA", str(write(tmp_path / "data", accepted.content).parent))
    write(tmp_path / "cache", b"1,2\n")
    path, environment, cache = crime_places(tmp_path / "nowhere")
    assert (path["usable"], path["file"]) == (False, None)
    assert "does not exist" in path["note"]
    assert (environment["usable"], environment["note"]) == (True, "verified")
    assert not cache["usable"]
    assert "got 2 in line 1" in cache["note"]
    assert len(crime_places()) == 2


def test_the_cache_is_the_users_unless_named(monkeypatch):
    monkeypatch.delenv("SUBNETLAB_CACHE", raising=False)
    assert cache_folder().name == "subnetlab"


def test_columns_of_the_raw_table(accepted, tmp_path):
    table = parse_crime(accepted.content, "file")
    assert table.features.shape == (1994, 122)
    path = write(tmp_path / "mine", accepted.content)
    assert load_dataset("crime", path=path).X.shape == (100, 99)
