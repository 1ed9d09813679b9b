"""Arguments of the program: from a TOML file (``--config``) and the environment too, and wrong ones in one line.

The order is: flag over environment (``SUBNETLAB_ROUNDS=100``) over file over default.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from ..core.letters import LETTER_OF
from ..input_file import read_input_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PREFIX = "SUBNETLAB_"
_OTHER_VARIABLES = {"DATA", "CACHE", "PARENT"}  # what is no option of a command
_SWITCHES = {"1": True, "true": True, "0": False, "false": False}
_ABOUT_SETTING = re.compile(
    r"(?:flags: (?:(?:settings|dataset)(?:\.\w+)?: )?)?(?:(?P<owner>\w+): )?(?P<name>\w+)(?= must | is for )"
)
_DATA_OWNERS, _OF_DATA = ("load_dataset", "DatasetSpec"), {"name": "dataset", "seed": "data_seed"}
# messages of tyro and what is printed instead; a rule of its box is a ─; others are printed as they are
_SAYINGS = (
    (r"Error parsing (\S+): invalid literal for int\(\) with base 10: (.*?) ─.*", r"\1 must be a whole number, got \2"),
    (r"Error parsing (\S+): could not convert string to float: (.*?) ─.*", r"\1 must be a number, got \2"),
    (r"Error parsing (\S+): no type matching (.*?) could be .*? from \[(.*?)\]\. .*", r"\1 must be \2, got \3"),
    (
        r"Error parsing (\S+): Could not .* arguments: \[(.*?)\] ─ .*?: --[\w-]+ (\S+ \.\.\.).*",
        r"\1 must be \3, got \2",
    ),
    (r"Error parsing [\w.-]+: (\w+: .*?) ─ .*", r"\1"),  # a rule of the options' own
    (r"invalid choice (.*) for argument '(.*)'\. Expected one of \((.*?),?\)\..*", r"\2 must be one of \3, got \1"),
    (r"Missing value for argument '(.*?)'\..*", r"\1 must have a value"),
    (r"Missing from [^:]*: (\S+).*", r"\1 must be given"),
    (
        r"Unrecognized options: (.*?) ─ [^─]*?: (?:--\w+, )*(--[\w-]+).*",
        r"no such option or argument: \1; did you mean \2?",
    ),
    (r"Unrecognized options: (.*?) ─.*", r"no such option or argument: \1"),
    (r"must be INT, got", "must be a whole number, got"),
    (r"\{?\[([^\[\]]+) \[[^\[\]]+ \.\.\.\]\]\}?", r"\1 ..."),  # {[INT [INT ...]]}
)


def script_words(arguments: list[str]) -> list[str]:
    """Return the script among the arguments and all that follows it, which is its own; nothing if there is none.

    A script is the first word that ends with ``.py`` and is no option.

    Examples
    --------
    >>> script_words(["--workers", "4", "train.py", "--lr", "0.1"])
    ['train.py', '--lr', '0.1']
    """
    scripts = (i for i, word in enumerate(arguments) if word.endswith(".py") and not word.startswith("-"))
    first = next(scripts, len(arguments))
    return arguments[first:]


def split_config(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """Return the file named by ``--config`` and the other arguments.

    Raises
    ------
    ValueError
        If ``--config`` comes without a file.
    """
    rest, config = list(arguments), None
    for i, argument in enumerate(rest):
        if argument == "--config" and i + 1 < len(rest):
            config = Path(rest[i + 1])
            del rest[i : i + 2]
            break
        if argument.startswith("--config="):
            config = Path(argument.removeprefix("--config="))
            del rest[i]
            break
    if "--config" in rest:
        raise ValueError("--config must name one TOML file")
    return config, rest


def earlier_arguments(options: type[Any], config: Path | None) -> list[str]:
    """Return the settings of the file, then of the environment, as arguments.

    Raises
    ------
    OSError
        If the file is not there, or cannot be read.
    ValueError
        If it is no TOML, or one of the two sets something that is no option, or to what it cannot be.
    """
    names = option_names(options)
    arguments: list[str] = []
    if config is not None:
        try:
            settings = tomllib.loads(read_input_text(config, owner="subnetlab", argument="--config"))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"{config}: not a TOML file ({error})") from error
        for key, value in settings.items():
            name = key.replace("-", "_")
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                meant = f"did you mean {close[0]!r}? " if close else ""
                raise ValueError(f"{config}: {key!r} is no option; {meant}there are: {', '.join(sorted(names))}")
            arguments += _as_arguments(str(config), name, names[name], value)
    for name, kind in names.items():
        variable = _PREFIX + name.upper()
        text = os.environ.get(variable)
        if text:  # an empty one is none
            value = (
                _SWITCHES.get(text.lower(), text) if kind is bool else text.split() if _takes_several(kind) else text
            )
            arguments += _as_arguments(variable, name, kind, value)
    return arguments


def unknown_variables(known: Iterable[str]) -> list[str]:
    """Return a line for each variable ``SUBNETLAB_...`` in the environment that sets nothing.

    Parameters
    ----------
    known : iterable of str
        The options of all commands: a variable may be for another one.
    """
    names = {name.upper() for name in known} | _OTHER_VARIABLES
    lines: list[str] = []
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX)
        if variable.startswith(_PREFIX) and name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            meant = f"; did you mean {_PREFIX}{close[0]}?" if close else ""
            lines.append(f"environment: {variable} is no setting and changes nothing{meant}")
    return lines


class Option(NamedTuple):
    """One option as a dataclass declares it.

    Parameters
    ----------
    name : str
        The field's.
    kind : type
    aliases : tuple of str
        Its short spellings, such as ``--p``.
    positional : bool
        Whether it is an argument without a name.
    default : object
        The field's; a switch that is on by default is turned off by ``--no-NAME``.
    """

    name: str
    kind: Any
    aliases: tuple[str, ...]
    positional: bool
    default: Any


def options_in(options: type[Any]) -> Iterator[Option]:
    """Yield the options of a dataclass and of the dataclasses in it."""
    import tyro  # not for the list of the commands

    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        kind, notes = hints[field.name], ()
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            yield from options_in(kind)
            continue
        yield Option(field.name, kind, aliases_of(field.name, notes), tyro.conf.Positional in notes, field.default)


def aliases_of(name: str, notes: Iterable[Any]) -> tuple[str, ...]:
    """Return the short spellings of an option: the paper's letter, and those in the notes of its annotation."""
    letter = [f"--{LETTER_OF[name]}"] if name in LETTER_OF else []
    own = (alias for note in notes for alias in getattr(note, "aliases", None) or ())
    return tuple(dict.fromkeys([*letter, *own]))


