"""The command plan, as a user types it."""

import json

from subnetlab.cli.main import main

DATA = ["--dataset", "diabetes", "--n-samples", "20"]


def test_plan(capsys):
    small = [*DATA, "--p", "1", "2", "--xi", "0.5", "--tau", "2", "--m", "1000", "--max-rounds", "500"]
    assert main(["plan", "--target-error", "3", *small, "--best", "2", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert len(plans) == 2
    assert plans[0]["seconds"] <= plans[1]["seconds"]
    assert main(["plan", "--target-error", "3", *small]) == 0
    assert "time against traffic" in capsys.readouterr().out
    assert main(["plan", "--target-error", "1e-9", *small]) == 1
    assert "nothing tried" in capsys.readouterr().out


def test_plan_prints_at_least_one(capsys):
    assert main(["plan", "--target-error", "3", "--best", "0"]) == 2
    assert capsys.readouterr() == ("", "subnetlab plan: --best must be at least 1, got 0\n")
