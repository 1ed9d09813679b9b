"""The launcher's own folder: what is left of killed launchers goes, and no full disk hides how a job ended."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from subnetlab.launch.outcome import private_folder, tell

KILLED = "import os, subnetlab.launch.outcome as p\nwith p.private_folder(): os._exit(9)"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None


def test_the_first_worker_that_tells_the_outcome_is_heard(temporary):
    with private_folder() as private:
        assert private.outcome() is None
        tell(private.path, "finished", "")
        tell(private.path, "failed", "too late")
        assert private.outcome() == ("finished", "")
        assert private.outcome() == ("finished", "")
    tell(private.path, "finished", "")  # nobody is there any more
    assert list(temporary.iterdir()) == []


def test_a_long_message_is_cut(temporary):
    with private_folder() as private:
        tell(private.path, "failed", "é" * 5000)
        assert private.outcome() == ("failed", "é" * 1500)


def test_folders_of_killed_launchers_go_and_those_of_living_ones_stay(temporary):
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    (dead,) = temporary.iterdir()
    (temporary / "subnetlab-somebody's").mkdir()
    with private_folder() as living, private_folder():
        assert not dead.exists()
        assert living.path.exists()
    assert [path.name for path in temporary.iterdir()] == ["subnetlab-somebody's"]


def test_a_launcher_that_begins_is_not_taken_for_dead_by_another(temporary, monkeypatch):
    """The other one looks around at the worst moment: the new folder is there, its lock not yet held."""
    lock = fcntl.flock

    def late(*args):
        monkeypatch.setattr(fcntl, "flock", lock)
        with private_folder():
            pass
        lock(*args)

    monkeypatch.setattr(fcntl, "flock", late)
    with private_folder() as private:
        assert private.path.exists()
        with private_folder():
            assert private.path.exists()
    assert list(temporary.iterdir()) == []


LAUNCH = """
import sys, threading, time
from pathlib import Path
from subnetlab.cli.main import main

folder = Path(sys.argv[1])

def fill():
    log = folder / "log.jsonl"
    while not (log.exists() and '"round"' in log.read_text()):
        time.sleep(0.01)
    with open("/mnt/all", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            (folder / "full").touch()

threading.Thread(target=fill).start()
sys.exit(main(sys.argv[2:]))
"""


def test_a_full_disk_for_temporary_files(torch, tmp_path):
    """Full from the first round on: the job ends as any other. Full at the start: it is said, and nothing begins."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    small = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=1m none /mnt && exec "$@"', "sh"]
    if subprocess.run([*small, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    folder = tmp_path / "run"
    options = ["launch", "--out", str(folder), "--workers", "2", "--dataset", "diabetes", "--n-samples", "20"]
    options += ["--p", "2", "--width", "50", "--rounds", "100", "--checkpoint-every", "1", "--json", "--quiet"]
    command = [*small, sys.executable, "-c", LAUNCH, str(folder), *options, "--max-restarts", "1"]
    environment = {**os.environ, "TMPDIR": "/mnt"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["rounds"] == 100
    assert (folder / "full").exists()
    command = [*small, "sh", "-c", 'head -c 1000000 /dev/zero > /mnt/all; exec "$@"', "sh"]
    command += [sys.executable, "-m", "subnetlab", *options[:2], str(tmp_path / "other"), *options[3:]]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 1
    assert ended.stderr.endswith("subnetlab launch: /mnt: no space left on device\n")
