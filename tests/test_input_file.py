"""The door for files that the user names: what stands in the way is said, and nothing is waited for."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.input_file import (
    LARGEST_TEXT,
    FileContentError,
    check_input,
    check_unpacked,
    open_input,
    read_input_text,
)
from subnetlab.study.plan import StudyPlan


def read(path):
    with open_input(path, owner="me") as file:
        return file.read()


def text(path):
    return read_input_text(path, owner="me")


def check(path):
    check_input(path, owner="me")


DOORS = [read, text, check]


@pytest.fixture
def obstacles(tmp_path):
    """A path for every obstacle, by its name in messages, with the class of the error."""
    os.mkdir(tmp_path / "folder")
    os.mkfifo(tmp_path / "fifo")
    os.symlink("fifo", tmp_path / "link_to_fifo")
    (tmp_path / "file").write_text("x")
    os.symlink("b", tmp_path / "a")
    os.symlink("a", tmp_path / "b")
    os.symlink("gone", tmp_path / "dangling")
    folder = os.getcwd()
    os.chdir(tmp_path)  # the name of a socket is at most 108 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        os.chdir(folder)
        yield [
            (tmp_path / "none", "nothing there", FileNotFoundError),
            (tmp_path / "dangling", "nothing there", FileNotFoundError),
            (tmp_path / "file" / "x", "nothing there, a file stands in place of a folder", NotADirectoryError),
            (tmp_path / "folder", "a folder", IsADirectoryError),
            (tmp_path / "fifo", "a FIFO", OSError),
            (tmp_path / "link_to_fifo", "a FIFO", OSError),
            (tmp_path / "socket", "a socket", OSError),
            ("/dev/zero", "a device", OSError),
            (tmp_path / "a", "a link that leads back to itself", OSError),
            (tmp_path / ("n" * 256), "the name is too long", OSError),
        ]


@pytest.mark.parametrize("door", DOORS)
def test_every_obstacle_is_named(obstacles, door):
    for path, reason, kind in obstacles:
        with pytest.raises(kind) as caught:
            door(path)
        assert str(caught.value) == f"me: path must be the path of a file, got {str(path)!r}: {reason}"
        assert caught.value.errno


@pytest.mark.parametrize("door", DOORS)
def test_no_permission(tmp_path, door):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "file").touch(mode=0)
    with pytest.raises(PermissionError, match=r"me: path must be the path of a file, got '.*file': permission denied"):
        door(tmp_path / "file")


@pytest.mark.parametrize("door", DOORS)
def test_a_null_byte(door):
    with pytest.raises(ValueError, match=r"me: path must be .*got 'a\\x00b': a name with a null byte"):
        door("a\0b")


@pytest.mark.parametrize("name", ["plain", "n" * 255, "caf\udce9"])
def test_a_file_is_opened_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xef\xbb\xbfcontent")
    os.symlink(name, tmp_path / "link")
    for path in (tmp_path / name, tmp_path / "link"):
        assert read(path) == b"\xef\xbb\xbfcontent"
        assert text(path) == "content"
        check(path)


def test_text_that_is_none(tmp_path):
    (tmp_path / "latin").write_bytes("größe".encode("latin-1"))
    with pytest.raises(FileContentError, match="latin: must be text in UTF-8, got byte 2 that is not"):
        text(tmp_path / "latin")
    (tmp_path / "wide").write_bytes("a = 1".encode("utf-16"))
    with pytest.raises(
        FileContentError, match=r"wide: must be text in UTF-8, got byte 0 that is not .the byte order mark of UTF-16"
    ):
        text(tmp_path / "wide")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    with pytest.raises(FileContentError, match="large: must be at most 16 MiB of text, got more"):
        text(tmp_path / "large")


def test_text_through_a_pipe_of_the_shell(tmp_path):
    code = "from subnetlab.input_file import *; print(read_input_text('/dev/stdin', owner='me'))"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, input="a = 1", capture_output=True, text=True, check=True).stdout == "a = 1\n"


@pytest.mark.parametrize(
    ("unpacked", "on_disk", "limit"),
    [(2**28, 0, None), (2**28 + 1, 10, "256"), (10**9, 10**7, None), (10**9 + 1, 10**7, "953")],
)
def test_what_a_file_may_unpack_to(unpacked, on_disk, limit):
    if limit is None:
        check_unpacked(unpacked, on_disk, "f")
    else:
        with pytest.raises(FileContentError, match=f"f: must unpack to at most {limit} MiB"):
            check_unpacked(unpacked, on_disk, "f")


def loads(name):
    return {
        "data": lambda path: sl.load_dataset(path, target=0),
        "plan": StudyPlan.from_toml,
        "run": sl.load_run,
        "study": sl.open_study,
        "report": lambda path: main(["report", str(path)]),
        "theory": lambda path: main(["theory", str(path)]),
        "config": lambda path: main(["train", "--config", str(path)]),
        "command": lambda path: main(["data", "--dataset", str(path), "--target", "0"]),
    }[name]


@pytest.mark.parametrize("name", ["data", "plan", "run", "study", "report", "theory", "config", "command"])
@pytest.mark.parametrize("obstacle", ["a FIFO", "a link that leads back to itself"])
def test_every_reader_goes_through_the_door(tmp_path, name, obstacle, capsys):
    path = tmp_path / "it.csv"
    if obstacle == "a FIFO":
        os.mkfifo(path)
    else:
        os.symlink("it.csv", path)
    try:
        assert loads(name)(path) == 1
        message = capsys.readouterr().err
    except OSError as error:
        message = str(error)
    assert message.strip().endswith(f"got {str(path)!r}: {obstacle}")


def test_a_damaged_file_is_a_failure_not_wrong_usage(tmp_path, capsys):
    run = tmp_path / "run.npz"
    sl.train(sl.ShallowReLU.initialize(9, 2), np.eye(2), np.ones(2), sl.dropout(0.5, rounds=2)).save(run)
    run.write_bytes(run.read_bytes()[:-200])
    assert main(["theory", str(run)]) == 1
    assert main(["report", str(run)]) == 1
    assert main(["theory", str(tmp_path / "run.npz"), "--delta", "7"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_data_whose_file_name_is_no_utf8(tmp_path, monkeypatch, capsys):
    pytest.importorskip("vl_convert")
    from subnetlab.report.explore.live import shallow_subject
    from subnetlab.report.explore.page import page_files

    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9.csv")
    rows = np.random.default_rng(0).normal(size=(12, 3))
    np.savetxt(name, rows, delimiter=",", header="a,b,y", comments="")
    assert main(["data", "--dataset", name, "--target", "y"]) == 0
    assert main(["train", "--dataset", name, "--target", "y", "--m", "20", "--rounds", "2", "--quiet"]) == 0
    assert main(["theory", "run"]) == 0
    assert main(["report", "run"]) == 0
    assert "Traceback" not in capsys.readouterr().err
    assert r"caf\udce9.csv" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert rb"caf\udce9.csv: 12 rows" in page_files(shallow_subject(sl.load_dataset(name, target="y")))["/"].content
