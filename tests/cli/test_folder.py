import fcntl
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.atomic import atomic_file
from subnetlab.cli.folder import FolderConflictError, output_folder
from subnetlab.cli.main import main
from subnetlab.locks import FolderBusyError

DATA = ["--dataset", "diabetes", "--n-samples", "20"]
LAUNCH = ["--width", "50", "--p", "2", "--rounds", "2", "--workers", "1"]
REPRODUCE = ["--figures", "2a", "--width", "20", "--rounds", "2", "--final-rounds", "1", "--dynamics-seeds", "1"]
COMMANDS = {
    "train": ["train", *DATA, "--width", "20", "--rounds", "2"],
    "study": ["study", *DATA, "--width", "20", "--rounds", "2", "--xi", "0.5", "--seed", "0", "--jobs", "1"],
    "reproduce": ["reproduce", *DATA, *REPRODUCE, "--jobs", "1"],
    "launch": ["launch", *DATA, *LAUNCH],
}
EVERY = (*COMMANDS, "theory")  # theory's figure has its place in the folder of a run
PAIRS = [(a, b) for a in EVERY for b in EVERY if a != b and (a, b) not in (("train", "theory"), ("launch", "theory"))]


def fill(path, settings, **options):
    with output_folder(path, "train", settings, **options):
        return path


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_settings_open_the_folder_again(tmp_path):
    folder = fill(tmp_path / "a" / "b", {"rounds": 3, "grid": (1, 2)})
    before = (folder / "settings.json").read_bytes()
    fill(folder, {"rounds": 3, "grid": (1, 2)})
    assert (folder / "settings.json").read_bytes() == before


def test_other_settings_are_refused_with_the_difference(tmp_path):
    fill(tmp_path, {"rounds": 3, "data": {"seed": 0, "name": "x"}})
    with pytest.raises(FolderConflictError) as caught:
        fill(tmp_path, {"rounds": 3, "data": {"seed": 1, "name": "x"}, "new": True})
    message = str(caught.value)
    assert "data.seed: there 0, asked 1" in message
    assert "new: there None, asked True" in message
    assert "rounds" not in message
    assert json.loads((tmp_path / "settings.json").read_text())["data"]["seed"] == 0


def test_the_log_of_a_machine_that_waits_is_no_result(tmp_path):
    (tmp_path / "worker-1-0.log").write_text("")
    with output_folder(tmp_path, "launch", {}):
        assert (tmp_path / "settings.json").exists()
    (tmp_path / "settings.json").unlink()
    (tmp_path / "training-1.safetensors").write_text("")
    with pytest.raises(FolderConflictError, match=r"training-1\.safetensors"), output_folder(tmp_path, "launch", {}):
        pass


def test_force_takes_the_folder_over_and_leaves_no_result_of_the_old_settings(tmp_path):
    fill(tmp_path, {"rounds": 3})
    for name in ("run.npz", "report.html", "notes.txt"):
        (tmp_path / name).write_text("")
    fill(tmp_path, {"rounds": 3}, force=True)
    assert (tmp_path / "run.npz").exists()  # its settings are these
    fill(tmp_path, {"rounds": 4}, force=True)
    assert json.loads((tmp_path / "settings.json").read_text()) == {"command": "train", "rounds": 4}
    assert not (tmp_path / "run.npz").exists()
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "notes.txt").exists()


def test_force_leaves_nothing_from_which_another_script_would_go_on(tmp_path):
    def launched(script, **options):
        with output_folder(tmp_path, "launch", {"script": script}, **options):
            pass

    launched("train.py")
    names = ("training-1.safetensors", "training-1.safetensors.before", "worker-0-1.log", "log.jsonl")
    for name in (*names, "training.txt"):
        (tmp_path / name).write_text("")
    launched("other.py", force=True)
    assert not [name for name in names if (tmp_path / name).exists()]
    assert (tmp_path / "training.txt").exists()


def test_results_whose_settings_are_gone_are_not_gone_on_with(tmp_path):
    fill(tmp_path, {"rounds": 3})
    (tmp_path / "settings.json").unlink()
    (tmp_path / "run.npz").write_text("somebody's")
    with pytest.raises(FolderConflictError, match=r"holds run\.npz, but no settings\.json"):
        fill(tmp_path, {"rounds": 3})
    assert (tmp_path / "run.npz").read_text() == "somebody's"


