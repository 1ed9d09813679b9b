"""`subnetlab launch` from the command line: torchrun, a killed worker, other workers on resuming, bad requests."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli import launch
from subnetlab.cli.main import main
from subnetlab.launch.checkpoint import Checkpoints, Manifest
from subnetlab.launch.outcome import append_event, events_after, log_end
from subnetlab.launch.process import ended_without
from subnetlab.launch.rendezvous import listen

DATA = ["--dataset", "diabetes", "--n-samples", "40"]
RUN = ["--p", "6", "--rounds", "60", "--tau", "3", "--width", "300", "--checkpoint-every", "5", "--timeout", "60"]


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
    run = assert_same_as_train(folder)
    origin = json.loads((folder / "provenance.json").read_text())
    assert origin["name"] == "diabetes"
    assert origin["versions"] == run.provenance
    assert origin["run"]["scheme"]["step_size"] == run.settings.step_size  # "auto" was asked for

    more = [*RUN[:3], "70", *RUN[4:]]
    assert main(["launch", "--out", str(folder), "--workers", "2", *DATA, *more, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["n_samples"], summary["workers"], summary["rounds"]) == (40, 2, 70)
    assert json.loads((folder / "summary.json").read_text()) == summary
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
        (["--local-workers", "3"], "local-workers must be at most workers 2, got 3"),
        (
            ["--local-workers", "1"],
            "address must be HOST:PORT of machine 0 for workers on several machines, got none",
        ),
        (
            ["--local-workers", "1", "--machine", "2", "--address", "127.0.0.1:1"],
            "machine must be a number from 0 to 1, for machines before this one have workers, too, got 2",
        ),
        (["--address", "here"], "address must be HOST:PORT, a name or IPv4 address, got 'here'"),
        (["--address", ":29500"], "address must be HOST:PORT, a name or IPv4 address, got ':29500'"),
        (["--address", "127.0.0.1:65536"], "address must be HOST:PORT, a name or IPv4 address, got '127.0.0.1:65536'"),
        (["--address", "10.0.0.1:0", "--local-workers", "1"], "address must have a port, got '10.0.0.1:0'"),
        (["--timeout", "0"], "timeout must be above 0, got 0.0"),
        (["--checkpoint-every", "0"], "checkpoint-every must be at least 1, got 0"),
        (
            ["--width", "100000000"],
            "eta must be a number for a network of more than 1 GiB, got 'auto'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_requests_are_refused_before_any_work(torch, tmp_path, capsys, options, message):
    assert main(["launch", "--out", str(tmp_path / "run"), *DATA, *options]) == 2
    assert capsys.readouterr().err == f"subnetlab launch: --{message}\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("192.0.2.1:29531", "address must be an address of machine 0, got 192.0.2.1:29531 "),
        ("0.0.0.0:29531", "address must be one by which the others reach machine 0, got 0.0.0.0:29531"),
    ],
)
def test_an_address_that_cannot_be_bound_is_refused_before_any_work(torch, tmp_path, capsys, address, message):
    assert main(["launch", "--out", str(tmp_path / "run"), *DATA, "--address", address]) == 1
    assert capsys.readouterr().err.startswith(f"subnetlab launch: --{message}")
    assert not (tmp_path / "run").exists()


def test_force_takes_a_folder_over(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    others = Checkpoints(folder, "0" * 64)
    others.complete(Manifest(3, [others.write_slot(3, 0, np.zeros((5, 4)))], {}, {}))
    run = ["launch", "--out", str(folder), "--workers", "1", *DATA, "--p", "2", "--rounds", "2", "--width", "50"]
    assert main(run) == 2
    assert f"{folder} holds checkpoints, but no settings.json that tells what made it" in capsys.readouterr().err
    assert main([*run, "--force"]) == 0
    assert sl.load_run(folder / "run.npz").history.rounds == 2


def test_a_damaged_checkpoint_is_said_and_never_gone_on_from(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    command = ["launch", "--out", str(folder), "--workers", "2", *DATA, "--p", "2", "--width", "50", "--eta", "0.01"]
    command += ["--checkpoint-every", "4", "--rounds"]
    assert main([*command, "8"]) == 0
    slot = folder / "checkpoints" / "round-00000008" / "slot-00001.npy"
    slot.write_bytes(slot.read_bytes()[:-1])
    capsys.readouterr()

    def stop():
        wait_for(lambda: len(events(folder, "round")) > 8)
        (folder / "stop").touch()

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert main([*command, "1000000"]) == 130
    stopper.join()
    damaged, going_on, *_ = capsys.readouterr().err.splitlines()
    assert damaged == "the checkpoint of round 8 is damaged and set aside"
    assert going_on == f"{folder}: going on after round 4 of 1000000"
    assert sl.load_run(folder / "run.npz").history.rounds == events(folder, "end")[-1]["rounds"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [("SIGTERM", 130), ("SIGTERM to every process", 130), ("SIGKILL", -9)],  # SIGTERM goes the way of Ctrl-C
)
def test_no_worker_outlives_the_launcher(torch, tmp_path, kind, code):
    folder = tmp_path / "run"
    endless = [*RUN[:3], "1000000", *RUN[4:], "--step-size", "0.01"]
    command = [sys.executable, "-m", "subnetlab.cli.main", "launch", "--out", str(folder), "--workers", "2"]
    with open(tmp_path / "stderr", "w") as stderr:
        launcher = subprocess.Popen([*command, *DATA, *endless], stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        wait_for(lambda: len(events(folder, "round")) > 3)
        for pid in at_work(folder) if "every" in kind else [launcher.pid]:
            with suppress(ProcessLookupError):  # the first signal may have ended the job before the last is sent
                os.kill(pid, signal.SIGKILL if kind == "SIGKILL" else signal.SIGTERM)
        assert launcher.wait(300) == code
        wait_for(lambda: not at_work(folder))
    finally:
        launcher.kill()
        launcher.wait()
    if code == 130:
        assert len(events(folder, "begin")) == 1
        assert "stopped after a checkpoint" in (tmp_path / "stderr").read_text()
        assert list(folder.glob("checkpoints/*/complete.npz"))
        assert not (folder / "stop").exists()


NO_SEMAPHORES = """from multiprocessing import synchronize


