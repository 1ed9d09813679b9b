"""`subnetlab bench`: a table that names the choice of auto, and wrong requests."""

import json

import pytest

from subnetlab.cli.main import main

SMALL = ["bench", "--dataset", "diabetes", "--n-samples", "20", "--width", "60", "--rounds", "3", "--p", "2"]


def test_a_table_of_the_engines_asked_for(capsys):
    assert main([*SMALL, "--engines", "primal", "dual"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data: diabetes, 20 of 442 rows")
    assert [line.split()[0] for line in lines[2:4]] == ["primal", "dual"]
    assert sum("*" in line for line in lines[2:4]) == 1
    assert lines[2].split()[-1] == "0.0e+00"


def test_json_and_engines_that_cannot(capsys):
    assert main([*SMALL, "--engines", "event", "primal", "--dtype", "float32", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    event, primal = result["engines"]
    assert (event["median"], event["rounds"]) == (None, [])
    assert event["refusal"].startswith("engine 'event' does not support float32")
    assert len(primal["rounds"]) == 2


def test_no_engine_could_run(capsys):
    assert main([*SMALL, "--engines", "event", "--dtype", "float32"]) == 1
    assert "engine 'event' does not support float32" in capsys.readouterr().out


def test_all_engines_by_default(capsys):
    assert main([*SMALL, "--json"]) == 0
    names = [timing["engine"] for timing in json.loads(capsys.readouterr().out)["engines"]]
    assert {"primal", "dual", "event"} <= set(names)
    assert not {"reference", "linearized"} & set(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engines", "fast"], "subnetlab bench: --engines must be among reference, primal, "),
        (["--rounds", "1"], "subnetlab bench: --rounds must be at least 2, got 1\n"),
        (["--xi", "2"], "subnetlab bench: --xi must be in (0, 1], got 2.0\n"),
    ],
)
def test_wrong_requests(options, message, capsys):
    assert main([*SMALL, *options]) == 2
    assert capsys.readouterr().err.startswith(message)
