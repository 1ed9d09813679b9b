"""Arguments of the program: from a TOML file (``--config``) and the environment, too.

The order is: flag over environment (``SUBNETLAB_ROUNDS=100``) over file over default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from ..core.letters import LETTER_OF
from ..input_file import read_input_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PREFIX = "SUBNETLAB_"
_OTHER_VARIABLES = {"DATA", "CACHE", "PARENT"}  # what is no option of a command
_SWITCHES = {"1": True, "true": True, "0": False, "false": False}


def script_words(arguments: list[str], kinds: Mapping[str, Any]) -> list[str]:
    """Return the script among the arguments and all that follows it, which is its own; nothing if there is none.

    A script is the first word that ends with ``.py`` and is neither an option nor the value of one.

    Parameters
    ----------
    arguments : list of str
    kinds : mapping from str to type
        Of the options, see `option_names`.

    Raises
    ------
    ValueError
        If a file stands in its place whose name ends otherwise.

    Examples
    --------
    >>> script_words(["--out", "run.py", "train.py", "--lr", "0.1"], {"out": Path})
    ['train.py', '--lr', '0.1']
    """
    kinds = {**kinds, "config": Path}
    value_follows = may_follow = False
    for i, word in enumerate(arguments):
        if value_follows:
            value_follows = False
        elif word.startswith("-"):
            kind = kinds.get(word.lstrip("-").replace("-", "_"))
            may_follow = "=" not in word and (kind is None or _takes_several(kind))
            value_follows = not may_follow and kind not in (None, bool)
        elif word.endswith(".py"):
            return arguments[i:]
        elif not may_follow and Path(word).is_file():
            raise ValueError(f"script must be a file whose name ends with .py, got {word!r}")
    return []


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
