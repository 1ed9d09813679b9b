"""`subnetlab predict`: rows of the user's file through a run of train or launch."""

import json

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main

TABLE = "rooms,city,distance,price\n3,Rome,2.5,310\n2,Oslo,0.8,290\n4,Rome,3.1,405\n1,Bern,1.2,150\n5,Oslo,4,480\n"
COLUMNS = ["--dataset", "flats.csv", "--target", "price", "--categorical", "city"]
SMALL = ["--width", "60", "--p", "2", "--rounds", "9", "--quiet"]


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """A folder with a file of the user's and the run of a network that was trained on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flats.csv").write_text(TABLE)
    treatment = ["--scaling", "standardised", "--intercept", "--centre-target"]
    assert main(["train", *COLUMNS, *treatment, *SMALL, "--out", "run"]) == 0
    capsys.readouterr()
    return tmp_path


def test_the_training_rows_are_predicted_in_the_units_of_the_target(here, capsys):
    assert main(["predict", "run", "flats.csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    run = sl.load_run("run")
    assert header == "prediction"
    expected = run.predict(run.data.X) + np.mean([310, 290, 405, 150, 480])
    np.testing.assert_allclose(list(map(float, lines)), expected, rtol=1e-13)
    rmse = json.loads((here / "run" / "summary.json").read_text())["rmse_training"]
    assert np.sqrt(np.mean((expected - [310, 290, 405, 150, 480]) ** 2)) == pytest.approx(rmse, rel=1e-9)


def test_out_is_a_file_that_only_predictions_take(here, capsys):
    (here / "new.csv").write_text("city,rooms,distance\nBern,2,1\n")
    assert main(["predict", "run", "new.csv", "--out", "p.csv"]) == 0
    assert capsys.readouterr().out == "p.csv\n"
    assert main(["predict", "run/run.npz", "new.csv"]) == 0
    assert capsys.readouterr().out == (here / "p.csv").read_text()
    assert main(["predict", "run", "flats.csv", "--out", "p.csv"]) == 0  # an earlier one gives way
    assert len((here / "p.csv").read_text().splitlines()) == 6
    assert main(["predict", "run", "new.csv", "--out", "flats.csv"]) == 1
    assert (here / "flats.csv").read_text() == TABLE
    assert main(["predict", "run", "flats.csv", "--out", "flats.csv", "--force"]) == 0
    assert (here / "flats.csv").read_text().startswith("prediction\n")


def test_two_classes_are_predicted_by_their_probability(here, capsys):
    (here / "two.csv").write_text("a,b,y\n1,2,0\n2,1,1\n-1,1,0\n3,1,1\n")
    assert main(["train", "--dataset", "two.csv", "--target", "y", "--loss", "logistic", *SMALL, "--out", "two"]) == 0
    capsys.readouterr()
    assert main(["predict", "two", "two.csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    run = sl.load_run("two")
    assert header == "probability"
    np.testing.assert_allclose(list(map(float, lines)), 1 / (1 + np.exp(-run.predict(run.data.X))), rtol=1e-12)


def test_several_outputs_are_columns(here, capsys):
    run = sl.load_run("run")
    net = sl.ShallowReLU.initialize(width=20, n_features=6, n_outputs=2)
    y = np.column_stack([run.data.y, -run.data.y])
    sl.train(net, run.data.X, y, sl.dropout(0.5, rounds=2)).save(here / "run" / "run.npz")
    assert main(["predict", "run", "flats.csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "prediction_0,prediction_1" and [line.count(",") for line in lines] == [1] * 5


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        ("city,rooms\nBern,2\n", 1, "new.csv: must have the columns of the run's data, but lacks 'distance'"),
        ("city,rooms,distance\nWien,2,1\n", 1, "column 'city' must hold categories of the run's data ('Bern', "),
        (None, 1, "rows must be the path of a file, got 'new.csv': nothing there"),
    ],
)
def test_wrong_rows(here, capsys, rows, code, message):
    if rows is not None:
        (here / "new.csv").write_text(rows)
    assert main(["predict", "run", "new.csv", "--out", "p.csv"]) == code
    said = capsys.readouterr()
    assert said.out == "" and message in said.err and "Traceback" not in said.err
    assert not (here / "p.csv").exists()


@pytest.mark.parametrize("content", ["{", "[]", "3", '{"columns": 3}', '{"columns": [], "left_out": {}}', "null"])
def test_a_folder_whose_provenance_is_nonsense(here, capsys, content):
    (here / "run" / "provenance.json").write_text(content)
    assert main(["predict", "run", "flats.csv"]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("subnetlab predict: ") and said.err.count("\n") == 1


def test_a_run_without_its_folder(here, capsys):
    (here / "run" / "run.npz").rename(here / "alone.npz")
    assert main(["predict", "alone.npz", "flats.csv"]) == 1
    assert "run must be in the folder of train or launch, whose provenance.json says how" in capsys.readouterr().err
