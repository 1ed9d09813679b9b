"""What people read when they ask a command for help, in a narrow terminal and in a wide one."""

import re
from dataclasses import dataclass, field
from typing import Literal

import pytest
import tyro

from subnetlab.cli.arguments import options_in
from subnetlab.cli.help import described
from subnetlab.cli.main import COMMANDS, main
from subnetlab.core.letters import LETTER_OF


@dataclass(frozen=True)
class Group:
    """Which colours."""

    width: int | None = None
    """Of the line,
    in points."""


@dataclass(frozen=True)
class Base:
    quiet: bool = False
    """Say nothing."""


@dataclass(frozen=True)
class Options(Base):
    """Options of a test."""

    sizes: tuple[int | Literal["all"], ...] = ()
    """Some sizes."""
    label: str = "x"
    """A label."""
    group: Group = field(default_factory=lambda: Group(width=3))

    @classmethod
    def decided_later(cls):
        return {"sizes": (4, 5)}


def help_of(command, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 200])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_is_for_people(command, columns, monkeypatch, capsys):
    shown = help_of(command, columns, monkeypatch, capsys)
    shown = shown.replace("--no-curves", "--curves")  # the one switch that is on by default
    for machinery in ("None", "(default: )", "False)", "--no-", "[INT [", "[STR [", "[FLOAT ["):
        assert machinery not in shown
    text = " ".join(line.strip("│ ") for line in shown.splitlines())
    for option in options_in(COMMANDS[command].options()):
        assert option.positional or f"--{option.name.replace('_', '-')}" in text
        assert option.name not in LETTER_OF or f"--{LETTER_OF[option.name]} " in text


def test_a_sentence_is_wrapped_by_the_terminal_and_not_by_the_source(monkeypatch, capsys):
    wide = help_of("train", 400, monkeypatch, capsys)
    assert re.search(r"auto \(crime where .* --model` take\. \(default: auto\)", wide)  # in one line


@pytest.mark.parametrize(
    ("command", "option", "default"),
    [
        ("train", "n-subnetworks", "10"),
        ("launch", "n-subnetworks", "4"),
        ("train", "selection-prob", "0.5"),
        ("reproduce", "width", "4000"),
        ("reproduce", "bernoulli-subnetworks", "1 2 4 7 10"),
        ("reproduce", "figures", "2a 2b 2c"),
        ("plan", "local-steps", "1 2 5 10 20"),
    ],
)
def test_defaults_are_those_that_the_command_takes(command, option, default, monkeypatch, capsys):
    shown = help_of(command, 300, monkeypatch, capsys)
    own = shown[shown.index(f"--{option} ") :]
    assert re.search(r"\(default: (.*?)\)", own)[1] == default


def test_options_of_a_test_keep_their_values():
    parsed = tyro.cli(described(Options), args=["--m", "7", "--quiet"], config=(tyro.conf.OmitArgPrefixes,))
    assert isinstance(parsed, Options) and isinstance(parsed.group, Group)
    assert (parsed.quiet, parsed.sizes, parsed.label, parsed.group.width) == (True, (), "x", 7)
    assert tyro.cli(described(Options), args=[], config=(tyro.conf.OmitArgPrefixes,)).group.width == 3


def test_what_is_shown_of_options_of_a_test(capsys):
    with pytest.raises(SystemExit):
        tyro.cli(described(Options), args=["--help"], config=(tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone))
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--sizes INT|{all} ... Some sizes. (default: 4 5)" in shown
    assert "--m INT, --width INT Of the line, in points. (default: 3)" in shown
    assert "Say nothing. --sizes" in shown or "Say nothing. ╰" in shown  # and no default


def test_options_that_no_file_holds_can_be_parsed_and_shown(capsys):
    space = {"__name__": "__main__"}
    exec("from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Typed:\n    size: int = 3\n", space)
    assert tyro.cli(described(space["Typed"]), args=["--size", "4"]).size == 4
    with pytest.raises(SystemExit):
        tyro.cli(described(space["Typed"]), args=["--help"])
    assert "(default: 3)" in capsys.readouterr().out


def test_arguments_without_a_name_are_called_by_what_they_are(monkeypatch, capsys):
    assert "usage: subnetlab predict [-h] RUN ROWS [--out PATH]" in help_of("predict", 100, monkeypatch, capsys)
    assert "usage: subnetlab study [-h] [OPTIONS] [PLAN]" in help_of("study", 100, monkeypatch, capsys)
    assert "usage: subnetlab completion [-h] {bash,zsh,fish}" in help_of("completion", 100, monkeypatch, capsys)


def test_a_switch_is_turned_off_again(monkeypatch, capsys):
    monkeypatch.setenv("SUBNETLAB_JSON", "1")
    assert main(["data", "--dataset", "diabetes"]) == 0
    assert capsys.readouterr().out.startswith("{")
    assert main(["data", "--dataset", "diabetes", "--no-json"]) == 0
    assert capsys.readouterr().out.startswith("data: diabetes")
