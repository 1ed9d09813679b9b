"""From a TOML file or a dict to the cells of a study, and whether they belong into a folder.

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

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.letters import spelled_out
from ..input_file import read_input_text
from ..training.request import RENAMED, STORED_AS
from .cell import ADDED
from .data import COLUMNS
from .plan_tables import PlanError, cells_of, check_count, check_keys, check_settings, datasets_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cell import Cell
    from .store import Store

_TOP = ("name", "dataset", "settings", "grid")
_FREE = ("path",)  # where the data lie does not matter
_NOTE = "identity"


@dataclass(frozen=True)
class StudyPlan:
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
    >>> plan = StudyPlan.from_dict({
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
    ) -> StudyPlan:
        """Return the plan in a file; paths in it are relative to the file's folder.

        Parameters
        ----------
        path : str or Path
        settings, dataset : mapping, optional
            What takes the place of keys in ``[settings]`` and in a single ``[dataset]``.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        FileContentError
            If it is no text.
        PlanError
            If it is no TOML (with the line), or breaks a rule.
        """
        path = Path(path)
        try:
            content = tomllib.loads(read_input_text(path, owner="StudyPlan.from_toml"))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
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
    ) -> StudyPlan:
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
        try:
            content = _replaced(_renamed(content), {**_renamed({"settings": settings}), "dataset": dataset})
            cells = _cells(content, folder)
            if not isinstance(given := content.get("name", name), str):
                raise PlanError(f"name must be a text, got {given!r}")
        except PlanError as error:
            raise PlanError(f"{source}: {error}") from error.__cause__
        return cls(given, content, cells)

    def to_toml(self) -> str:
        """Return the plan as the text of a file; what the plan leaves open (None) is left out.

        Examples
        --------
        >>> settings = {"width": 100, "rounds": 5, "masks": "categorical", "n_subnetworks": [2, 4]}
        >>> print(StudyPlan.from_dict({"dataset": {"name": "diabetes"}, "settings": settings}).to_toml())
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


def _renamed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with the settings under their names of today; old ones are warned of."""
    renamed = dict(content)
    try:
        for name in ("settings", "grid"):
            given = renamed.get(name)
            if isinstance(given, dict):
                renamed[name] = spelled_out("settings", given, RENAMED, stacklevel=3)
            elif isinstance(given, list):
                renamed[name] = tables = list(given)
                for place, table in enumerate(tables):
                    if isinstance(table, dict):
                        tables[place] = spelled_out("settings", table, RENAMED, stacklevel=3)
    except TypeError as error:  # one by both names
        raise PlanError(str(error)) from None
    return renamed


def _replaced(content: Mapping[str, Any], replacements: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """Return the content with some keys of its tables replaced."""
    content = dict(content)
    for name, given in replacements.items():
        if given:
            if not isinstance(content.get(name, {}), dict):
                raise PlanError(f"{name} must be one table for flags to change it, got several")
            content[name] = {**content.get(name, {}), **given}
    return content


def _cells(content: Mapping[str, Any], folder: Path | None) -> tuple[Cell, ...]:
    """Return the cells of all grids, each once."""
    check_keys("", content, _TOP, required=("dataset", "settings"))
    datasets = [
        spec for where, table in tables_of("dataset", content["dataset"]) for spec in datasets_of(where, table, folder)
    ]
    common = content["settings"]
    check_settings("settings", common)
    cells: dict[Cell, None] = {}
    for where, grid in tables_of("grid", content.get("grid", [{}])):
        check_settings(where, grid)
        cells |= dict.fromkeys(cells_of(where, datasets, {**common, **grid}, own=grid))
        check_count(where, [cells])  # of all grids so far
    return tuple(cells)


def _toml(value: Any) -> str:
    """Return a value as TOML writes it; texts, true and false, and lists are as in JSON."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


class StudyConflictError(ValueError):
    """The folder holds another study."""


def claim_folder(store: Store, cells: Iterable[Cell], *, force: bool = False) -> None:
    """Note the plan's settings in the store: a study keeps what it fixed.

    A setting that had one value in the folder's last plan and has another single value now contradicts it: the table
    would mix two studies. Lists of values may grow and shrink. The data under the same settings must be the same.

    Raises
    ------
    StudyConflictError
        If they contradict those of the folder's last plan and ``force`` is false; the message lists the
        differences.
    """
    wanted = describe(cells)
    found = store.noted(_NOTE)
    differences = [] if found is None or force else contradictions(found, wanted)
    if differences:
        listing = "\n  ".join(differences)
        raise StudyConflictError(
            f"{store.folder} holds another study; list both values in the plan to have both, choose another folder, "
            f"or use --force\n  {listing}"
        )
    store.note(_NOTE, wanted)


def describe(cells: Iterable[Cell]) -> dict[str, Any]:
    """Return the values of each setting over all cells, and the hash of each dataset."""
    values: dict[str, list[Any]] = {}
    data: dict[str, str] = {}
    for cell in cells:
        for name, value in (COLUMNS | cell.settings()).items():
            seen = values.setdefault(STORED_AS.get(name, name), [])
            if value not in seen:
                seen.append(value)
        data[str(cell.dataset)] = cell.dataset.load().digest
    return {"settings": {name: seen for name, seen in values.items() if name not in _FREE}, "data": data}


def contradictions(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Return a line per difference.

    Examples
    --------
    >>> contradictions({"settings": {"width": [10]}, "data": {}}, {"settings": {"width": [20]}, "data": {}})
    ['width: there 10, asked 20']
    >>> contradictions({"settings": {"width": [10]}, "data": {}}, {"settings": {"width": [10, 20]}, "data": {}})
    []
    """
    lines: list[str] = []
    for name, asked in wanted["settings"].items():
        known = RENAMED.get(name, name)
        added = ADDED | COLUMNS
        there = found["settings"].get(name, [added[known]] if known in added else asked)
        if len(there) == len(asked) == 1 and there != asked:
            lines.append(f"{known}: there {there[0]!r}, asked {asked[0]!r}")
    for dataset, digest in wanted["data"].items():
        there = found["data"].get(dataset, digest)
        if there != digest:
            lines.append(f"the content of {dataset}: there SHA-256 {there[:12]}, now {digest[:12]}")
    return lines
