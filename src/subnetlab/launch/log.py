"""The log of a job: rank 0 appends a line for each event; launchers and workers that were away read it.

Anybody may write into a file, and a full disk cuts lines short, so what is no event is passed over.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LOG_FILE = "log.jsonl"

_FACTS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "begin": {"attempt": int, "pids": list},
    "round": {"full_error": (int, float)},
    "damaged": {"round": int},
    "end": {"status": str},
}


def append_event(folder: Path, event: str, rounds: int, **facts: Any) -> None:
    """Append a line; a full disk is for the next checkpoint to report.

    Parameters
    ----------
    folder : Path
        Of the job.
    event : {"begin", "round", "damaged", "end"}
    rounds : int
        Completed rounds.
    **facts
        More about the event.
    """
    line = {"event": event, "time": time.time(), "rounds": rounds, **facts}
    with suppress(OSError), open(folder / LOG_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def log_end(folder: Path) -> int:
    """Return the position behind the last byte of the log."""
    try:
        return (folder / LOG_FILE).stat().st_size
    except OSError:
        return 0


def events_after(folder: Path, position: int) -> tuple[list[dict[str, Any]], int]:
    """Return the events behind a position of the log, and the position behind the last whole line.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     append_event(Path(folder), "end", 10, status="finished")
    ...     events, _ = events_after(Path(folder), 0)
    >>> events[0]["status"]
    'finished'
    """
    try:
        with open(folder / LOG_FILE, "rb") as file:
            file.seek(position)
            text = file.read()
    except OSError:
        return [], position
    whole = text[: text.rfind(b"\n") + 1]
    events = map(_event, whole.splitlines())
    return [event for event in events if event is not None], position + len(whole)


def _event(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, or None if it is no event."""
    try:
        event = json.loads(line)
        facts = {"rounds": int, **_FACTS[event["event"]]}
        return event if all(isinstance(event[name], kind) for name, kind in facts.items()) else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
