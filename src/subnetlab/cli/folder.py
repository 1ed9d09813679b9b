"""The output folder: it remembers the settings that filled it, and refuses others."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SETTINGS = "settings.json"


class FolderConflictError(ValueError):
    """The folder holds results of other settings."""


def open_folder(path: Path, settings: Mapping[str, Any], *, force: bool = False) -> Path:
    """Make the folder, or find it filled by the same settings, and note the settings in it.

    Parameters
    ----------
    path : Path
    settings : mapping
        Everything that decides the results, JSON-able.
    force : bool
        Take the folder over from other settings.

    Raises
    ------
    FolderConflictError
        If it holds results of other settings; the message lists the differences.
    OSError
        If it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"{path}: the output folder cannot be made ({error.strerror})") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: the output folder must be writable")
    file = path / _SETTINGS
    wanted = json.loads(json.dumps(settings))
    if file.exists() and not force:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError) as error:
            raise FolderConflictError(f"{file}: not readable ({error}); use another --out or --force") from error
        differences = list(_differences(found, wanted))
        if differences:
            listing = "\n  ".join(differences)
            raise FolderConflictError(
                f"{path} holds results of other settings; use another --out or --force\n  {listing}"
            )
    write_json(file, wanted)
    return path


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, sorted, so that the same content gives the same bytes."""
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        lines: list[str] = []
        for key in sorted(found.keys() | wanted.keys()):
            lines += _differences(found.get(key), wanted.get(key), f"{name}.{key}" if name else key)
        return lines
    return [] if found == wanted else [f"{name}: there {found!r}, asked {wanted!r}"]
