"""`subnetlab launch` from the command line: torchrun, a killed worker, other workers on resuming, bad requests."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli import launch
from subnetlab.cli.main import main
from subnetlab.engines.distributed.process import _ended_without

DATA = ["--dataset", "diabetes", "--n-samples", "40"]
RUN = ["--p", "6", "--rounds", "60", "--tau", "3", "--width", "300", "--checkpoint-every", "5", "--timeout", "15"]


def events(folder, kind):
    log = folder / "log.jsonl"
    if not log.exists():
        return []
    lines = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if line["event"] == kind]


def kill_one(folder, after_rounds):
    """Kill a worker, once, when some rounds are done."""
    while len(events(folder, "round")) < after_rounds:
        time.sleep(0.01)
    os.kill(events(folder, "begin")[-1]["pids"][1], signal.SIGKILL)


def assert_same_as_train(folder, **scheme):
    run = sl.load_run(folder / "run.npz")
    alone = sl.train(
        run.initial_network, run.data.X, run.data.y, run.scheme, engine="distributed", record="subnetworks"
    )
    assert run.status == "finished"
    assert run.network.weights.tobytes() == alone.network.weights.tobytes()
    assert run.history == alone.history
    with np.load(folder / "network.npz") as exported:
        assert exported["weights"].tobytes() == alone.network.weights.tobytes()
    return run


def test_a_killed_worker_costs_time_only(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    killer = threading.Thread(target=kill_one, args=(folder, 8))
    killer.start()
    assert main(["launch", "--out", str(folder), "--workers", "3", *DATA, *RUN]) == 0
    killer.join()
    begins = events(folder, "begin")
    assert len(begins) == 2
    assert begins[1]["rounds"] >= 5
    assert begins[1]["rounds"] % 5 == 0
    assert "a worker was lost; going on after round" in capsys.readouterr().err
    assert_same_as_train(folder)

    more = [*RUN[:3], "70", *RUN[4:]]
    assert main(["launch", "--out", str(folder), "--workers", "2", *DATA, *more, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["workers"], summary["rounds"]) == (2, 70)
    run = assert_same_as_train(folder)
    header, *lines = (folder / "history.csv").read_text().splitlines()
    assert header.endswith("full_error,workers,bytes_sent,seconds_computing,seconds_waiting")
    assert len(lines) == 70
    assert [line.split(",")[5] for line in lines] == [repr(float(e)) for e in run.history.full_error[1:]]
    assert {line.split(",")[6] for line in lines[60:]} == {"2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "5"], "workers must be at most the number of subnetworks 4, got 5"),
        (["--workers", "0"], "workers must be at least 1, got 0"),
        (["--local-workers", "3"], "local_workers must be at most workers 2, got 3"),
        (
            ["--local-workers", "1"],
            "address must be HOST:PORT of machine 0 for workers on several machines, got none",
        ),
        (["--address", "here"], "address must be HOST:PORT, got 'here'"),
        (["--timeout", "0"], "timeout must be above 0, got 0.0"),
        (["--checkpoint-every", "0"], "checkpoint_every must be at least 1, got 0"),
        (
            ["--width", "100000000"],
            "step_size must be a number for a network of more than 1 GiB, got 'auto'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_requests_are_refused_before_any_work(torch, tmp_path, capsys, options, message):
    assert main(["launch", "--out", str(tmp_path / "run"), *DATA, *options]) == 2
    assert capsys.readouterr().err == f"subnetlab launch: {message}\n"
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with open(folder / "lock-0", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["launch", "--out", str(folder), *DATA]) == 1
    message = f"subnetlab launch: no workers may be at work in the folder, got {folder}\n"
    assert capsys.readouterr().err == message


def test_without_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    assert main(["launch", "--out", str(tmp_path / "run"), *DATA]) == 1
    assert capsys.readouterr().err == "subnetlab launch: needs torch: pip install 'subnetlab[torch]'\n"
    assert not (tmp_path / "run").exists()


def test_who_was_away_when_the_others_ended_reads_how(tmp_path):
    now = time.time()
    assert _ended_without(tmp_path, now) == ""
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"event": "end", "time": now + 1, "rounds": 5, "status": "finished"}) + "\n")
    assert _ended_without(tmp_path, now) == "finished"
    assert _ended_without(tmp_path, now + 100) == ""  # that was another launch
    log.write_text(json.dumps({"event": "round", "time": now + 1, "rounds": 5}) + "\n")
    assert _ended_without(tmp_path, now) == ""
