"""`subnetlab launch status`: how far a job is, from another terminal, while it runs or after."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import tyro

from ..launch.outcome import LOG_FILE, events_after, log_end
from ..locks import holder
from .json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDS = {"round": "full_error", "script_round": "loss"}  # events of a round, and what each tells of the network
_RECENT = 20  # rounds by which the time of a round is told


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab launch status`."""

    folder: tyro.conf.Positional[Path]
    """The folder of the job, its --out."""
    json: bool = False
    """Print JSON."""


def run(options: Options) -> int:
    """Print how far the job is."""
    folder = options.folder
    events = events_after(folder, 0)[0]
    if not (events or (log_end(folder) == 0 and (folder / LOG_FILE).is_file())):  # empty: it has just begun
        raise FileNotFoundError(
            f"launch status: folder must be that of a launch with a {LOG_FILE}, got {str(folder)!r}"
        )
    told = state_of(events, now=time.time())
    told["at_work"] = any(holder(lock) is not None for lock in sorted(folder.glob("lock-*")))
    if options.json:
        print(json_text(told))
    else:
        print(f"{folder}: {sentence(told)}")
    return 0


def state_of(events: Sequence[dict[str, Any]], now: float) -> dict[str, Any]:
    """Return what the log of a job says, as numbers.

    Parameters
    ----------
    events : sequence of dict
        All of the log, see `subnetlab.launch.outcome.append_event`.
    now : float
        Seconds since the epoch.

    Returns
    -------
    dict
        ``status`` ("finished", "stopped", "failed" or "begun"), ``message`` (why it failed, or None), ``rounds``,
        ``of`` (None where the log does not say), ``training`` (1 for the first of a script), ``loss``, ``workers``,
        ``restarts`` and, of the last rounds, ``seconds_per_round``; ``seconds_since`` the last event.
    """
    begins = [i for i, event in enumerate(events) if event["event"] == "begin"]
    rounds = [event for event in events if event["event"] in _ROUNDS]
    last = rounds[-1] if rounds else {}
    end = events[-1] if events and events[-1]["event"] == "end" else {"status": "begun"}
    attempt = [event for event in events[begins[-1] :] if event["event"] in _ROUNDS] if begins else []
    times = [event["time"] for event in attempt[-_RECENT - 1 :]]
    return {
        "status": end["status"],
        "message": end.get("message"),
        "rounds": last.get("rounds", 0),
        "of": last.get("of"),
        "training": last.get("training"),
        "loss": last.get(_ROUNDS[last["event"]]) if last else None,
        "workers": len(events[begins[-1]]["pids"]) if begins else 0,
        "restarts": sum(events[i]["attempt"] > 0 for i in begins),
        "seconds_per_round": median(b - a for a, b in pairwise(times)) if times[1:] else None,
        "seconds_since": now - events[-1]["time"] if events else None,
    }


def sentence(told: dict[str, Any]) -> str:
    """Return the same in words.

    Examples
    --------
    >>> sentence({"status": "begun", "at_work": True, "rounds": 5, "of": 25, "training": 1, "loss": 0.5, "workers": 4,
    ...           "restarts": 1, "seconds_per_round": 3.0, "seconds_since": 1.0})
    'running, 5 of 25 rounds, loss 0.5, 4 workers, 1 restart, 3 s a round, about 1 min left'
    """
    running = told["at_work"] and told["status"] == "begun"
    parts = ["running" if running else told["status"] if told["status"] != "begun" else "ended without a word"]
    if told["training"] is not None and told["training"] > 1:
        parts.append(f"training {told['training']}")
    parts.append(f"{told['rounds']} of {told['of']} rounds" if told["of"] else f"{told['rounds']} rounds")
    if told["loss"] is not None:
        parts.append(f"loss {told['loss']:.4g}")
    parts.append(f"{told['workers']} worker{'s' * (told['workers'] != 1)}")
    if told["restarts"]:
        parts.append(f"{told['restarts']} restart{'s' * (told['restarts'] != 1)}")
    if running and (pace := told["seconds_per_round"]) is not None:
        parts.append(f"{pace:.3g} s a round")
        if told["of"]:
            parts.append(f"about {max(1, round((told['of'] - told['rounds']) * pace / 60))} min left")
    why = told.get("message")
    return ", ".join(parts) + (f": {why}" if why else "")
