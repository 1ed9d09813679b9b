import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main

SMALL = ["train", "--dataset", "diabetes", "--n-samples", "20", "--width", "50", "--p", "3", "--tau", "2"]


def test_a_run_leaves_everything_in_its_folder(tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*SMALL, "--rounds", "6", "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    run = sl.load_run(out / "run.npz")
    assert run.history.rounds == summary["rounds"] == 6
    assert json.loads((out / "summary.json").read_text()) == summary
    assert summary["error_after"] == run.history.full_error[-1]
    with (out / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["full_error"]) for row in rows] == run.history.full_error[1:].tolist()
    assert [float(row["local_error_2"]) for row in rows] == run.history.local_error[:, 1].tolist()
    with np.load(out / "network.npz", allow_pickle=False) as network:
        assert np.array_equal(network["weights"], run.network.weights)


@pytest.mark.parametrize("command", ["train", "reproduce"])
def test_what_the_theory_cannot_use_is_said_before_training(tmp_path, capsys, command):
    np.savez(tmp_path / "mine.npz", X=[[1.0, 1.0], [2.0, 1.0], [-1.0, -1.0]], y=np.ones(3))
    flags = ["--width", "5", "--rounds", "2", "--eta", "0.1", "--out", str(tmp_path / "out"), "--quiet"]
    flags += ["--figures", "2a", "--final-rounds", "1", "--jobs", "1"] if command == "reproduce" else []
    assert main([command, "--dataset", str(tmp_path / "mine.npz"), *flags]) == 0
    assert "note: 2 rows lie on 1 shared lines (1 with antipodal rows)" in capsys.readouterr().err


def test_more_rounds_go_on_with_the_bits_of_one_run(tmp_path, capsys):
    out, whole = tmp_path / "parts", tmp_path / "whole"
    assert main([*SMALL, "--rounds", "3", "--out", str(out)]) == 0
    assert main([*SMALL, "--rounds", "7", "--out", str(out)]) == 0
    assert "going on after round 3 of 7" in capsys.readouterr().err
    assert main([*SMALL, "--rounds", "7", "--out", str(whole)]) == 0
    a, b = sl.load_run(out / "run.npz"), sl.load_run(whole / "run.npz")
    assert a.history == b.history
    assert np.array_equal(a.network.weights, b.network.weights)


def test_other_settings_in_the_folder_are_refused(tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*SMALL, "--rounds", "2", "--out", str(out)]) == 0
    before = (out / "run.npz").read_bytes()
    assert main([*SMALL, "--rounds", "2", "--out", str(out), "--xi", "0.7"]) == 2
    assert "selection_prob: there 0.5, asked 0.7" in capsys.readouterr().err
    assert (out / "run.npz").read_bytes() == before


