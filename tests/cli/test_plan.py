"""The command plan, as a user types it."""

import json

import numpy as np

from subnetlab.cli.main import main

DATA = ["--dataset", "diabetes", "--n-samples", "20"]


def test_plan(capsys):
    small = [*DATA, "--p", "1", "2", "--xi", "0.5", "--tau", "2", "--m", "1000", "--max-rounds", "500"]
    assert main(["plan", "--target-error", "3", *small, "--best", "2", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert len(plans) == 2
    assert plans[0]["seconds"] <= plans[1]["seconds"]
    assert main(["plan", "--target-error", "3", *small]) == 0
    said = capsys.readouterr().out
    assert "time against traffic" in said
    assert "with patterns that change, for one initial network, the fastest is\n" in said
    assert main(["plan", "--target-error", "1e-9", *small]) == 1
    assert "nothing tried" in capsys.readouterr().out


def test_plan_prints_at_least_one(capsys):
    assert main(["plan", "--target-error", "3", "--best", "0"]) == 2
    assert capsys.readouterr() == ("", "subnetlab plan: --best must be at least 1, got 0\n")


def test_the_fastest_plan_where_patterns_change_takes_more_rounds(capsys, tmp_path):
    """Twelve rows in four dimensions."""
    rows = np.random.default_rng(3).standard_normal((12, 4))
    targets = np.sign(np.random.default_rng(4).standard_normal(12))
    np.savetxt(tmp_path / "rows.csv", np.column_stack([rows, targets]), delimiter=",", header="a,b,c,d,y", comments="")
    data = ["--dataset", str(tmp_path / "rows.csv"), "--target", "y"]
    few = ["--p", "2", "--xi", "0.5", "--tau", "5", "--m", "300", "--max-rounds", "2000"]
    assert main(["plan", "--target-error", "0.5", *data, *few]) == 0
    said = capsys.readouterr()
    planned, followed = (
        int(said.out.split(head)[1].split("rounds=")[1].split()[0]) for head in ("fastest of", "change")
    )
    assert followed > planned
    assert said.err == ""


def test_plans_too_long_to_follow_say_so(capsys, monkeypatch):
    few = ["--p", "2", "--xi", "0.5", "--tau", "2", "--m", "1000"]
    monkeypatch.setattr("subnetlab.cli.plan.MOST_WORK", 1)
    assert main(["plan", "--target-error", "3", *DATA, *few]) == 0
    assert "no plan was found that reaches the target where they change: check them" in capsys.readouterr().out
    monkeypatch.setattr("subnetlab.cli.plan.MOST_ROWS_FOLLOWED", 1)
    assert main(["plan", "--target-error", "3", *DATA, *few]) == 0
    assert "patterns of activation were taken to stay: check the first plans" in capsys.readouterr().out
