"""The lock of a folder: one works, many may ask who it is."""

import fcntl
import os
import time

import pytest

from subnetlab.locks import FolderBusyError, holder, locked


def test_one_works_at_a_time_and_anybody_can_ask_who(tmp_path):
    path = tmp_path / "lock"
    assert holder(path) is None
    with locked(path, "work"):
        assert holder(path).startswith(f"process {os.getpid()} on ")
        with pytest.raises(FolderBusyError, match=f"one process at a time may work, and process {os.getpid()} on"):
            locked(path, "work").__enter__()
    assert holder(path) is None


def test_who_asks_just_then_keeps_nobody_from_working(tmp_path, monkeypatch):
    """`holder` shares the lock for a moment; the one who wants it tries again after that."""
    path = tmp_path / "lock"
    path.touch()
    asker = os.open(path, os.O_RDONLY)
    fcntl.flock(asker, fcntl.LOCK_SH)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        fcntl.flock(asker, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", sleep)
    with locked(path, "work"):
        assert len(slept) == 1
        assert holder(path).startswith("process ")
    os.close(asker)
