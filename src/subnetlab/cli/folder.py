"""Output folders: which command made the results in one, with which settings, and which process is at work in it.

A folder holds the results of one command under one set of settings. Every command that fills a folder calls
`output_folder` first, so that nothing is ever written beside results that do not belong to it.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_file, remove_leftovers
from ..locks import locked
from ..study.store import DATABASE
from ..training.run import RUN_FILE
from ..versions import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ..datasets import Dataset
    from ..history import History

_SETTINGS, PROVENANCE = "settings.json", "provenance.json"
_LOCK = "folder.lock"
_DERIVED = ("report.html", *(f"theory.{ending}" for ending in ("csv", "pdf", "svg", "png")))
_LOGS = "worker-*.log"  # of machines that wait for machine 0, too: no result
_JOBS = "job-*.npz"  # one per machine
_RUN = (RUN_FILE, "network.npz", "history.csv", "summary.json")

# What each command writes, besides settings and provenance: gone when other settings take the folder over. What the
# other machines of a launch write while they wait for machine 0 is no result.
_RESULTS: dict[str, tuple[str, ...]] = {
    "train": (*_RUN, *_DERIVED),
    "launch": ("checkpoints", "training-*.safetensors*", _LOGS, "log.jsonl", *_RUN, *_DERIVED),
    "reproduce": (
        "verdicts.csv",
        "verdicts.json",
        "view.json",
        "figure_2[abc]*.*",
        "depth_*.*",
        "methods.csv",
        *_DERIVED,
    ),
    "theory": _DERIVED,
    "study": (),
}
# Options that came later, with what was done before: then they are left out, so that earlier folders still fit.
_ADDED: dict[str, Any] = {"loss": "squared"}
_TEMPORARY = {"launch": (".seen-*", ".network-*")}  # what else a killed process may leave


class FolderConflictError(ValueError):
    """The folder holds results of another command, or of other settings."""


@contextmanager
def output_folder(
    path: Path,
    command: str,
    settings: Mapping[str, Any],
    *,
    provenance: Mapping[str, Any] | None = None,
    force: bool = False,
    lock: str = _LOCK,
    owner: bool = True,
) -> Iterator[int]:
    """Take a folder for a command's results: no other process works in it, and its settings are noted.

    The folder is made, or found filled by the same command with the same settings. What a killed process left
    half-written in it is removed.

    Parameters
    ----------
    path : Path
    command : str
    settings : mapping
        Everything that decides the results, JSON-able.
    provenance : mapping, optional
        Where the data come from; kept in ``provenance.json`` with the versions of program and libraries.
    force : bool
        Take the folder over from other settings of the same command: their results are removed.
    lock : str
        The file that is locked for as long as the block runs; its descriptor is what one gets.
    owner : bool
        Whether this process may write settings; one that joins a job in a shared folder only compares.

    Raises
    ------
    FolderConflictError
        If it holds results of another command, or of other settings; the message lists the differences.
    FolderBusyError
        If another process is at work in it.
    OSError
        If it cannot be made or written.
    """
    refuse_other_commands(path, command)
    _make(path)
    with locked(path / lock, f"run {command}") as descriptor:
        refuse_other_commands(path, command)  # again: from now on no other process can begin
        wanted = {"command": command, **json.loads(json.dumps(settings))}
        problem = _conflict(path, command, wanted)
        if problem and not force:
            raise FolderConflictError(f"{problem}; use another --out or --force")
        if owner:
            clear_leftovers(path, command)
            if problem:
                _remove(path, _RESULTS[command])
            write_json(path / _SETTINGS, wanted)
            if provenance is not None:
                write_json(path / PROVENANCE, {**provenance, "versions": versions()})
        yield descriptor


def deciding(options: Any, data: Dataset, *ignored: str) -> dict[str, Any]:
    """Return the options of a run that decide its result, for `output_folder`.

    Where the data lie does not matter, and more rounds of the same run are no other settings.

    Parameters
    ----------
    options : dataclass
        With the fields ``data`` and ``scheme``.
    data : Dataset
    ignored : str
        Further options that decide nothing.
    """
    ignored = (*ignored, "out", "json", "quiet", "force", "rounds", "data", "scheme")
    every = asdict(options) | options.scheme.settings()
    settings = {name: v for name, v in every.items() if name not in ignored and (name, v) not in _ADDED.items()}
    return {**settings, "data": {"name": data.name, "sha256": data.digest}}


def write_summary(
    folder: Path,
    data: Dataset,
    history: History,
    *,
    step_size: float,
    as_json: bool,
    scores: Mapping[str, float | None],
    **more: Any,
) -> None:
    """Write what came of a run into its folder, and print it: a line per name, or JSON."""
    summary = {
        "dataset": data.name,
        "n_samples": len(data.X),
        "n_features": data.X.shape[1],
        "rounds": history.rounds,
        **more,
        "step_size": step_size,
        "error_before": float(history.full_error[0]),
        "error_after": float(history.full_error[-1]),
        **scores,
        "out": str(folder),
    }
    write_json(folder / "summary.json", summary)
    if as_json:
        print(json.dumps(summary, sort_keys=True))
        return
    width = max(map(len, summary)) + 2
    for name, value in summary.items():
        text = f"{value:.6g}" if isinstance(value, float) else "not defined" if value is None else str(value)
        print(f"{name:<{width}}{text}")


def refuse_other_commands(path: Path, command: str) -> None:
    """Raise if a folder holds the results of another command.

    Raises
    ------
    FolderConflictError
        Naming the command.
    """
    found = command_of(path)
    if found not in (None, command):
        raise FolderConflictError(f"{path}: holds results of `subnetlab {found}`; use another --out for {command}")


def command_of(path: Path) -> str | None:
    """Return the command whose results a folder holds, or None if it holds none.

    Folders of earlier versions do not say it, but can be told by what is in them.
    """
    settings = _read(path / _SETTINGS)
    if isinstance(settings, dict):
        if settings.get("command") in _RESULTS:
            return settings["command"]
        for command, names in (("launch", {"close_share"}), ("reproduce", {"settings", "data"})):
            if names <= settings.keys():
                return command
    if (path / "checkpoints").is_dir() and any(path.glob(_JOBS)):
        return "launch"
    if (path / DATABASE).exists():
        return "study"
    return "train" if (path / RUN_FILE).exists() else None


def clear_leftovers(path: Path, command: str) -> None:
    """Remove what a killed process left half-written; only for the process that holds the folder's lock."""
    remove_leftovers(path, "*")
    _remove(path, _TEMPORARY.get(command, ()))


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, sorted, so that the same content gives the same bytes."""
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"{path}: the output folder cannot be made ({error.strerror})") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: the output folder must be writable")


def _conflict(path: Path, command: str, wanted: Mapping[str, Any]) -> str:
    """Return why a folder's content does not belong to the settings, or nothing."""
    file = path / _SETTINGS
    if not file.exists():
        names = (found.name for pattern in _RESULTS[command] if pattern != _LOGS for found in path.glob(pattern))
        result = next(names, None)
        return f"{path} holds {result}, but no {_SETTINGS} that tells what made it" if result else ""
    found = _read(file)
    if not isinstance(found, dict):
        return f"{file}: not readable"
    differences = _differences({**found, "command": command}, wanted)
    return "\n  ".join([f"{path} holds results of other settings", *differences]) if differences else ""


def _read(file: Path) -> Any:
    """Return the content of a JSON file, None if it is not there or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None


def _remove(path: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for found in path.glob(pattern):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink(missing_ok=True)  # another machine may take the same folder over


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        lines: list[str] = []
        for key in sorted(found.keys() | wanted.keys()):
            lines += _differences(found.get(key), wanted.get(key), f"{name}.{key}" if name else key)
        return lines
    return [] if found == wanted else [f"{name}: there {found!r}, asked {wanted!r}"]
