"""From a TOML file or a dict to the cells of a study.

    name = "my-study"
    [dataset]            # or several [[dataset]]; keys of DatasetSpec
    name = "crime"
    [settings]           # keys of Cell: one value, or a list of values to vary
    width = 4000
    n_subnetworks = [1, 2, 4]
    [[grid]]             # any number: settings that replace or add to [settings]
    masks = "categorical"

Every grid is the product of all lists; the study is the union of the grids. ``network_seed = "seed"`` gives each
seed an initial network of its own.
"""

from __future__ import annotations

import difflib
import itertools
import json
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.files.table import READERS
from .cell import Cell
from .data import DatasetSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS = ("diagnostics",)  # settings whose value is a list, so that they cannot vary
_TOP = ("name", "dataset", "settings", "grid")


class PlanError(ValueError):
    """A plan that cannot be carried out; the message names file, key and rule."""


@dataclass(frozen=True)
class Plan:
    """A study's cells, not yet run.

    Parameters
    ----------
    name : str
    content : dict
        The plan as given, plain values.
    cells : tuple of Cell
        All of them, in order, each once.

    Examples
    --------
    >>> plan = Plan.from_dict({
    ...     "dataset": {"name": "diabetes"},
    ...     "settings": {"width": 100, "rounds": 5, "selection_prob": 0.5, "n_subnetworks": [1, 2], "seed": [0, 1, 2]},
    ... })
    >>> len(plan.cells)
    6
    """

    name: str
    content: dict[str, Any]
    cells: tuple[Cell, ...]

    @classmethod
    def from_toml(
        cls, path: str | Path, *, settings: Mapping[str, Any] | None = None, dataset: Mapping[str, Any] | None = None
    ) -> Plan:
        """Return the plan in a file; paths in it are relative to the file's folder.

        Parameters
        ----------
        path : str or Path
        settings, dataset : mapping, optional
            What takes the place of keys in ``[settings]`` and in a single ``[dataset]``.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        PlanError
            If it is no TOML (with the line), or breaks a rule.
        """
        path = Path(path)
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PlanError(f"{path}: must be a TOML file: {error}") from error
        return cls.from_dict(
            content, settings=settings, dataset=dataset, source=str(path), folder=path.parent, name=path.stem
        )

    @classmethod
    def from_dict(
        cls,
        content: Mapping[str, Any],
        *,
        settings: Mapping[str, Any] | None = None,
        dataset: Mapping[str, Any] | None = None,
        source: str = "plan",
        folder: Path | None = None,
        name: str = "study",
    ) -> Plan:
        """Return the plan in a dict of the same structure as the file.

        Parameters
        ----------
        content : mapping
        settings, dataset : mapping, optional
            As for `from_toml`.
        source : str
            What errors call the plan.
        folder : Path, optional
            What paths are relative to, if not the current folder.
        name : str
            For a plan that has none.

        Raises
        ------
        PlanError
            If it breaks a rule.
        """
        content = _replaced(source, content, {"settings": settings, "dataset": dataset})
        _check_keys(source, "", content, _TOP, required=("dataset", "settings"))
        datasets = [
            spec
            for where, table in _tables(source, "dataset", content["dataset"])
            for spec in _datasets(source, where, table, folder)
        ]
        common = content["settings"]
        _check_settings(source, "settings", common)
        cells: dict[Cell, None] = {}
        for where, grid in _tables(source, "grid", content.get("grid", [{}])):
            _check_settings(source, where, grid)
            cells |= dict.fromkeys(_grid(source, where, datasets, {**common, **grid}, own=grid))
        given = content.get("name", name)
        if not isinstance(given, str):
            raise PlanError(f"{source}: name must be a text, got {given!r}")
        return cls(given, content, tuple(cells))

    def to_toml(self) -> str:
        """Return the plan as the text of a file; what the plan leaves open (None) is left out.

        Examples
        --------
        >>> settings = {"width": 100, "rounds": 5, "masks": "categorical", "n_subnetworks": [2, 4]}
        >>> print(Plan.from_dict({"dataset": {"name": "diabetes"}, "settings": settings}).to_toml())
        name = "study"
        <BLANKLINE>
        [dataset]
        name = "diabetes"
        <BLANKLINE>
        [settings]
        width = 100
        rounds = 5
        masks = "categorical"
        n_subnetworks = [2, 4]
        <BLANKLINE>
        """
        parts = [f"name = {_toml(self.name)}\n"]
        for name in _TOP[1:]:
            tables = self.content.get(name, [])
            header = f"[[{name}]]" if isinstance(tables, list) else f"[{name}]"
            for table in tables if isinstance(tables, list) else [tables]:
                lines = [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
                parts.append("\n".join([header, *lines]) + "\n")
        return "\n".join(parts)

    def check(self) -> None:
        """Load the data and see that every cell can be run.

        Raises
        ------
        TypeError, ValueError, OSError, ImportError
            If data are missing or do not fit a cell, or no engine can do it.
        """
        for cell in self.cells:
            cell.resolved()


def _replaced(
    source: str, content: Mapping[str, Any], replacements: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, Any]:
    """Return the content with some keys of its tables replaced."""
    content = dict(content)
    for name, given in replacements.items():
        if given:
            if not isinstance(content.get(name, {}), dict):
                raise PlanError(f"{source}: {name} must be one table for flags to change it, got several")
            content[name] = {**content.get(name, {}), **given}
    return content


def _toml(value: Any) -> str:
    """Return a value as TOML writes it; texts, true and false, and lists are as in JSON."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _grid(
    source: str, where: str, datasets: list[DatasetSpec], settings: Mapping[str, Any], own: Mapping[str, Any]
) -> list[Cell]:
    """Return the product of the datasets and all lists of values, the last setting varying fastest."""
    for name in (f.name for f in fields(Cell) if f.default is MISSING and f.name != "dataset"):
        if name not in settings:
            raise PlanError(f"{source}: settings.{name} must be given")
    axes = [
        [(name, value) for value in _values(source, where if name in own else "settings", name, given)]
        for name, given in settings.items()
    ]
    cells: list[Cell] = []
    for dataset, choice in itertools.product(datasets, itertools.product(*axes)):
        try:
            cells.append(Cell(dataset, **dict(choice)))
        except (TypeError, ValueError) as error:
            name = _culprit(str(error), settings)
            table = where if name in own else "settings"
            place = f"{table}.{name}" if name else where if own else "settings"
            raise PlanError(f"{source}: {place}: {error}") from error
    return cells


def _datasets(source: str, where: str, table: Mapping[str, Any], folder: Path | None) -> list[DatasetSpec]:
    known = tuple(f.name for f in fields(DatasetSpec))
    _check_keys(source, where, table, known, required=("name",))
    axes = [[(name, value) for value in _values(source, where, name, given)] for name, given in table.items()]
    specs: list[DatasetSpec] = []
    for choice in itertools.product(*axes):
        settings = dict(choice)
        for name in ("name", "path"):
            settings[name] = _located(settings.get(name), folder, always=name == "path")
        try:
            specs.append(DatasetSpec(**settings))
        except (TypeError, ValueError) as error:
            name = _culprit(str(error), table)
            raise PlanError(f"{source}: {where}{'.' + name if name else ''}: {error}") from error
    return specs


def _located(value: Any, folder: Path | None, *, always: bool) -> Any:
    """Return a path made absolute, and a name that is no path as it is."""
    if not isinstance(value, str) or not (always or Path(value).suffix.lower() in READERS):
        return value
    return str(((folder or Path()) / Path(value).expanduser()).absolute())


def _values(source: str, where: str, name: str, given: Any) -> list[Any]:
    if isinstance(given, dict):
        raise PlanError(f"{source}: {where}.{name} must be a value or a list of values, got {given!r}")
    if name in _LISTS or not isinstance(given, list):
        return [tuple(given) if isinstance(given, list) else given]
    if not given:
        raise PlanError(f"{source}: {where}.{name} must hold at least one value, got an empty list")
    for value in given:
        if isinstance(value, (list, dict)):
            raise PlanError(f"{source}: {where}.{name} must be a list of single values, got {value!r}")
    if len({(type(value), value) for value in given}) < len(given):
        raise PlanError(f"{source}: {where}.{name} must not repeat a value, got {given}")
    return given


def _tables(source: str, name: str, given: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Return one table or a list of tables, each with its place in the plan."""
    tables = given if isinstance(given, list) else [given]
    if not tables or not all(isinstance(table, dict) for table in tables):
        raise PlanError(f"{source}: {name} must be a table or a list of tables, got {given!r}")
    return [(name if len(tables) == 1 else f"{name}[{i}]", table) for i, table in enumerate(tables)]


def _check_settings(source: str, where: str, table: Any) -> None:
    _check_keys(source, where, table, tuple(f.name for f in fields(Cell) if f.name != "dataset"))


def _check_keys(source: str, where: str, table: Any, known: tuple[str, ...], required: tuple[str, ...] = ()) -> None:
    if not isinstance(table, dict):
        raise PlanError(f"{source}: {where or 'the plan'} must be a table, got {table!r}")
    dot = f"{where}." if where else ""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise PlanError(f"{source}: {dot}{key} is no setting{hint} There are: {', '.join(known)}")
    for key in required:
        if key not in table:
            raise PlanError(f"{source}: {dot}{key} must be given")


def _culprit(message: str, settings: Mapping[str, Any]) -> str | None:
    """Return the setting that an error of the form "Owner: name must ..." is about."""
    words = message.partition(": ")[2].split()
    return words[0] if words and words[0] in settings else None