def refused(*args, **named):
    raise OSError("no /dev/shm")


synchronize.SemLock.__init__ = refused
"""


@pytest.mark.parametrize("started", ["forked", "as programs"])
def test_nothing_outside_reaches_the_workers(torch, tmp_path, started):
    """Neither an outer launcher's variables nor files of the current folder nor torchrun's macros in names.

    Where the system has no semaphores, for want of /dev/shm, torchrun cannot fork the workers.
    """
    here, folder = tmp_path / "here", "-a$$b${local_rank}"
    here.mkdir()
    (tmp_path / "sitecustomize.py").write_text(NO_SEMAPHORES)
    for module in ("random", "torch", "numpy", "subnetlab"):
        (here / f"{module}.py").write_text("open('executed', 'w')\n")
    outer = {
        **{
            "PET_NNODES": "4",
            "PET_NO_PYTHON": "1",
            "PET_RUN_PATH": "1",
            "PET_STANDALONE": "1",
            "PET_LOG_DIR": "/proc/none",
        },
        **{"MASTER_ADDR": "192.0.2.1", "MASTER_PORT": "1", "WORLD_SIZE": "32", "RANK": "16", "LOCAL_RANK": "1"},
        **{"TORCHELASTIC_RESTART_COUNT": "3", "TORCHELASTIC_USE_AGENT_STORE": "True", "GLOO_SOCKET_IFNAME": "none0"},
        **({"PYTHONPATH": str(tmp_path)} if started == "as programs" else {}),
    }
    program = "import sys; from subnetlab.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", program, "launch", f"--out=./{folder}", "--workers", "2", *DATA, *RUN]
    done = subprocess.run(
        command, cwd=here, env={**os.environ, **outer}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (here / "executed").exists()
    assert_same_as_train(here / folder)


def test_workers_that_never_came_are_not_counted(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    free = listen("127.0.0.1", 0)
    address = "{}:{}".format(*free.getsockname())
    free.close()
    alone = ["--workers", "2", "--local-workers", "1", "--address", address, "--patience", "0.1", "--json"]
    assert main(["launch", "--out", str(folder), *DATA, *RUN, *alone]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["workers"] == 1
    assert "1 of 2 workers came; going on without the others" in told.err


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def at_work(folder):
    """Return the processes that have this folder among their arguments."""
    found = []
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if os.fsencode(folder) in words:
                found.append(int(process))
    return found


OWN_LAW = """
from dataclasses import dataclass
import numpy as np
import subnetlab as sl

@dataclass(frozen=True)
class Turns(sl.Bernoulli):
    # every second neuron, in turns

    def sample(self, seed, round, width):
        return np.array([self.sample_subnetwork(seed, round, width, l) for l in range(self.n_subnetworks)])

    def sample_subnetwork(self, seed, round, width, subnetwork):
        return (np.arange(width) + subnetwork + round) % 2 == 0

@dataclass(frozen=True)
class Halves(sl.Bernoulli):
    # no masks at all

    def sample(self, seed, round, width):
        return 0.5 * super().sample(seed, round, width)
