"""What a launch cost: of a script, on a page of its own or beside its run; of the shallow network, on its page."""

import json
import re
import shutil
from html import unescape

import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.report.launch_page import read_launch

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

EVIL = "<img src=x onerror=alert(1)>\"'&</script>"
HEADER = "training,rounds,loss,workers,bytes_sent,seconds_computing,seconds_waiting\n"
ROWS = ["0,1,2.5,2,1000,0.5,0.25\n", "0,2,2.0,1,500,0.5,nan\n", "1,1,0.5,3,70,0.1,0.2\n"]


@pytest.fixture
def folder(tmp_path):
    """What the launch of a script leaves, of two trainings."""
    (tmp_path / "history.csv").write_text(HEADER + "".join(ROWS))
    (tmp_path / "settings.json").write_text(json.dumps({"command": "launch", "script": EVIL}))
    (tmp_path / "provenance.json").write_text(json.dumps({"script": ["/a/place"], "versions": {EVIL: EVIL}}))
    return tmp_path


def lines_of(page, name):
    found = re.search(rf'<figure id="{name}".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    spec = json.loads(found[1])["specs"]["lines"]
    rows = next(iter(spec["datasets"].values())) if "datasets" in spec else spec["data"]["values"]
    lines = {}
    for row in rows:
        lines.setdefault(row["line"], []).append(row["value"])
    return lines


def test_the_launch_of_a_script_has_a_page_of_its_costs(folder):
    page = sl.write_report(folder).read_text(encoding="utf-8")
    assert lines_of(page, "launch-0-bytes") == {"bytes": [1000, 500]}
    assert lines_of(page, "launch-0-workers") == {"workers": [2, 1]}
    assert lines_of(page, "launch-0-seconds") == {"computing": [0.5, 0.5], "waiting for others": [0.25]}
    assert lines_of(page, "loss-1") == {"loss": [0.5]}
    assert "3 rounds were made, and the workers sent 0.00157 MB." in page
    assert "<dt>workers</dt><dd>1 to 3</dd>" in page
    assert "Training 2 of the script" in page
    assert EVIL not in page and "/a/place" not in page
    assert EVIL in unescape(page)
    assert sl.write_report(folder).read_text(encoding="utf-8") == page


def test_a_browser_draws_the_page_of_a_launch(opened, folder):
    for width in (1280, 390):
        shown = opened(sl.write_report(folder), width=width)
        assert shown.locator(".trouble, img").count() == 0
        assert shown.locator(".plot svg").count() == 2 * 4
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.complaints == []


def test_the_run_of_a_launch_shows_what_its_rounds_cost(run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "run")
    history = (copy / "history.csv").read_text().splitlines()
    costs = [f"{line},{2 + (k > 5)},{100 * k},0.5,0.25" for k, line in enumerate(history[1:])]
    names = f"{history[0]},workers,bytes_sent,seconds_computing,seconds_waiting"
    (copy / "history.csv").write_text("\n".join([names, *costs]) + "\n")
    page = sl.write_report(copy).read_text(encoding="utf-8")
    assert lines_of(page, "launch-bytes") == {"bytes": [100 * k for k in range(12)]}
    assert lines_of(page, "launch-workers") == {"workers": [2] * 6 + [3] * 6}
    assert "What the launch cost" not in sl.write_report(run_folder).read_text(encoding="utf-8")


def test_costs_of_another_number_of_rounds_are_not_those_of_the_run(run_folder, folder):
    shutil.copy(run_folder / "run.npz", folder)
    assert "What the launch cost" not in sl.write_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "round,full_error\n0,1\n"])
def test_other_histories_are_of_no_launch(tmp_path, text):
    assert read_launch(tmp_path) == []
    (tmp_path / "history.csv").write_text(text)
    assert read_launch(tmp_path) == []


def test_costs_that_are_no_numbers_are_refused(folder, capsys):
    (folder / "history.csv").write_text(HEADER + ROWS[0].replace("1000", EVIL))
    assert main(["report", str(folder)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"subnetlab report: {folder / 'history.csv'}: must hold numbers (")
    assert message.count("\n") == 1
