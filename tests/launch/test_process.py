"""How a worker process ends: exit codes for torchrun, the outcome for the launcher."""

from __future__ import annotations

import json
import subprocess
import sys

from subnetlab.launch.rendezvous import listen

SCRIPT = """
import sys
from subnetlab.launch import process
{change}
sys.exit(process.main(sys.argv[1:]))
"""


def end(tmp_path, *options, change=""):
    """Run one worker; return its exit code, its outcome and what it printed."""
    command = [sys.executable, "-c", SCRIPT.format(change=change), str(tmp_path / "job"), "--workers", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    outcome = tmp_path / "outcome.json"
    return done.returncode, json.loads(outcome.read_text()) if outcome.exists() else None, done.stderr


def test_without_a_job_under_a_launcher(torch, tmp_path):
    code, outcome, printed = end(tmp_path, "--address", "127.0.0.1:0", "--private", str(tmp_path))
    assert code == 0  # after another code torchrun would start all workers again
    assert outcome["status"] == "failed"
    assert "job-0.npz" in outcome["message"]
    assert printed == outcome["message"] + "\n"


def test_without_a_job_under_torchrun_alone(torch, tmp_path):
    free = listen("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    code, outcome, printed = end(tmp_path, "--address", f"127.0.0.1:{port}")
    assert (code, outcome) == (2, None)
    assert "job-0.npz" in printed


def test_a_worker_that_fails_too_often_says_so(torch, tmp_path):
    options = ["--address", "127.0.0.1:0", "--private", str(tmp_path), "--max-restarts", "1", "--timeout", "30"]
    code, outcome, _ = end(tmp_path, *options, change="process._work = lambda *arguments: 1")
    assert code == 0
    assert outcome == {
        "status": "failed",
        "message": "launch: a worker may fail max_restarts = 1 times without a checkpoint in between, got one more; "
        "its log tells why (a round that takes longer than timeout = 30 s is a failure, too)",
    }


def test_a_free_port_needs_a_launcher(tmp_path):
    code, _, printed = end(tmp_path, "--address", "127.0.0.1:0")
    assert (code, printed) == (2, "launch: address must have a port, got '127.0.0.1:0'\n")


def test_the_old_name_of_the_process_works_and_warns(torch, tmp_path):
    command = [sys.executable, "-m", "subnetlab.engines.distributed.process", str(tmp_path), "--workers", "1"]
    done = subprocess.run(
        [*command, "--address", "127.0.0.1:0"], capture_output=True, text=True, timeout=300, check=False
    )
    warning, message = "is now subnetlab.launch.process", "launch: address must have a port, got '127.0.0.1:0'"
    assert done.returncode == 2
    assert warning in done.stderr and message in done.stderr
