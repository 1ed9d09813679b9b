"""The options of a command as its help shows them: each in a paragraph, with the default that it really has."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

from .arguments import aliases_of
from .completion import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_WITH_WORDS = ("masks", "engine", "engines")  # of type str, with names from tables
_NOTHING = ("None", "False", "True", "")  # defaults that say no more than that the option is not given


@cache
def described(options: type[_T]) -> type[_T]:
    """Return a subclass of a dataclass of options that tells tyro what to show, and knows the paper's letters.

    tyro alone would keep the line breaks of the source, call ``None`` the default of an option whose default is
    decided later, and write ``{[INT [INT ...]]}`` for several numbers. A class may have a method ``decided_later``
    that returns defaults by name.
    """
    hints, texts = get_type_hints(options, include_extras=True), _docstrings(options)
    decided = cache(getattr(options, "decided_later", dict))  # called for the help alone
    members: dict[str, Any] = {"__doc__": options.__doc__, "__module__": options.__module__}
    annotations = members["__annotations__"] = {}
    for option in fields(options):  # pyright: ignore[reportArgumentType]
        kind, notes = hints[option.name], []
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
        if is_dataclass(kind) and isinstance(kind, type):
            members[option.name] = _described_group(kind, option.default_factory)
            annotations[option.name] = described(kind)
            continue
        metavar = next(filter(None, (getattr(note, "metavar", None) for note in notes)), _metavar(option.name, kind))
        if tyro.conf.Positional in notes and get_origin(kind) is not Literal:
            name = option.name.upper()
            metavar = name if option.default is MISSING else f"[{name}]"
        told = tyro.conf.arg(
            help=texts.get(option.name),
            help_behavior_hint=_hint(option.name, decided),
            aliases=aliases_of(option.name, notes) or None,
            metavar=metavar,
        )
        notes = [*(note for note in notes if not hasattr(note, "metavar")), told]
        annotations[option.name] = Annotated[(kind, *notes)]
        if option.default is not MISSING:
            members[option.name] = option.default
    made: Any = type(options.__name__, (options,), members)
    return dataclass(frozen=True)(made)


def _described_group(kind: type[Any], factory: Any) -> Any:
    """Return the field of a group of options whose default is an instance of the class that is shown."""
    return field(default_factory=lambda: described(kind)(**vars(factory())))


def _hint(name: str, decided: Callable[[], dict[str, Any]]) -> Callable[[str], str]:
    """Return what turns a default as tyro writes it into what stands behind the text of the option."""

    def hint(default: str) -> str:
        if default in _NOTHING and (value := decided().get(name)) is not None:
            default = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        return "" if default in _NOTHING else f"(default: {default})"

    return hint


def _metavar(name: str, kind: Any) -> str | None:
    """Return what stands for the value of an option: the words that it takes, or the types of several values."""
    words = words_of(name, str) if name in _WITH_WORDS else ()
    several = [part for part in (kind, *get_args(kind)) if get_origin(part) is tuple]
    if not several and not words:
        return None
    one = f"{{{','.join(words)}}}" if words else _type_name(get_args(several[0])[0])
    return f"{one} ..." if several else one


def _type_name(kind: Any) -> str:
    if kind is bool:
        return "{True,False}"
    if get_origin(kind) is Literal:
        return f"{{{','.join(map(str, get_args(kind)))}}}"
    return kind.__name__.upper() if isinstance(kind, type) else "|".join(map(_type_name, get_args(kind)))


def _docstrings(options: type[Any]) -> dict[str, str]:
    """Return the text beneath each field, in one line, of a class and of those that it inherits from."""
    texts: dict[str, str] = {}
    for part in reversed(options.__mro__[:-1]):
        if not is_dataclass(part):
            continue
        try:
            source = inspect.getsource(part)
        except (OSError, TypeError):  # typed at a prompt, say: then tyro finds what it can
            continue
        body = ast.parse(textwrap.dedent(source)).body[0].body  # pyright: ignore
        for statement, text in pairwise(body):
            if isinstance(statement, ast.AnnAssign) and isinstance(text, ast.Expr):
                value = ast.literal_eval(text.value)
                texts[statement.target.id] = " ".join(value.split())  # pyright: ignore
    return texts
