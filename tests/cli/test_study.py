"""`subnetlab study`, as a user types it."""

import json

import pytest

from subnetlab.cli.main import main
from subnetlab.study import open_study


def test_a_study_of_ones_own_file(plan, tmp_path, capsys, inline):
    out = str(tmp_path / "out")
    assert main(["study", str(plan), "--dry-run", "--out", out]) == 0
    assert "4 cells, 0 of them finished" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(["study", str(plan), "--out", out]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}: 4 ok, 0 diverged, 0 failed, 0 reused\n"
    assert captured.err == ""
    assert main(["study", str(plan), "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == 4
    assert main(["study", "status", out, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["ok"], status["pending"], status["running"]) == (4, 0, False)
    assert main(["study", "export", out, "--to", str(tmp_path / "t.csv")]) == 0
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 5
    data = (tmp_path / "mine.csv").read_bytes()
    assert main(["study", "export", out, "--to", str(tmp_path / "mine.csv")]) == 2
    assert "must not be the study's own data" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_bytes() == data
    assert main(["study", str(plan), "--dry-run", "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["finished"] == 4
    assert {"study.log", "study.sqlite", "plan.json"} <= {file.name for file in (tmp_path / "out").iterdir()}


def test_flags_are_a_plan(tmp_path, capsys, inline):
    flags = ["--dataset", "diabetes", "--n-samples", "10", "--m", "20", "--rounds", "2"]
    grid = ["--p", "1", "2", "4", "--xi", "0.5", "1", "--tau", "1", "2", "--seed", "0", "1"]
    assert main(["study", *flags, *grid, "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] == 3 * 2 * 2 * 2


def test_rows_that_nobody_named_are_said(plan, tmp_path, inline):
    """A stored cell keeps the plan's words; who reads it is told what they meant."""
    flags = ["--dataset", "diabetes", "--width", "20", "--rounds", "2", "--xi", "0.5", "--seed", "0", "1"]
    for out, options, rows in (("own", [str(plan)], "all"), ("known", flags, 100)):
        folder = tmp_path / out
        assert main(["study", *options, "--out", str(folder)]) == 0
        study = open_study(folder)
        assert study.table().attrs["n_samples"] == rows
        assert {row["n_samples"] for row in study.records()} == {rows}
        assert len(study.select(n_samples=rows).cells) == len(study.cells)
        assert main(["study", "export", str(folder), "--to", str(folder / "table.csv")]) == 0
        header, first, *_ = (folder / "table.csv").read_text().splitlines()
        assert first.split(",")[header.split(",").index("n_samples")] == str(rows)


def test_a_plan_of_the_papers_figures(tmp_path, capsys, inline):
    """Its name in place of a file; a file of that name comes first."""
    small = ["--dataset", "diabetes", "--n-samples", "10", "--m", "20", "--rounds", "2", "--seed", "4", "5"]
    assert main(["study", "figure_2c", *small, "--tau", "1", "2", "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] == 5 * 2 * 2
    table = open_study(tmp_path / "out").table()
    assert dict(table.sizes)["seed"] == 2
    assert (table.attrs["network_seed"], table.attrs["step_size"]) == ("seed", 0.03)
    assert main(["study", "figure_9z", "--out", str(tmp_path / "out")]) == 1
    assert "figure_9z" in capsys.readouterr().err


def test_flags_of_what_the_paper_leaves_out(tmp_path, inline):
    flags = [
        "--dataset",
        "diabetes",
        "--n-samples",
        "10",
        "--m",
        "20",
        "--rounds",
        "2",
        "--xi",
        "0.5",
        "--seed",
        "0",
        "1",
    ]
    more = ["--learn-output-weights", "True", "False", "--loss", "squared", "--network-seed", "0", "seed"]
    assert main(["study", *flags, *more, "--out", str(tmp_path / "out")]) == 0
    assert {row["network_seed"] for row in open_study(tmp_path / "out").records()} == {0, "seed"}
    assert {row["learn_output_weights"] for row in open_study(tmp_path / "out").records()} == {False, True}


def test_a_grown_plan_reuses_and_a_contradicting_one_is_refused(plan, tmp_path, capsys, inline):
    out = str(tmp_path / "out")
    assert main(["study", str(plan), "--out", out]) == 0
    assert main(["study", str(plan), "--out", out, "--seed", "0", "1", "2"]) == 0
    assert "6 ok, 0 diverged, 0 failed, 4 reused" in capsys.readouterr().out
    assert main(["study", str(plan), "--out", out, "--width", "30"]) == 2
    assert "width: there 20, asked 30" in capsys.readouterr().err
    assert main(["study", str(plan), "--out", out, "--width", "30", "--force"]) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width = 20", "widht = 20", "settings.widht is no setting; did you mean 'width'"),
        ("width = 20", "width = -1", "settings.width: Cell: width must be at least 1, got -1"),
        ("seed = [0, 1]", "seed = []", "settings.seed must hold at least one value"),
        ("selection_prob", 'masks = "categorical"\nselection_prob', "selection_prob must be absent"),
        ('target = "price"', 'target = "prize"', "prize"),
        ("width = 20", "batch_size = 50\nwidth = 20", "--batch-size must be at most the number of rows 11, got 50"),
        ("width = 20", 'engine = "warp"\nwidth = 20', "engine must be one of"),
        ("[settings]", "[settings", "line 5"),
    ],
)
def test_bad_plans_are_refused_before_any_work(plan, tmp_path, capsys, old, new, message):
    text = plan.read_text()
    assert old in text
    plan.write_text(text.replace(old, new, 1))
    for extra in ([], ["--dry-run"]):
        assert main(["study", str(plan), "--out", str(tmp_path / "out"), *extra]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_plan_at_all(capsys):
    assert main(["study"]) == 2
    assert "a plan must be given" in capsys.readouterr().err
