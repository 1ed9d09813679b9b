"""What commands say of wrong options: one line, and no work."""

import pytest

from subnetlab.cli.main import COMMANDS, main
from subnetlab.cli.messages import about_option


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --p x", "--p/--n-subnetworks must be a whole number, got 'x'"),
        ("train --rounds 1.5", "--K/--rounds must be a whole number, got '1.5'"),
        ("train --kappa=x", "--kappa/--init-scale must be a number, got 'x'"),
        ("train --eta foo", "--eta/--step-size must be FLOAT|{auto,theory}, got 'foo'"),
        ("train --shards x", "--shards must be a whole number, got 'x'"),
        ("train --dtype float16", "--dtype must be one of 'float64', 'float32', got 'float16'"),
        ("train --p", "--p/--n-subnetworks must have a value"),
        ("train --p 1 2", "no such option or argument: 2"),
        ("train --rond 3", "no such option or argument: --rond, 3; did you mean --rounds?"),
        ("train --rond", "no such option or argument: --rond; did you mean --rounds?"),
        ("train --nonsense", "no such option or argument: --nonsense"),
        ("plan", "--target-error must be given"),
        ("plan --target-error 1 --p 1 x", "--p/--n-subnetworks must be INT ..., got '1', 'x'"),
        ("plan --target-error 1 --latency -1", "--latency must be at least 0, got -1.0"),
        ("study --n-samples x", "--n-samples must be INT|{all} ..., got 'x'"),
        ("report", "FOLDER must be given"),
        ("predict run", "ROWS must be given"),
    ],
)
def test_wrong_options_are_one_line_like_every_message(arguments, message, capsys):
    command, *rest = arguments.split()
    assert main([command, *rest]) == 2
    said = capsys.readouterr()
    assert said.err == f"subnetlab {command}: {message} (subnetlab {command} --help shows the options)\n"
    assert not said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --p 0", "--p must be at least 1, got 0"),
        ("train --n-subnetworks=0", "--n-subnetworks must be at least 1, got 0"),
        ("train --xi 1.5", "--xi must be in (0, 1], got 1.5"),
        ("train --eta -1", "--eta must be above 0, got -1.0"),
        ("train --dataset diabetes --batch-size 101", "--batch-size must be at most the number of rows 100, got 101"),
        ("train --n-validation -1", "--n-validation must be at least 0, got -1"),
        ("train --target y --dataset diabetes", "--target is for your own files (give the file as the name), got 'y'"),
        ("study --p 0 --xi 0.5 --m 9 --K 2", "--p must be at least 1, got 0"),
        ("study --dataset diabetes --n-samples 0 --xi 0.5 --m 9 --K 2", "--n-samples must be at least 1, got 0"),
        ("train --dataset no.csv", "--dataset must be the path of a file, got 'no.csv': nothing there"),
        ("launch --workers 9", "--workers must be at most the number of subnetworks 4, got 9"),
        ("plan --target-error 1 --dataset diabetes --width 0", "--width must be at least 1, got 0"),
        ("plan --target-error 1 --dataset diabetes --m 9 --max-rounds 1000000000000", "--max-rounds must give error"),
        ("reproduce --K 3", "--final-rounds must be at most rounds = 3, got 10"),
    ],
)
def test_messages_speak_of_the_option(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) in (1, 2)
    command = arguments.split()[0]
    assert capsys.readouterr().err.startswith(f"subnetlab {command}: {message}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "message",
    [
        "plan.toml: settings.n_subnetworks: Cell: n_subnetworks must be at least 1, got 0",  # the file is named
        "load_run: path must be the path of a file, got 'run.npz'",
        "run.npz: weights must be floating-point numbers",
        "load_dataset: mine.csv: column 'p' must hold numbers, got 'x'",
        "a plan must be given: a TOML file, or settings (--masks)",
    ],
)
def test_other_messages_stay_as_they_are(message):
    assert all(about_option(message, COMMANDS[name].options()) == message for name in ("study", "train"))
