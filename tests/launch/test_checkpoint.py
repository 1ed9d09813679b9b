"""Checkpoints that are damaged, cannot be read now, or do not fit on the disk."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subnetlab.engines.distributed.group import JobError
from subnetlab.launch import checkpoint
from subnetlab.launch.checkpoint import Checkpoints, Manifest
from subnetlab.launch.job import Job, export_network

RELEASED = Path(__file__).parents[1] / "fixtures" / "launch"  # written by version 0.1.0 after 3 of its rounds
UNREADABLE = "/proc/self/mem"  # a regular file; reading its beginning gives EIO


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("law", ["categorical", "bernoulli"])
def test_the_checkpoints_of_a_released_version_go_on(train_group, replay, tmp_path, law, size):
    """Its job file, its manifest, and slots by subnetwork (categorical masks) or by home (Bernoulli, a late worker)."""
    shutil.copytree(RELEASED / law, tmp_path, dirs_exist_ok=True)
    job = Job.load(tmp_path / "job-0.npz")
    job = replace(job, scheme=replace(job.scheme, rounds=5))
    assert train_group(job, tmp_path, size) == ["finished"] * size
    log = (tmp_path / "log.jsonl").read_text()
    assert '"damaged"' not in log
    assert json.loads(log.splitlines()[0])["rounds"] == 3
    manifest = Checkpoints(tmp_path, job.digest()).newest()
    assert manifest.history["late"].any() == (law == "bernoulli")
    export_network(job, Checkpoints(tmp_path, job.digest()), manifest, tmp_path / "network.npz")
    weights, errors = replay(job, manifest.history["late"], 2)
    with np.load(tmp_path / "network.npz") as exported:  # made on another machine: no promise of bits
        np.testing.assert_allclose(exported["weights"], weights, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(manifest.history["full_error"][1:], errors, rtol=1e-12)
    assert manifest.history["costs"].shape == (5, 4)


def rounds_of(folder, job):
    return Checkpoints(folder, job.digest()).rounds()


@pytest.mark.parametrize("name", ["slot-00003.npy", "complete.npz"])
def test_a_file_that_cannot_be_read_now_ends_the_job_and_is_no_damage(make_job, train_group, tmp_path, name):
    train_group(make_job(rounds=6), tmp_path, 2)
    file = tmp_path / "checkpoints" / "round-00000006" / name
    kept = file.rename(tmp_path / "kept")
    file.symlink_to(UNREADABLE)
    outcomes = train_group(make_job(rounds=9), tmp_path, 2)
    assert [type(outcome) for outcome in outcomes] == [JobError] * 2
    assert str(outcomes[0]) == str(outcomes[1])
    assert "Input/output error" in str(outcomes[0])
    file.unlink()
    kept.rename(file)
    assert rounds_of(tmp_path, make_job()) == [6, 3]
    assert train_group(make_job(rounds=9), tmp_path, 2) == ["finished"] * 2
    assert '"damaged"' not in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EMFILE, "Too many open files")]
)
def test_trouble_of_the_system_is_told_from_damage(tmp_path, monkeypatch, error):
    checkpoints = Checkpoints(tmp_path, "0" * 64)
    manifest = Manifest(3, [checkpoints.write_slot(3, 0, np.ones((5, 4)))], {}, {})

    def fail(*args):
        raise error

    monkeypatch.setattr(checkpoint, "read_array", fail)
    with pytest.raises(OSError, match=r"slot-00000\.npy must be readable, got"):
        checkpoints.read_slot(manifest, 0, (5, 4), "float64")
    monkeypatch.setattr(checkpoint.os, "listdir", fail)
    with pytest.raises(type(error)):
        checkpoints.rounds()


def test_an_error_without_words_stops_all(group, torch):
    outcomes = group(2, lambda transport: transport.agree(MemoryError() if transport.rank else None))
    assert [(type(outcome), str(outcome)) for outcome in outcomes] == [(JobError, "MemoryError")] * 2


def test_a_damaged_checkpoint_is_none_of_the_two_that_are_kept(make_job, train_group, tmp_path):
    train_group(make_job(rounds=6), tmp_path, 2)
    slot = tmp_path / "checkpoints" / "round-00000006" / "slot-00003.npy"
    slot.write_bytes(slot.read_bytes()[:-1])
    assert rounds_of(tmp_path, make_job()) == [6, 3]
    train_group(make_job(rounds=5), tmp_path, 2, every=1)  # never comes to look at round 6
    assert rounds_of(tmp_path, make_job()) == [6, 5, 4]
    train_group(make_job(rounds=6), tmp_path, 2, every=100)
    assert rounds_of(tmp_path, make_job()) == [6, 5]
    assert Checkpoints(tmp_path, make_job().digest()).newest().round == 6
    assert not list(tmp_path.glob("checkpoints/*/damaged"))


def test_a_damaged_checkpoint_is_set_aside_until_there_are_newer_ones(make_job, train_group, tmp_path, monkeypatch):
    train_group(make_job(rounds=6), tmp_path, 2)
    slot = tmp_path / "checkpoints" / "round-00000006" / "slot-00003.npy"
    slot.write_bytes(slot.read_bytes()[:-1])
    (tmp_path / "stop").touch()
    assert train_group(make_job(rounds=9), tmp_path, 2) == ["stopped"] * 2
    assert rounds_of(tmp_path, make_job()) == [4, 3]  # both whole
    assert Checkpoints(tmp_path, make_job().digest()).newest().round == 4
    assert (slot.parent / "damaged").exists()
    train_group(make_job(rounds=9), tmp_path, 2)
    assert rounds_of(tmp_path, make_job()) == [9, 6]


def test_what_killed_workers_left_in_a_checkpoint_goes_when_it_is_complete(make_job, train_group, tmp_path):
    folder = tmp_path / "checkpoints" / "round-00000003"
    folder.mkdir(parents=True)
    (folder / ".slot-00001.npy.abcd.part").touch()
    train_group(make_job(rounds=3), tmp_path, 2)
    assert not list(folder.glob(".*"))


def test_columns_first_weights_are_written_as_rows(tmp_path):
    checkpoints, weights = Checkpoints(tmp_path, "0" * 64), np.arange(20.0).reshape(4, 5).T
    manifest = Manifest(3, [checkpoints.write_slot(3, 0, weights)], {}, {})
    assert (checkpoints.read_slot(manifest, 0, (5, 4), "float64") == weights).all()
    assert (np.load(checkpoints.folder_of(3) / "slot-00000.npy") == weights).all()


def test_no_more_memory_is_taken_for_a_slot_than_it_can_need(tmp_path, monkeypatch):
    """A file of a terabyte, most of it a hole, whose header and hash say that it is whole."""
    checkpoints, weights = Checkpoints(tmp_path, "0" * 64), np.ones((5, 4))
    manifest = Manifest(3, [checkpoints.write_slot(3, 0, weights)], {}, {})
    assert checkpoints.read_slot(manifest, 0, (4, 5), "float64") is None
    assert checkpoints.read_slot(manifest, 0, (5, 4), "float32") is None
    with open(checkpoints.folder_of(3) / "slot-00000.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
        file.truncate(file.tell() + 8 * 10**11)
    assert checkpoints.read_slot(manifest, 0, (5, 4), "float64") is None


EXPORT = """
import sys
from pathlib import Path
import numpy as np, subnetlab as sl
from subnetlab.launch.checkpoint import Checkpoints, Manifest
from subnetlab.launch.job import Job, export_network
scheme = sl.TrainingScheme(sl.Categorical(4), rounds=1, step_size=0.1)
job = Job(np.ones((3, 50)), np.ones(3), scheme, 4000, 1.0, 0, "float64", 1)
checkpoints = Checkpoints(Path(sys.argv[1]), job.digest())
W = np.ones((4000, 50))
slots = job.placement(Manifest(1, [], {'placed_by': 0}, {})).slots
hashes = [checkpoints.write_slot(1, slot, W[rows]) for slot, rows in enumerate(slots)]
manifest = Manifest(1, hashes, {'placed_by': 0}, {})
small = Path("/mnt/network.npz")
try:
    if sys.argv[2] == "slot":
        Checkpoints(small.parent, job.digest()).write_slot(1, 0, W)
    else:
        export_network(job, checkpoints, manifest, small)
except OSError as error:
    print(error)
print([path.name for path in small.parent.rglob("*") if not path.is_dir()])
"""


@pytest.mark.parametrize(
    ("what", "file"), [("slot", "checkpoints/round-00000001/slot-00000.npy"), ("export", "network.npz")]
)
def test_a_full_disk_is_said_and_left_as_it_was(tmp_path, what, file):
    """A file system of 1 MB, for a network of 1.6 MB."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    small = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=1m none /mnt && exec "$@"', "sh"]
    if subprocess.run([*small, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    command = [*small, sys.executable, "-c", EXPORT, str(tmp_path), what]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.stdout.splitlines() == [f"[Errno 28] No space left on device: '/mnt/{file}'", "[]"], ended.stderr
    assert ended.returncode == 0
