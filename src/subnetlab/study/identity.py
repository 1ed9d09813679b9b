"""Whether a plan belongs into a folder: what a study once fixed stays fixed.

A setting that had one value in the folder's last plan and has another single value now contradicts it: the table
would mix two studies. Lists of values may grow and shrink. The data under the same settings must be the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cell import ADDED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .cell import Cell
    from .store import Store

_FREE = ("path",)  # where the data lie does not matter
_NOTE = "identity"


class StudyConflictError(ValueError):
    """The folder holds another study."""


def claim_folder(store: Store, cells: Iterable[Cell], *, force: bool = False) -> None:
    """Note the plan's settings in the store.

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
        for name, value in cell.settings().items():
            seen = values.setdefault(name, [])
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
        there = found["settings"].get(name, [ADDED[name]] if name in ADDED else asked)
        if len(there) == len(asked) == 1 and there != asked:
            lines.append(f"{name}: there {there[0]!r}, asked {asked[0]!r}")
    for dataset, digest in wanted["data"].items():
        there = found["data"].get(dataset, digest)
        if there != digest:
            lines.append(f"the content of {dataset}: there SHA-256 {there[:12]}, now {digest[:12]}")
    return lines
