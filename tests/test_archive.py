"""Archives: what is written is read, and damage is found."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.archive import ArchiveError, read_archive, write_archive

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