def test_mangled_settings_are_not_overwritten(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(FolderConflictError, match="not readable"):
        fill(tmp_path, {"rounds": 3})


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        fill(tmp_path / "file", {})


def test_a_folder_in_use_stays_as_it_is(tmp_path):
    fill(tmp_path, {"rounds": 3})
    with open(tmp_path / "folder.lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = content(tmp_path)
        with pytest.raises(FolderBusyError, match="one process at a time may run train"):
            fill(tmp_path, {"rounds": 4}, force=True)
        assert content(tmp_path) == before


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    fill(tmp_path, {"rounds": 3})
    killed = "import os, sys; from subnetlab.atomic import atomic_file\nwith atomic_file(sys.argv[1]): os._exit(9)"
    for name in ("run.npz", "settings.json", "table.nc"):
        subprocess.run([sys.executable, "-c", killed, str(tmp_path / name)], check=False)
    left = {path.name.rsplit(".", 2)[0] for path in tmp_path.glob(".*.part")}
    assert left == {".run.npz", ".settings.json", ".table.nc"}
    with atomic_file(tmp_path / "report.html") as file:  # another command, at work
        fill(tmp_path, {"rounds": 3})
        assert [path.name.rsplit(".", 2)[0] for path in tmp_path.glob(".*.part")] == [".report.html"]
        file.write(b"page")
    assert (tmp_path / "report.html").read_bytes() == b"page"


def test_a_run_that_force_began_is_never_taken_for_the_old_one(tmp_path, monkeypatch, capsys):
    """Killed before its first checkpoint, it would leave the old run beside the new settings."""
    train = [*COMMANDS["train"], "--out", str(tmp_path)]
    assert main(train) == 0
    with monkeypatch.context() as patch:
        patch.setattr("subnetlab.cli.train.complete", lambda *args, **options: (_ for _ in ()).throw(OSError("killed")))
        assert main([*train, "--seed", "1", "--force"]) == 1
    assert main([*train, "--seed", "1"]) == 0
    assert "all 2 rounds are done" not in capsys.readouterr().err
    assert sl.load_run(tmp_path / "run.npz").settings.seed == 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each command; that of launch as one of its workers would leave it."""
    made = {}
    for command in ("train", "study", "reproduce"):
        made[command] = tmp_path_factory.mktemp(command)
        assert main([*COMMANDS[command], "--out", str(made[command]), "--quiet"]) == 0
    made["launch"] = tmp_path_factory.mktemp("launch")
    (made["launch"] / "checkpoints").mkdir()
    (made["launch"] / "job-0.npz").write_text("")
    made["theory"] = tmp_path_factory.mktemp("theory")
    assert main(["theory", str(made["train"]), "--out", str(made["theory"])]) == 0
    return made


@pytest.mark.parametrize("force", [False, True], ids=["", "--force"])
@pytest.mark.parametrize(("there", "command"), PAIRS)
def test_a_folder_of_another_command_is_refused_by_name(folders, capsys, there, command, force):
    if command == "launch":
        pytest.importorskip("torch")
    arguments = ["theory", str(folders["train"])] if command == "theory" else [*COMMANDS[command], "--quiet"]
    before = content(folders[there])
    assert main([*arguments, "--out", str(folders[there]), *["--force"] * force]) == 2
    assert f"holds results of `subnetlab {there}`; use another --out for {command}\n" in capsys.readouterr().err
    after = content(folders[there])
    assert {name for name in before | after if before.get(name) != after.get(name)} <= {Path("study.lock")}


def test_folders_of_earlier_versions_are_told_apart_too(folders, tmp_path, capsys):
    for command in ("train", "reproduce"):
        file = folders[command] / "settings.json"
        settings = json.loads(file.read_text())
        del settings["command"]
        file.write_text(json.dumps(settings))
        assert main([*COMMANDS["study"], "--seed", "5", "--out", str(folders[command])]) == 2
        assert f"holds results of `subnetlab {command}`" in capsys.readouterr().err
        assert main([*COMMANDS[command], "--out", str(folders[command]), "--quiet"]) == 0  # and gone on with


def test_theory_refuses_the_figure_of_another_run(folders, tmp_path, capsys):
    other = ["theory", str(folders["train"]), "--delta", "0.2", "--out", str(folders["theory"])]
    assert main(other) == 2
    assert "failure_prob: there 0.1, asked 0.2" in capsys.readouterr().err
    assert main([*other, "--force"]) == 0


def test_a_folder_of_a_run_is_accepted_wherever_its_file_is(folders, tmp_path, capsys):
    run = sl.load_run(folders["train"])
    assert run.history == sl.load_run(folders["train"] / "run.npz").history
    for place in (folders["train"], folders["train"] / "run.npz"):
        assert main(["theory", str(place), "--json", "--out", str(folders["theory"]), "--force"]) == 0
    with pytest.raises(FileNotFoundError, match=r"^load_run: path must be the path of a file, got .*run\.npz"):
        sl.load_run(tmp_path)


def test_the_folder_says_what_its_results_come_from(folders):
    for command in ("train", "reproduce"):
        provenance = json.loads((folders[command] / "provenance.json").read_text())
        assert provenance["name"] == "diabetes"
        assert provenance["versions"]["numpy"] == np.__version__