"""


def test_workers_import_the_law_of_ones_own(torch, tmp_path, capsys, monkeypatch):
    (tmp_path / "laws_of_ones_own.py").write_text(OWN_LAW)
    monkeypatch.syspath_prepend(tmp_path)
    folder, request = tmp_path / "run", ["launch", *DATA, *RUN[:2], "--rounds", "6", "--width", "60", "--workers", "2"]
    try:
        assert main([*request, "--masks", "laws_of_ones_own:Halves", "--out", str(folder)]) == 2
        assert "Halves: must draw masks of bool of shape (p, m) = (6, 60)" in capsys.readouterr().err
        assert not folder.exists()
        assert main([*request, "--masks", "laws_of_ones_own:Turns", "--out", str(folder)]) == 0
        run = assert_same_as_train(folder)
        assert type(run.scheme.masks).__name__ == "Turns"
    finally:
        sys.modules.pop("laws_of_ones_own", None)


def test_a_folder_in_use_is_refused(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with open(folder / "lock-0", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["launch", "--out", str(folder), *DATA]) == 1
    assert f"{folder}: one process at a time may run launch, and another process is at it" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["lock-0"]  # workers that begin again would read what it wrote


def test_force_on_a_running_job_changes_nothing(torch, tmp_path, capsys):
    folder = tmp_path / "run"
    command = ["launch", "--out", str(folder), "--workers", "1", *DATA, "--p", "2", "--rounds", "2", "--width", "50"]
    assert main(command) == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with open(folder / "lock-0", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main([*command, "--seed", "1", "--force"]) == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert main([*command, "--seed", "1", "--force"]) == 0
    assert sl.load_run(folder / "run.npz").settings.seed == 1
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["round-00000002"]


@pytest.mark.parametrize("force", [False, True])
def test_another_machine_may_begin_before_machine_0(torch, tmp_path, force):
    """It leaves its job in the folder, which machine 0 neither refuses nor removes."""
    folder = tmp_path / "run"
    if force:
        folder.mkdir()
        (folder / "settings.json").write_text('{"command": "launch", "seed": 7}')
    free = listen("127.0.0.1", 0)
    spread = ["--workers", "2", "--local-workers", "1", "--address", "{}:{}".format(*free.getsockname())]
    free.close()
    program = [sys.executable, "-m", "subnetlab.cli.main"]
    command = ["launch", "--out", str(folder), *DATA, *RUN, *spread, *(["--force"] if force else [])]
    with open(tmp_path / "stderr", "w") as stderr:
        other = subprocess.Popen([*program, *command, "--machine", "1"], stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        wait_for((folder / "job-1.npz").exists)
        assert main(command) == 0
        assert other.wait(300) == 0, (tmp_path / "stderr").read_text()
    finally:
        other.kill()
        other.wait()
    assert len(events(folder, "begin")[-1]["pids"]) == 2
    assert_same_as_train(folder)


def test_lines_of_the_log_that_are_no_events_are_passed_over(tmp_path):
    """Cut short by a full disk, or somebody else's."""
    append_event(tmp_path, "begin", 0, attempt=0, pids=[1, 2])
    append_event(tmp_path, "round", 1, full_error=0.5)
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"ev{"event": "round"}\n5\n[]\nnull\n{}\n{"event": []}\n{"event": "round", "rounds": "2"}\n')
        log.write('{"event": "noon", "rounds": 3}\n' + "[" * 100_000 + "\n\xff\n")
    append_event(tmp_path, "end", 2, status="finished")
    whole = log_end(tmp_path)
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"eve')
    found, position = events_after(tmp_path, 0)
    assert [event["event"] for event in found] == ["begin", "round", "end"]
    assert position == whole
    assert events_after(tmp_path, position) == ([], position)
    assert events_after(tmp_path / "nowhere", 7) == ([], 7)


def test_without_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    assert main(["launch", "--out", str(tmp_path / "run"), *DATA]) == 1
    assert capsys.readouterr().err == "subnetlab launch: needs torch: pip install 'subnetlab[torch]'\n"
    assert not (tmp_path / "run").exists()


def test_who_was_away_when_the_others_ended_reads_how(tmp_path):
    assert ended_without(tmp_path, 0, rounds=5) is None
    append_event(tmp_path, "end", 4, status="stopped")
    assert ended_without(tmp_path, 0, rounds=5) == ("stopped", "")
    assert ended_without(tmp_path, log_end(tmp_path), rounds=5) is None  # that was another launch
    started = log_end(tmp_path)
    append_event(tmp_path, "round", 5, full_error=0.1)
    assert ended_without(tmp_path, started, rounds=5) is None
    append_event(tmp_path, "end", 5, status="finished")
    assert ended_without(tmp_path, started, rounds=5) == ("finished", "")
    assert ended_without(tmp_path, log_end(tmp_path), rounds=5) == ("finished", "")  # for good
    assert ended_without(tmp_path, log_end(tmp_path), rounds=6) is None
