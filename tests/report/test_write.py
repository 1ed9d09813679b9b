"""`subnetlab report`: files, refusals and messages."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.study import StudyPlan
from subnetlab.study.result import CellResult, encode
from subnetlab.study.store import Outcome, Store

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")


@pytest.fixture
def said(capsys):
    """``said(*arguments)``: exit code and message."""

    def call(*arguments):
        capsys.readouterr()
        code = main(["report", *map(str, arguments)])
        return code, capsys.readouterr().err

    return call


def test_the_page_lies_in_the_folder_and_its_name_is_printed(run_folder, tmp_path, capsys):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert main(["report", str(folder)]) == 0  # an earlier page may be replaced
    assert main(["report", str(folder / "run.npz"), "--out", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").exists()


def test_another_file_is_left_alone_without_force(run_folder, tmp_path, said):
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    code, message = said(run_folder, "--out", mine)
    assert (code, message) == (
        1,
        f"subnetlab report: {mine}: is no earlier result of this command; name another file, or use --force\n",
    )
    assert mine.read_text() == "<p>mine</p>"
    assert said(run_folder, "--out", mine, "--force") == (0, "")
    assert "subnetlab report" in mine.read_text()[:100]


def test_out_must_be_a_file(run_folder, tmp_path, said):
    code, message = said(run_folder, "--out", tmp_path)
    assert (code, message) == (1, f"subnetlab report: {tmp_path}: is a directory\n")


def test_nothing_of_ours(tmp_path, said):
    code, message = said(tmp_path)
    assert code == 2
    assert message == (
        f"subnetlab report: {tmp_path}: must be a folder that train, launch, study or reproduce made, got neither "
        f"run.npz nor study.sqlite\n"
    )
    (tmp_path / "history.csv").touch()
    assert said(tmp_path) == (
        2,
        f"subnetlab report: {tmp_path}: must hold run.npz, got history.csv alone: launch writes no run.npz of "
        f"a network above 1 GiB\n",
    )
    rule = "folder must be a folder of results or the file of a run"
    assert said(tmp_path / "nowhere") == (1, f"subnetlab report: {rule}, got '{tmp_path / 'nowhere'}': nothing there\n")


def test_unreadable_files(run_folder, reproduction_folder, tmp_path, said):
    (tmp_path / "run.npz").write_bytes(b"not an archive")
    code, message = said(tmp_path)
    assert code == 1 and f"{tmp_path / 'run.npz'}: " in message and "Traceback" not in message
    shutil.copy(run_folder / "run.npz", tmp_path)
    (tmp_path / "settings.json").write_text("{")
    code, message = said(tmp_path)
    assert code == 1 and message.startswith(f"subnetlab report: {tmp_path / 'settings.json'}: not readable")
    (tmp_path / "settings.json").write_text("[]")
    assert said(tmp_path)[1] == (f"subnetlab report: {tmp_path / 'settings.json'}: must hold a JSON dict, got list\n")
    (tmp_path / "study.sqlite").write_bytes(b"no database, but long enough to look at it" * 100)
    code, message = said(tmp_path)
    assert code and str(tmp_path / "study.sqlite") in message and "Traceback" not in message
    folder = shutil.copytree(reproduction_folder, tmp_path / "reproduction")
    settings = json.loads((folder / "settings.json").read_text())
    settings["settings"]["seeds"] = 0
    (folder / "settings.json").write_text(json.dumps(settings))
    code, message = said(folder)
    assert code == 1 and "not the settings of a reproduction (reproduce: seeds must be at least 1" in message


def a_study(folder, results):
    """A study of two cells with these results (None: not run)."""
    plan = StudyPlan.from_dict(
        {
            "dataset": {"name": "synthetic", "n_samples": 6},
            "settings": {"width": 10, "rounds": 4, "selection_prob": 0.5, "n_subnetworks": [1, 2]},
        }
    )
    with Store(folder) as store:
        store.set_plan((cell.key(), cell.settings()) for cell in plan.cells)
        for cell, result in zip(plan.cells, results, strict=True):
            if result is not None:
                store.write([Outcome(cell.key(), result.status, 0.1, encode(result))])


@pytest.mark.parametrize(
    ("file", "place", "value"),
    [
        ("verdicts.json", (0,), 5),
        ("verdicts.json", (0, "agreement"), "x"),
        ("verdicts.json", (0, "effect_mean"), [1]),
        ("verdicts.json", (0, "seeds"), "x"),
        ("verdicts.json", (0, "claim"), None),
        ("settings.json", ("settings", "width"), [1]),
        ("settings.json", ("settings", "rounds"), None),
        ("settings.json", ("settings", "seeds"), "x"),
    ],
)
def test_a_reproduction_s_files_of_another_form_are_damaged(reproduction_folder, tmp_path, said, file, place, value):
    folder = shutil.copytree(reproduction_folder, tmp_path / "reproduction")
    content = json.loads((folder / file).read_text())
    inside = content
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    (folder / file).write_text(json.dumps(content))
    code, message = said(folder)
    assert code == 1
    assert message.startswith(f"subnetlab report: {folder / file}: ")


def test_a_study_without_cells(tmp_path, said):
    with Store(tmp_path):
        pass
    assert said(tmp_path) == (2, f"subnetlab report: {tmp_path}: must hold cells, got a study without any\n")


def test_a_study_that_was_not_run_yet(tmp_path, said):
    a_study(tmp_path, [None, None])
    assert said(tmp_path) == (0, "")
    assert "No cell has a result yet." in (tmp_path / "report.html").read_text()


def test_failed_cells_are_listed_with_their_reasons(tmp_path, said):
    a_study(tmp_path, [CellResult("failed", "Traceback\nValueError: <b>so</b>"), None])
    assert said(tmp_path) == (0, "")
    page = (tmp_path / "report.html").read_text()
    assert "ValueError: &lt;b&gt;so&lt;/b&gt;" in page
    assert "0 ended well, 1 failed, 1 not run yet." in page


def test_without_the_extra_one_line_says_what_to_install(run_folder, monkeypatch, said):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    code, message = said(run_folder)
    assert (code, message) == (1, "subnetlab report: needs altair and vl-convert: pip install 'subnetlab[report]'\n")


def test_nothing_is_loaded_before_it_is_needed():
    code = "import sys, subnetlab.report; print(sys.modules.keys() & {'altair', 'vl_convert', 'matplotlib', 'numba'})"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


def test_python_and_shell_write_the_same(run_folder, tmp_path):
    assert main(["report", str(run_folder), "--out", str(tmp_path / "shell.html")]) == 0
    assert sl.write_report(run_folder, tmp_path / "python.html").read_bytes() == (tmp_path / "shell.html").read_bytes()


def test_what_is_no_result_is_said_and_nothing_waits(run_folder, tmp_path, said):
    """A FIFO, a socket, a device and a link loop, as the argument and in place of a file in a folder."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    whats = {"fifo": "a FIFO", "loop": "a link that leads back to itself", "device": "a device", "socket": "a socket"}
    for name, what in whats.items():
        code, message = said(tmp_path / name)
        assert code == 1
        assert message.endswith(f"got '{tmp_path / name}': {what}\n")
        if name == "loop":
            continue
        for place in ("run.npz", "study.sqlite", "settings.json"):
            folder = shutil.copytree(run_folder, tmp_path / f"{name}-{place}")
            (folder / place).unlink(missing_ok=True)
            os.rename(tmp_path / name, folder / place)
            code, message = said(folder)
            assert (code, what in message, str(folder / place) in message) == (1, True, True)
            os.rename(folder / place, tmp_path / name)


def test_a_page_goes_through_a_pipe_or_into_a_file_without_a_name_and_no_line_beside_it(run_folder, tmp_path):
    program = [sys.executable, "-m", "subnetlab", "report", str(run_folder), "--out"]
    subprocess.run([*program, tmp_path / "page.html"], check=True, stdout=subprocess.DEVNULL)
    page = (tmp_path / "page.html").read_bytes()
    assert subprocess.run([*program, "/dev/stdout"], check=True, stdout=subprocess.PIPE).stdout == page
    with (tmp_path / "gone").open("w+b") as gone:
        (tmp_path / "gone").unlink()
        subprocess.run([*program, "/dev/stdout"], check=True, stdout=gone)
        gone.seek(0)
        assert gone.read() == page
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