def option_names(options: type[Any]) -> dict[str, Any]:
    """Return the names of the options, the short ones too, and the type of each."""
    named = (option for option in options_in(options) if not option.positional)
    return {name.lstrip("-"): option.kind for option in named for name in (option.name, *option.aliases)}


def _takes_several(kind: Any) -> bool:
    return any(get_origin(part) is tuple for part in (kind, *get_args(kind)))


def _as_arguments(where: str, name: str, kind: Any, value: Any) -> list[str]:
    """Return one option as the arguments that set it; what they could not say is refused here."""
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{where}: {name} must be true or false, got {value!r}")
        return [flag if value else flag.replace("--", "--no-", 1)]
    if _takes_several(kind):
        return [flag, *map(str, value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        raise ValueError(f"{where}: {name} must be one value, got {value!r}")
    if kind in (int, float):
        try:
            kind(str(value))
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise ValueError(f"{where}: {name} must be {what}, got {value!r}") from None
    return [f"{flag}={value}"]


def about_option(message: str, options: type[Any], given: Iterable[str] = ()) -> str:
    """Return a message about a setting as one about the option that sets it; any other message as it is.

    Parameters
    ----------
    message : str
    options : dataclass
        Of the command.
    given : iterable of str
        The arguments: the option is called as it is called there, otherwise by the paper's letter if it has one.

    Examples
    --------
    >>> from .train import Options
    >>> about_option("TrainingScheme: selection_prob must be in (0, 1], got 1.5", Options)
    '--xi must be in (0, 1], got 1.5'
    >>> about_option("load_dataset: name must be a name or a path, got 3", Options)
    '--dataset must be a name or a path, got 3'
    """
    found = _ABOUT_SETTING.match(message)
    if found is None:
        return message
    name = _OF_DATA.get(found["name"], found["name"]) if found["owner"] in _DATA_OWNERS else found["name"]
    for option in options_in(options):
        if option.name == name and not option.positional:
            flags = (*option.aliases, "--" + name.replace("_", "-"))
            words = {word.partition("=")[0] for word in given}
            return next((flag for flag in flags if flag in words), flags[0]) + message[found.end() :]
    return message


@contextlib.contextmanager
def in_one_line(program: str) -> Iterator[None]:
    """Turn the box in which tyro refuses the options of ``program`` into the message of a ValueError.

    Raises
    ------
    ValueError
        Where tyro would end the program with code 2.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as end:
        if end.code != 2:
            raise
        raise ValueError(f"{unboxed(said.getvalue())} ({program} --help shows the options)") from None
    sys.stderr.write(said.getvalue())


def unboxed(box: str) -> str:
    """Return what a box says, in a line.

    Examples
    --------
    >>> print(box := chr(10).join(["╭─ Missing ───────────╮", "│ Missing value for   │", "│ argument '--p'. ... │"]))
    ╭─ Missing ───────────╮
    │ Missing value for   │
    │ argument '--p'. ... │
    >>> unboxed(box)
    '--p must have a value'
    """
    plain = re.sub(r"\x1b\[[\d;]*m", "", box)
    text = " ".join(line.strip(" │") for line in plain.splitlines()[1:])  # the first has the title
    text = re.sub(r"[─╰╯-]{8,}", "─", text).strip(" ─")  # drawn with - where the terminal has no ─
    for theirs, ours in _SAYINGS:
        text = re.sub(theirs, ours, text)
    return text
