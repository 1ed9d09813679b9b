from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import tyro

import subnetlab as sl
from subnetlab.cli.arguments import earlier_arguments, option_names, script_words, split_config
from subnetlab.cli.main import COMMANDS, main
from subnetlab.core.letters import LETTERS


@dataclass(frozen=True)
class Inner:
    dataset: str = "auto"


@dataclass(frozen=True)
class Options:
    run: tyro.conf.Positional[str] = ""
    inner: Inner = field(default_factory=Inner)
    rounds: Annotated[int, tyro.conf.arg(aliases=["--K"])] = 1
    grid: tuple[int, ...] = ()
    quiet: bool = False


@pytest.mark.parametrize("arguments", [["--config", "a.toml", "--rounds", "3"], ["--rounds", "3", "--config=a.toml"]])
def test_split_config(arguments):
    file, rest = split_config(arguments)
    assert str(file) == "a.toml"
    assert rest == ["--rounds", "3"]


KINDS = {"out": Path, "workers": int, "quiet": bool, "rates": tuple[float, ...] | None, "p": int}


@pytest.mark.parametrize(
    "before",
    [
        ["--out", "run.py"],
        ["--out=run.py", "--quiet"],
        ["--rates", "1", "0.5"],
        ["--no-quiet"],
        ["--p", "4"],
        ["--config", __file__],
    ],
)
def test_the_script_is_no_value_of_an_option(before):
    assert script_words([*before, "train.py", "--out", "other.py"], KINDS) == ["train.py", "--out", "other.py"]
    assert script_words(before, KINDS) == []


def test_a_file_that_is_no_script(tmp_path, capsys):
    (tmp_path / "train").write_text("")
    assert main(["launch", "--out", str(tmp_path / "out"), "--quiet", str(tmp_path / "train")]) == 2
    found = capsys.readouterr().err
    assert found == f"subnetlab launch: script must be a file whose name ends with .py, got '{tmp_path / 'train'}'\n"
    assert script_words(["--unknown", str(tmp_path / "train")], KINDS) == []  # which is told of the option


def test_a_config_without_a_file_is_refused():
    with pytest.raises(ValueError, match="--config must name one TOML file"):
        split_config(["--config"])


def test_option_names_of_nested_dataclasses():
    assert option_names(Options).keys() == {"dataset", "rounds", "K", "grid", "quiet"}


def test_file_comes_before_environment(tmp_path, monkeypatch):
    file = tmp_path / "a.toml"
    file.write_text('rounds = 5\ngrid = [1, 2]\nquiet = true\ndataset = "crime"\n')
    monkeypatch.setenv("SUBNETLAB_ROUNDS", "7")
    monkeypatch.setenv("SUBNETLAB_QUIET", "0")
    arguments = earlier_arguments(Options, file)
    assert arguments == [
        *("--rounds=5", "--grid", "1", "2", "--quiet", "--dataset=crime"),
        *("--rounds=7", "--no-quiet"),
    ]


def test_short_names_are_options_too(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("K = 5\n")
    assert earlier_arguments(Options, file) == ["--K=5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rounds = ", "not a TOML file"),
        ("depth = 3", "'depth' is no option; there are: K, dataset, grid, quiet, rounds"),
        ("round = 3", "'round' is no option; did you mean 'rounds'[?] there are: "),
        ("run = 3", "'run' is no option"),  # it is an argument
        ("rounds = 1.5", "rounds must be a whole number, got 1.5"),
        ("rounds = true", "rounds must be a whole number, got True"),
        ("rounds = [1, 2]", r"rounds must be one value, got \[1, 2\]"),
        ("quiet = 1", "quiet must be true or false, got 1"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        earlier_arguments(Options, file)
    assert "a.toml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.toml"):
        earlier_arguments(Options, tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("DATASET", "my data.csv", ["--dataset=my data.csv"]),
        ("DATASET", "--odd", ["--dataset=--odd"]),
        ("GRID", "1 2", ["--grid", "1", "2"]),
        ("QUIET", "True", ["--quiet"]),
        ("QUIET", "false", ["--no-quiet"]),
        ("QUIET", "", []),
        ("ROUNDS", "", []),
        ("RUN", "x", []),
    ],
)
def test_words_of_the_environment(name, text, arguments, monkeypatch):
    monkeypatch.setenv(f"SUBNETLAB_{name}", text)
    assert earlier_arguments(Options, None) == arguments


@pytest.mark.parametrize(("name", "rule"), [("QUIET", "true or false"), ("ROUNDS", "a whole number")])
def test_a_wrong_word_of_the_environment_is_named(name, rule, monkeypatch):
    monkeypatch.setenv(f"SUBNETLAB_{name}", "yes")
    with pytest.raises(ValueError, match=f"SUBNETLAB_{name}: {name.lower()} must be {rule}, got 'yes'"):
        earlier_arguments(Options, None)


def test_misspelt_variables_are_said_with_what_was_meant(monkeypatch, capsys):
    monkeypatch.setenv("SUBNETLAB_ROUDNS", "5")
    monkeypatch.setenv("SUBNETLAB_EPOCHS", "3")
    monkeypatch.setenv("SUBNETLAB_TARGET_ERROR", "3")  # an option of another command
    assert main(["data"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "subnetlab: environment: SUBNETLAB_EPOCHS is no setting and changes nothing",
        "subnetlab: environment: SUBNETLAB_ROUDNS is no setting and changes nothing; did you mean SUBNETLAB_ROUNDS?",
    ]


@pytest.mark.parametrize(("letter", "name"), LETTERS.items())
def test_a_setting_has_one_name_and_one_letter_at_every_door(letter, name, tmp_path, monkeypatch):
    """Flag, file and environment; a flag by one of the two names goes over a file by the other."""
    file = tmp_path / "a.toml"
    commands = [command.options() for command in COMMANDS.values()]
    for options in commands:
        names = option_names(options)
        if name not in names:
            assert letter not in names
            continue
        value = ["3"] if "tuple" in str(names[name]) else "3"
        for given in (letter, name):
            file.write_text(f"{given} = {value}\n")
            flag = f"--{given.replace('_', '-')}"
            assert earlier_arguments(options, file) == ([flag, "3"] if isinstance(value, list) else [f"{flag}=3"])
            monkeypatch.setenv(f"SUBNETLAB_{given.upper()}", "3")
            assert earlier_arguments(options, None) == ([flag, "3"] if isinstance(value, list) else [f"{flag}=3"])
            monkeypatch.delenv(f"SUBNETLAB_{given.upper()}")
    assert sum(name in option_names(options) for options in commands) > 1


@pytest.mark.parametrize(
    ("file", "flag", "width"), [("m = 21", "--width=20", 20), ("width = 21", "--m=20", 20), ("m = 21", None, 21)]
)
def test_a_flag_goes_over_the_file_by_either_name(file, flag, width, tmp_path):
    (tmp_path / "a.toml").write_text(f'{file}\ndataset = "diabetes"\nn_samples = 9\nK = 2\np = 2\n')
    arguments = ["train", "--config", str(tmp_path / "a.toml"), "--out", str(tmp_path / "run"), *filter(None, [flag])]
    assert main(arguments) == 0
    assert sl.load_run(tmp_path / "run").network.width == width
