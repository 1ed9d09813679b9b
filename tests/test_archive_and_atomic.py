"""Files: whole or not there, and never read back as something else."""

import errno
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.archive import ArchiveError, read_archive, write_archive
from subnetlab.atomic import atomic_file, refuse_foreign

ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "group.flags": np.array([True, False]), "empty": np.empty((0, 2))}
META = {"text": "é", "number": 1.5, "none": None, "list": [1, 2]}


def assert_same(arrays):
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "archive.npz"
    write_archive(path, "thing", 2, META, ARRAYS)
    return path


# archives


def test_what_is_written_is_read(archive):
    meta, arrays = read_archive(archive, "thing", 2)
    assert meta == META
    assert_same(arrays)
    assert read_archive(str(archive), "thing", 3)[0] == META


def test_an_archive_is_an_npz_that_numpy_reads_without_pickle(archive):
    with np.load(archive, allow_pickle=False) as file:
        assert set(file.files) == {"meta", *ARRAYS}
        header = json.loads(file["meta"].tobytes())
    assert header == {**META, "kind": "thing", "version": 2, "arrays": sorted(ARRAYS)}


def test_the_same_content_gives_the_same_bytes(archive, tmp_path):
    write_archive(tmp_path / "again.npz", "thing", 2, dict(reversed(META.items())), ARRAYS)
    assert (tmp_path / "again.npz").read_bytes() == archive.read_bytes()


def test_every_damaged_byte_is_harmless_or_found(archive, tmp_path):
    """One bit or all of them turned at every place: either an ArchiveError or the content as it was."""
    whole = archive.read_bytes()
    damaged = tmp_path / "damaged.npz"
    found = 0
    for place in range(len(whole)):
        flip = 0xFF if place % 2 else 1 << place % 8
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        try:
            meta, arrays = read_archive(damaged, "thing", 2)
        except ArchiveError:
            found += 1
        else:
            assert meta == META
            assert_same(arrays)
    assert found > len(whole) / 2


def test_every_truncation_is_found(archive, tmp_path):
    whole = archive.read_bytes()
    for length in [0, 1, *range(2, len(whole), 5), len(whole) - 1]:
        (tmp_path / "short.npz").write_bytes(whole[:length])
        with pytest.raises(ArchiveError, match=r"short\.npz: not a readable thing file \("):
            read_archive(tmp_path / "short.npz", "thing", 2)


def test_arrays_that_are_missing_or_were_added_are_found(archive):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("extra.npy", zipfile.ZipFile(archive).read("x.npy"))
    with pytest.raises(ArchiveError, match=r"must hold the arrays \[.*\], got \[.*'extra'.*\]: the file is damaged$"):
        read_archive(archive, "thing", 2)


def test_other_kinds_and_newer_versions_are_refused(archive, refused):
    with refused(ArchiveError, f"{archive}: must be a run file, got kind 'thing'"):
        read_archive(archive, "run", 2)
    with refused(ArchiveError, f"{archive}: version must be at most 1, got 2: written by a newer subnetlab"):
        read_archive(archive, "thing", 1)


def test_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "none.npz", "thing", 1)
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "foreign.npz", x=np.ones(3))
    np.savez(tmp_path / "text.npz", meta=np.frombuffer(b"no json", np.uint8))
    np.savez(tmp_path / "list.npz", meta=np.frombuffer(b"[1, 2]", np.uint8))
    np.savez(tmp_path / "bare.npz", meta=np.frombuffer(b"{}", np.uint8))
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").touch()
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ArchiveError, match=r"not a readable thing file \("):
            read_archive(path, "thing", 1)
    with pytest.raises(IsADirectoryError, match=r"read_archive: path must be the path of a file, got '.*': a folder"):
        read_archive(tmp_path, "thing", 1)


class _Trap:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickled_objects_are_never_loaded(archive, tmp_path):
    trap = np.empty(1, dtype=object)
    trap[0] = _Trap(tmp_path / "sprung")
    np.savez(tmp_path / "trap.npz", allow_pickle=True, meta=np.load(archive)["meta"], x=trap)
    with pytest.raises(ArchiveError, match="allow_pickle"):
        read_archive(tmp_path / "trap.npz", "thing", 2)
    assert not (tmp_path / "sprung").exists()
    before = archive.read_bytes()
    with pytest.raises(ValueError, match="allow_pickle"):
        write_archive(archive, "thing", 2, {}, {"x": trap})
    assert archive.read_bytes() == before


def test_a_header_that_claims_more_than_the_file_holds_takes_no_memory(archive, tmp_path):
    """Of a checksum that fits: the claim is what a crafted file makes."""
    entry = io.BytesIO()
    np.lib.format.write_array_header_1_0(entry, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(archive) as there, zipfile.ZipFile(tmp_path / "huge.npz", "w") as file:
        for name in there.namelist():
            file.writestr(name, there.read(name) if name == "meta.npy" else entry.getvalue() + bytes(8))
    with pytest.raises(ArchiveError, match=r"claims shape \(1125899906842624,\), which is not its size"):
        read_archive(tmp_path / "huge.npz", "thing", 2)


def test_an_archive_that_unpacks_to_gigabytes_takes_no_memory(archive, tmp_path):
    entry = io.BytesIO()
    np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": (1 << 29,)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as to:
        to.write(entry.getvalue())
        for _ in range(512):
            to.write(bytes(1 << 20))
    with pytest.raises(ArchiveError, match="its entries are larger than the file"):
        read_archive(tmp_path / "bomb.npz", "thing", 2)


def test_a_file_that_cannot_be_read_now_is_not_called_damaged():
    with pytest.raises(OSError, match="Input/output error"):
        read_archive("/proc/self/mem", "thing", 1)


def test_the_name_of_the_header_is_taken(tmp_path, refused):
    with refused(ValueError, "write_archive: arrays must not use the name 'meta'"):
        write_archive(tmp_path / "x.npz", "thing", 1, {}, {"meta": np.ones(1)})
    assert list(tmp_path.iterdir()) == []


def test_load_run_refuses_what_is_no_run(archive, refused, tmp_path):
    with refused(ArchiveError, f"{archive}: must be a subnetlab-run file, got kind 'thing'"):
        sl.load_run(archive)
    run = sl.train(sl.ShallowReLU.initialize(5, 2), np.eye(2), np.ones(2), sl.gradient_descent(1))
    run.export_network(tmp_path / "network.npz")
    with refused(ArchiveError, f"{tmp_path}/network.npz: must be a subnetlab-run file, got kind 'subnetlab-network'"):
        sl.load_run(tmp_path / "network.npz")


# atomic files


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


def test_a_zip_of_something_else_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", X=np.eye(2))
    with pytest.raises(ArchiveError, match=r"other\.npz: not a readable thing file \(it has no entry 'meta'\)"):
        read_archive(tmp_path / "other.npz", "thing", 1)


def test_what_may_not_be_read_is_no_damaged_file(tmp_path, monkeypatch):
    def refuse(path, *_):  # root may read everything
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "secret.npz").touch()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"secret\.npz': permission denied"):
        read_archive(tmp_path / "secret.npz", "thing", 1)


# what stands in the place of an output


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
