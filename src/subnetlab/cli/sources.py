"""Options from a TOML file (``--config``) and from the environment, as arguments that flags override.

The order is: flag over environment (``SUBNETLAB_ROUNDS=100``) over file over default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_PREFIX = "SUBNETLAB_"


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
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is no TOML, or sets something that is no option.
    """
    names = option_names(options)
    arguments: list[str] = []
    if config is not None:
        try:
            settings = tomllib.loads(config.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{config}: not a TOML file ({error})") from error
        for key, value in settings.items():
            name = key.replace("-", "_")
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                meant = f"did you mean {close[0]!r}? " if close else ""
                raise ValueError(f"{config}: {key!r} is no option; {meant}there are: {', '.join(sorted(names))}")
            arguments += _as_arguments(name, value)
    for name in names:
        text = os.environ.get(_PREFIX + name.upper())
        if text is not None:
            value = text == "1" if text in ("0", "1") and names[name] is bool else text.split()
            arguments += _as_arguments(name, value)
    return arguments


def option_names(options: type[Any]) -> dict[str, Any]:
    """Return the options of a dataclass and of the dataclasses in it, with the short names too: name -> type."""
    found: dict[str, Any] = {}
    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        kind, notes = hints[field.name], ()
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            found |= option_names(kind)
            continue
        aliases = [alias for note in notes for alias in getattr(note, "aliases", None) or ()]
        found |= dict.fromkeys([field.name, *(alias.lstrip("-") for alias in aliases)], kind)
    return found


def _as_arguments(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    values = value if isinstance(value, list) else [value]
    return [flag, *map(str, values)]