def test_divergence_keeps_the_completed_rounds(tmp_path, capsys):
    out = tmp_path / "run"
    code = main([*SMALL, "--rounds", "200", "--eta", "1e3", "--out", str(out)])
    assert code == 1
    err = capsys.readouterr().err
    assert "diverged in round" in err and "step_size" in err
    assert sl.load_run(out / "run.npz").status == "diverged"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--xi", "1.5"], "--xi must be in (0, 1], got 1.5"),
        (["--p", "0"], "--p must be at least 1, got 0"),
        (["--dataset", "nowhere.csv", "--target", "y"], "nowhere.csv"),
        (["--engine", "warp"], "engine must be 'auto' or one of"),
    ],
)
def test_bad_input_starts_nothing(tmp_path, capsys, flags, message):
    out = tmp_path / "run"
    assert main([*SMALL, *flags, "--rounds", "2", "--out", str(out)]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not out.exists()


def bound_by_permissions():
    """What to write before a command so that it may write only where permissions allow; root may write everywhere."""
    if os.geteuid() != 0:
        return []
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None or subprocess.run([*bound, "true"], check=False).returncode != 0:
        pytest.skip("root may write everywhere, and setpriv cannot take that away here")
    return bound


@pytest.mark.parametrize(
    ("folder", "message"),
    [("kept", "kept: the output folder must be writable"), ("kept/run", "run: the output folder cannot be made (Perm")],
)
def test_an_unwritable_folder(tmp_path, folder, message):
    (tmp_path / "kept").mkdir(mode=0o500)
    command = [*bound_by_permissions(), sys.executable, "-m", "subnetlab.cli.main", *SMALL, "--rounds", "2"]
    ended = subprocess.run([*command, "--out", str(tmp_path / folder)], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert message in ended.stderr and "Traceback" not in ended.stderr
    assert list((tmp_path / "kept").iterdir()) == []


def test_an_output_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([*SMALL, "--rounds", "2", "--out", str(tmp_path / "file" / "run")]) == 1
    assert "file" in capsys.readouterr().err


TELLS = """
import sys
from pathlib import Path
from subnetlab.cli.main import main
from subnetlab.training.session import TrainingSession

def advance(self, own=TrainingSession.advance):
    record = own(self)
    Path(sys.argv[1]).touch()
    return record

TrainingSession.advance = advance
sys.exit(main(sys.argv[2:]))
"""


def test_ctrl_c_keeps_the_rounds_and_the_same_command_goes_on(tmp_path):
    out, begun = tmp_path / "run", tmp_path / "begun"
    command = [sys.executable, "-c", TELLS, str(begun), *SMALL, "--rounds", "100000", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not begun.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "interrupted" in err and "Traceback" not in err
    kept = sl.load_run(out / "run.npz")
    assert kept.status == "unfinished"
    more = kept.history.rounds + 1
    assert main([*SMALL, "--rounds", str(more), "--out", str(out)]) == 0
    assert sl.load_run(out / "run.npz").history.rounds == more


def test_rounds_are_not_taken_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "--dataset", "diabetes", "--width", "20", "--p", "2", "--quiet", "--out", "run", "--rounds"]
    assert main([*arguments, "3"]) == 0
    assert main([*arguments, "3"]) == 0
    assert capsys.readouterr().err == "run: all 3 rounds are done\n"
    kept = (tmp_path / "run" / "run.npz").read_bytes()
    assert main([*arguments, "2"]) == 2
    assert capsys.readouterr().err == "subnetlab train: --rounds must be at least the 3 that run holds, got 2\n"
    assert (tmp_path / "run" / "run.npz").read_bytes() == kept


def test_the_end_says_how_well_the_network_predicts(tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*SMALL, "--n-validation", "9", "--rounds", "6", "--out", str(out)]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line)
    run = sl.load_run(out)
    for rows, X, y in (
        ("training", run.data.X, run.data.y),
        ("validation", run.data.X_validation, run.data.y_validation),
    ):
        left = ((y - run.predict(X)) ** 2).mean()
        assert float(said[f"rmse_{rows}"]) == pytest.approx(left**0.5, rel=1e-5)
        assert float(said[f"r2_{rows}"]) == pytest.approx(1 - left / y.var(), rel=1e-4)
    assert json.loads((out / "summary.json").read_text())["r2_training"] == pytest.approx(
        float(said["r2_training"]), 1e-5
    )


def test_two_classes_by_the_logistic_loss(tmp_path, capsys):
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "mine.npz", X=X, y=(X[:, 0] > 0).astype(float))
    flags = ["train", "--dataset", str(tmp_path / "mine.npz"), "--width", "60", "--p", "3", "--rounds", "30", "--json"]
    assert main([*flags, "--loss", "logistic", "--out", str(tmp_path / "run")]) == 0
    summary = json.loads(capsys.readouterr().out)
    run = sl.load_run(tmp_path / "run")
    assert run.settings.loss == "logistic"
    assert summary["accuracy_training"] == np.mean((run.predict(run.data.X) > 0) == run.data.y)
    assert summary["rmse_training"] < 0.5 and "accuracy_validation" not in summary
    assert main([*flags, "--loss", "squared", "--out", str(tmp_path / "run")]) == 2
    assert "loss: there 'logistic', asked None" in capsys.readouterr().err
    assert main([*flags, "--loss", "squared", "--out", str(tmp_path / "other")]) == 0
    assert "loss" not in json.loads((tmp_path / "other" / "settings.json").read_text())  # as before there was --loss


def test_the_logistic_loss_wants_classes(tmp_path, capsys):
    assert main([*SMALL, "--centre-target", "--loss", "logistic", "--out", str(tmp_path / "run")]) == 2
    assert "must be in [0, 1] for the logistic loss" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
