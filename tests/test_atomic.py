"""Files: whole or not there."""

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.archive import write_archive
from subnetlab.atomic import atomic_file, refuse_foreign

ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "group.flags": np.array([True, False]), "empty": np.empty((0, 2))}
META = {"text": "é", "number": 1.5, "none": None, "list": [1, 2]}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "archive.npz"
    write_archive(path, "thing", 2, META, ARRAYS)
    return path


def test_a_file_takes_the_place_of_the_older_one_when_it_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_file_has_the_permissions_that_open_would_give(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_file(tmp_path / "file") as file:
            file.write(b"x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_older_file_is_as_it_was(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write():
        with atomic_file(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_at_the_last_moment(archive, monkeypatch, call):
    before = archive.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/archive\.npz'$"):
        write_archive(archive, "thing", 2, META, ARRAYS)
    assert archive.read_bytes() == before
    assert list(archive.parent.iterdir()) == [archive]


def test_a_disk_that_fills_up_while_a_run_is_saved(tmp_path):
    """The kernel refuses to let the file grow (RLIMIT_FSIZE), wherever in the archive that happens."""
    network = sl.ShallowReLU.initialize(50, 4)
    run = sl.train(network, np.eye(4), np.ones(4), sl.gradient_descent(2))
    path = tmp_path / "run.npz"
    run.save(path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then write() fails with EFBIG
    try:
        for size in range(1, len(before), 997):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            try:
                with pytest.raises(OSError, match=r"File too large: '.*/run\.npz'$"):
                    run.save(path)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert path.read_bytes() == before
            assert list(tmp_path.iterdir()) == [path]
    finally:
        signal.signal(signal.SIGXFSZ, ignored)
    sl.load_run(path)


def test_a_folder_that_is_not_there_or_not_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"/no/file'$"), atomic_file(tmp_path / "no" / "file"):
        pass
    (tmp_path / "plain").touch()
    with pytest.raises(NotADirectoryError), atomic_file(tmp_path / "plain" / "file"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match=r"/folder'$"), atomic_file(tmp_path / "folder"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "folder"}


KILLED = """
import os, sys
from subnetlab.atomic import atomic_file, refuse_foreign
with atomic_file(sys.argv[1]) as file:
    file.write(b"new" * 100_000)
    file.flush()
    os.kill(os.getpid(), 9)
"""


def test_after_a_kill_the_older_file_is_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def write(path, content=b"new"):
    with atomic_file(path) as file:
        file.write(content)


def test_a_link_stays_a_link_and_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link, second = tmp_path / "there" / "file", tmp_path / "link", tmp_path / "second"
    target.write_bytes(b"old")
    link.symlink_to(target)
    second.symlink_to("link")
    write(second)
    assert target.read_bytes() == b"new"
    assert link.is_symlink()
    assert second.is_symlink()
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "dangling").symlink_to(tmp_path / "there" / "made")
    write(tmp_path / "dangling")
    assert (tmp_path / "there" / "made").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    with atomic_file(path) as file:
        (temporary,) = (p for p in tmp_path.iterdir() if p != path)
        assert stat.S_IMODE(temporary.stat().st_mode) & ~mode == 0  # nobody reads the new content who must not
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_fifo_receives_everything_and_stays(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match=f"nobody reads from it: '{fifo}'"):
        write(fifo)
    content = bytes(range(256)) * 4096  # more than a pipe holds
    with (tmp_path / "copy").open("wb") as copy:
        reader = subprocess.Popen(["cat", fifo], stdout=copy)
    holder = os.open(fifo, os.O_WRONLY)  # returns when the reader is there
    write(fifo, content)
    os.close(holder)
    assert reader.wait() == 0
    assert (tmp_path / "copy").read_bytes() == content
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_failed_write_sends_nothing_to_a_fifo(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def fail():
        with atomic_file(fifo) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_device_receives_everything_and_stays():
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("length", [1, 199, 200, 201, 255])
def test_names_of_every_length(tmp_path, length):
    path = tmp_path / ("n" * length)
    write(path, b"1")
    write(path, b"2")
    assert path.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [path]
    accented = tmp_path / ("é" * (length // 2 or 1))  # two bytes each
    write(accented)
    assert accented.read_bytes() == b"new"


def test_what_cannot_be_a_file_is_refused_by_name(tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        write(tmp_path)
    with pytest.raises(FileNotFoundError, match="missing/file"):
        write(tmp_path / "missing" / "file")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        write(tmp_path / "a")
    with pytest.raises(OSError, match="name too long"):
        write(tmp_path / ("n" * 256))


def test_the_leftover_of_a_killed_writer_is_removed_by_the_next_and_a_living_one_s_stays(tmp_path):
    """The writers say when they have begun; nothing waits for a clock."""
    code = (
        "import sys; from subnetlab.atomic import atomic_file\n"
        "with atomic_file(sys.argv[1]) as f: f.write(b'half'); f.flush(); print('begun', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "file [1].*"  # with letters that a pattern would take for its own
    writers = [
        subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout.readline() == b"begun\n"
    assert len(list(tmp_path.iterdir())) == 2
    writers[0].kill()
    writers[0].wait()
    other = tmp_path / f".{path.name}x.0.part"
    other.write_bytes(b"somebody else's")
    write(path)
    assert path.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 3  # the file, the living writer's, and somebody else's
    writers[1].communicate()
    assert path.read_bytes() == b"half"
    assert sorted(tmp_path.iterdir()) == sorted([path, other])
    writers[0].communicate()


def test_a_new_file_that_another_writer_takes_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    """The other one has locked it before its maker could, and removes it while the maker waits, or right after."""
    path, lock, others = tmp_path / "file", fcntl.flock, []

    def remove():
        for descriptor in others:
            Path(os.readlink(f"/proc/self/fd/{descriptor}")).unlink()
            os.close(descriptor)
        others.clear()

    def beaten(descriptor, operation):
        monkeypatch.setattr(fcntl, "flock", lock)
        others.append(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY))
        lock(others[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not operation & fcntl.LOCK_NB:
            remove()
        return lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", beaten)
    with atomic_file(path) as file:
        remove()
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_somebody_else_is_not_written_over(tmp_path):
    path = tmp_path / "data.csv"
    refuse_foreign(path, lambda head: False)  # nothing there
    path.write_bytes(b"")
    refuse_foreign(path, lambda head: False)  # nothing to lose
    path.write_bytes(b"mine")
    refuse_foreign(path, lambda head: head == b"mine")
    refuse_foreign(path, lambda head: False, force=True)
    with pytest.raises(
        FileExistsError, match="is no earlier result of this command; name another file, or use --force"
    ):
        refuse_foreign(path, lambda head: False)
    refuse_foreign("/dev/null", lambda head: False)
