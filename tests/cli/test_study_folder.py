"""The companions of `subnetlab study`: status, export and retry, as a user types them."""

import functools
import json
import os
import signal

import pytest

import subnetlab.cli.study as study_command
import subnetlab.cli.study_folder as retry_command
from subnetlab.cli.main import main
from subnetlab.study import Store, run_cell
from subnetlab.study.execution import execute


def test_failed_cells_give_code_3_and_can_be_retried(plan, tmp_path, capsys, monkeypatch):
    def run(cell):
        if cell.seed == 1 and cell.n_subnetworks == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return run_cell(cell)

    out = str(tmp_path / "out")
    monkeypatch.setattr(study_command, "execute", functools.partial(execute, run=run))
    monkeypatch.setattr(retry_command, "execute", functools.partial(execute, run=run))
    assert main(["study", str(plan), "--out", out, "--jobs", "1"]) == 3
    captured = capsys.readouterr()
    assert "3 ok, 0 diverged, 1 failed" in captured.out
    assert "its worker process died" in captured.err
    assert f"subnetlab study retry {out}" in captured.err
    monkeypatch.setattr(retry_command, "execute", execute)
    assert main(["study", "retry", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "retried": 1,
        "ok": 4,
        "diverged": 0,
        "failed": 0,
        "reused": 3,
    }


def test_a_busy_folder_is_refused_and_status_looks_on(plan, tmp_path, capsys):
    with Store(tmp_path / "out"):
        assert main(["study", str(plan), "--out", str(tmp_path / "out")]) == 1
        assert f"process {os.getpid()}" in capsys.readouterr().err
        assert main(["study", "status", str(tmp_path / "out")]) == 0
        assert f"running: process {os.getpid()}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "export", "retry"])
def test_a_folder_without_a_study(tmp_path, capsys, command):
    assert main(["study", command, str(tmp_path)]) == 1
    assert "there is no study here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
