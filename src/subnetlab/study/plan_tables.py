"""The tables of a plan multiplied out: datasets and cells, or an error that names table and key.

``where`` is the table in the plan; `StudyPlan` puts before each error what the plan is called.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.masks.naming import import_law
from ..datasets.files.source import READERS
from .cell import Cell
from .data import DatasetSpec
from .networks import SHALLOW, import_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sized

LARGEST = 100_000
"""The most cells of a study; each takes about a millisecond to check, and some kilobytes."""

_LISTS = ("diagnostics", "drop", "categorical")  # settings whose value is a list, so that they cannot vary


_IMPORTED: dict[str, Callable[..., Any]] = {"masks": import_law, "network": import_network}


class PlanError(ValueError):
    """A plan that cannot be carried out; the message names file, key and rule."""


def tables_of(name: str, given: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return one table or a list of tables, each with its place in the plan."""
    tables = given if isinstance(given, list) else [given]
    if not tables or not all(isinstance(table, dict) for table in tables):
        raise PlanError(f"{name} must be a table or a list of tables, got {given!r}")
    return [(name if len(tables) == 1 else f"{name}[{i}]", table) for i, table in enumerate(tables)]


def check_keys(where: str, table: Any, known: tuple[str, ...], required: tuple[str, ...] = ()) -> None:
    """Raise PlanError unless the table is one, its keys are known and the required ones are there."""
    if not isinstance(table, dict):
        raise PlanError(f"{where or 'the plan'} must be a table, got {table!r}")
    dot = f"{where}." if where else ""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise PlanError(f"{dot}{key} is no setting{hint} There are: {', '.join(known)}")
    for key in required:
        if key not in table:
            raise PlanError(f"{dot}{key} must be given")


def check_settings(where: str, table: Any) -> None:
    """Raise PlanError unless every key of the table is a setting of `Cell`."""
    check_keys(where, table, tuple(f.name for f in fields(Cell) if f.name != "dataset"))


def check_count(where: str, axes: Iterable[Sized]) -> None:
    """Raise PlanError if the product of the lists has more cells than a study can hold."""
    count = math.prod(map(len, axes))
    if count > LARGEST:
        raise PlanError(f"{where} must give at most {LARGEST:,} cells, got {count:,}; split the study")


def datasets_of(where: str, table: Mapping[str, Any], folder: Path | None) -> list[DatasetSpec]:
    """Return the product of all lists in a table of data; paths in it are relative to the folder."""
    known = tuple(f.name for f in fields(DatasetSpec))
    check_keys(where, table, known, required=("name",))
    axes = [[(name, value) for value in _values(where, name, given)] for name, given in table.items()]
    check_count(where, axes)
    specs: list[DatasetSpec] = []
    for choice in itertools.product(*axes):
        settings = dict(choice)
        for name in ("name", "path"):
            settings[name] = _located(settings.get(name), folder, always=name == "path")
        try:
            specs.append(DatasetSpec(**settings))
        except (TypeError, ValueError) as error:
            name = _culprit(str(error), table)
            raise PlanError(f"{where}{'.' + name if name else ''}: {error}") from error
    return specs


def cells_of(
    where: str, datasets: list[DatasetSpec], settings: Mapping[str, Any], own: Mapping[str, Any]
) -> list[Cell]:
    """Return the product of the datasets and all lists of values, the last setting varying fastest."""
    if settings.get("network", SHALLOW) != SHALLOW:  # a list of networks may still want a width
        settings = {"width": None, **settings}
    for name in (f.name for f in fields(Cell) if f.default is MISSING and f.name != "dataset"):
        if name not in settings:
            raise PlanError(f"settings.{name} must be given")
    axes = [
        [(name, value) for value in _values(where if name in own else "settings", name, given)]
        for name, given in settings.items()
    ]
    check_count(where if own else "settings", [*axes, datasets])
    for name, value in itertools.chain(*axes):
        if name in _IMPORTED:
            try:
                _IMPORTED[name](value, owner="Cell")  # the user wrote the plan
            except (TypeError, ValueError) as error:
                raise PlanError(f"{where if name in own else 'settings'}.{name}: {error}") from error
    cells: list[Cell] = []
    for dataset, choice in itertools.product(datasets, itertools.product(*axes)):
        try:
            cells.append(Cell(dataset, **dict(choice)))
        except (TypeError, ValueError) as error:
            name = _culprit(str(error), settings)
            table = where if name in own else "settings"
            place = f"{table}.{name}" if name else where if own else "settings"
            raise PlanError(f"{place}: {error}") from error
    return cells


def _located(value: Any, folder: Path | None, *, always: bool) -> Any:
    """Return a path made absolute, and a name that is no path as it is."""
    if not isinstance(value, str) or not (always or Path(value).suffix.lower() in READERS):
        return value
    return str(((folder or Path()) / os.path.expanduser(value)).absolute())


def _values(where: str, name: str, given: Any) -> list[Any]:
    if isinstance(given, dict):
        raise PlanError(f"{where}.{name} must be a value or a list of values, got {given!r}")
    if name in _LISTS or not isinstance(given, list):
        return [tuple(given) if isinstance(given, list) else given]
    if not given:
        raise PlanError(f"{where}.{name} must hold at least one value, got an empty list")
    for value in given:
        if isinstance(value, (list, dict)):
            raise PlanError(f"{where}.{name} must be a list of single values, got {value!r}")
    if len({(type(value), value) for value in given}) < len(given):
        raise PlanError(f"{where}.{name} must not repeat a value, got {given}")
    return given


def _culprit(message: str, settings: Mapping[str, Any]) -> str | None:
    """Return the setting that an error of the form "Owner: name must ..." is about."""
    words = message.partition(": ")[2].split()
    return words[0] if words and words[0] in settings else None
