"""What `launch status` says of logs that are written here by hand."""

import json
import subprocess
import sys

import pytest

from subnetlab.cli.launch_status import sentence, state_of
from subnetlab.cli.main import main

BEGIN = {"event": "begin", "time": 100.0, "rounds": 0, "attempt": 0, "pids": [7, 8, 9]}


def script_round(k, time, training=1):
    costs = {"workers": 3, "bytes_sent": 10}
    return {
        "event": "script_round", "time": time, "rounds": k, "training": training, "of": 40, "loss": 2.0 / k, **costs,
    }  # fmt: skip


def test_a_job_that_runs():
    """Rounds of 2, 3 and 4 seconds since the last beginning; the wait before it is no round."""
    again = {**BEGIN, "attempt": 1, "time": 500.0, "pids": [7, 8]}
    rounds = [script_round(k, time) for k, time in ((11, 502.0), (12, 504.0), (13, 507.0), (14, 511.0))]
    told = state_of([BEGIN, script_round(12, 130.0), again, *rounds], now=512.0)
    assert told == {
        "status": "begun", "message": None, "rounds": 14, "of": 40, "training": 1, "loss": 2 / 14, "workers": 2,
        "restarts": 1, "seconds_per_round": 3.0, "seconds_since": 1.0,
    }  # fmt: skip
    assert sentence({**told, "at_work": True}) == (
        "running, 14 of 40 rounds, loss 0.1429, 2 workers, 1 restart, 3 s a round, about 1 min left"
    )
    assert sentence({**told, "at_work": False}) == (
        "ended without a word, 14 of 40 rounds, loss 0.1429, 2 workers, 1 restart"
    )


def test_a_shallow_job_and_one_that_has_not_begun():
    ended = {"event": "end", "time": 104.0, "rounds": 1, "status": "finished"}
    told = state_of([BEGIN, {"event": "round", "time": 103.0, "rounds": 1, "full_error": 0.25}, ended], now=110.0)
    assert sentence({**told, "at_work": False}) == "finished, 1 rounds, loss 0.25, 3 workers"
    assert sentence({**state_of([], now=1.0), "at_work": True}) == "running, 0 rounds, 0 workers"


def test_a_job_that_failed():
    failed = {"event": "end", "time": 104.0, "rounds": 0, "status": "failed", "message": "launch: rates must be ..."}
    told = state_of([BEGIN, script_round(2, 103.0), failed], now=110.0)
    assert sentence({**told, "at_work": False}) == (
        "failed, 2 of 40 rounds, loss 1, 3 workers: launch: rates must be ..."
    )


def test_a_loss_that_is_no_number_and_a_log_of_something_else(tmp_path, capsys):
    log, lost = tmp_path / "log.jsonl", {**script_round(1, 101.0), "loss": float("nan")}
    log.write_text("".join(json.dumps(event) + "\n" for event in (BEGIN, lost)))
    assert main(["launch", "status", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["loss"] is None
    log.write_text('{"event": "request", "time": 1.0}\n')
    assert main(["launch", "status", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("subnetlab launch status: folder must be that of a launch")


def test_the_command(tmp_path, capsys):
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in (BEGIN, script_round(1, 101.0, 2))))
    assert main(["launch", "status", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path}: ended without a word, training 2, 1 of 40 rounds, loss 2, 3 workers\n"
    )
    assert main(["launch", "status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rounds"] == 1
    assert main(["launch", "status", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("subnetlab launch status: folder must be that of a launch")


@pytest.mark.parametrize("held", [True, False])
def test_a_lock_that_is_held_means_work(tmp_path, capsys, held):
    (tmp_path / "log.jsonl").write_text(json.dumps(BEGIN) + "\n")
    code = "import sys; from subnetlab.locks import locked; from pathlib import Path\n"
    code += f"with locked(Path({str(tmp_path / 'lock-0')!r}), 'work'): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        if not held:
            process.communicate()
        assert main(["launch", "status", str(tmp_path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["at_work"] is held
        if held:
            process.communicate()
