"""The run of a module as its file holds it, without the module: one check that every reader goes through.

A file of the right form can still have been written by anybody: nothing of it is used before it fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from ..archive import ArchiveError
from ..core import checks
from ..core.masks.groups import check_groups
from ..core.rates import steps_at_rates
from ..core.scheme_record import scheme_from_record
from ..core.units import Units
from ..history import METRIC, History
from ..modules.checkpoint import Snapshot
from .module_request import ModuleRecord, ModuleRequest
from .reading import HISTORY, check_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..core.scheme import TrainingScheme
    from ..modules.evaluation import Loss

Status: TypeAlias = Literal["finished", "unfinished", "diverged"]

_WORDS = ("state", "engine", "optimizer", "outer", "schedule", "autocast")  # settings that are text, or None


@dataclass(frozen=True, eq=False)
class StoredModuleRun:
    """A run of Algorithm 1 on a module, as far as it needs no module.

    Parameters
    ----------
    scheme : TrainingScheme
    history : History
        ``sampled_loss`` (K,), ``local_loss`` (K, tau) and ``full_loss`` (K + 1,), with the metrics asked for.
    status : {"finished", "unfinished", "diverged"}
    request : ModuleRequest
    snapshot : Snapshot
        Network, optimiser states and settings after the last completed round.
    """

    scheme: TrainingScheme
    history: History
    status: Status
    request: ModuleRequest
    snapshot: Snapshot

    def __repr__(self) -> str:
        return f"StoredModuleRun({self.rounds_done} of {self.scheme.rounds} rounds, {self.status})"

    @property
    def rounds_done(self) -> int:
        """The number of completed rounds."""
        return self.snapshot.rounds_done

    @property
    def loss(self) -> str | Loss | None:
        """The loss, by its name or as it was given."""
        return self.request.loss

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides the bits besides the scheme, as `ModuleTraining.settings` returns it."""
        return self.snapshot.record["settings"]


def read_module_run(path: str | Path, *, owner: str = "load_run", argument: str = "path") -> StoredModuleRun:
    """Return what the file of a run holds, once everything that can be held against something else fits.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ArchiveError
        If it is no run of a module, is damaged, or comes from a newer version.
    """
    snapshot = Snapshot.read(path, owner=owner, argument=argument)
    try:
        run = _from_snapshot(snapshot)
        _check_settings(run)
        _check_sizes(run)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ArchiveError(f"{path}: is no run of a module that subnetlab wrote ({error})") from error
    return run


def unmeasured(scheme: TrainingScheme, rounds: int) -> History:
    """Return the history of rounds of which nothing was measured: those of one's own loop."""
    inside = np.full((rounds, 1 + scheme.local_steps), np.nan)
    return History(inside[:, 0], inside[:, 1:], np.full(rounds + 1, np.nan))


def _from_snapshot(snapshot: Snapshot) -> StoredModuleRun:
    record, arrays, done = snapshot.record, snapshot.arrays("history"), snapshot.rounds_done
    scheme = scheme_from_record(record["scheme"], snapshot.arrays("masks"))
    p, tau = scheme.masks.n_subnetworks, scheme.local_steps
    checks.memory("run", "local_steps", "losses of a round", 8 * p * tau)
    checks.memory("run", "rounds_done", "losses of all local steps", 8 * done * tau)
    own = {name: "K+1" for name in arrays if name.startswith(METRIC)}
    if arrays:
        check_shapes(HISTORY | own, arrays, {"tau": tau, "p": p})
    history = snapshot.history or unmeasured(scheme, done)
    if history.rounds > done:
        raise ValueError(f"a run of {done} rounds must not have a history of {history.rounds}")
    asked = record.get("asked") or {}
    _check_asked(asked)
    standing: Status = "finished" if done >= scheme.rounds else "unfinished"
    status = checks.one_of("run", "status", record.get("status", standing), get_args(Status))
    request = ModuleRequest.from_plain(asked, snapshot.plain_settings())
    return StoredModuleRun(scheme, history, "diverged" if status == "diverged" else standing, request, snapshot)


def _check_asked(asked: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError unless this is what `ModuleRequest.plain` returns; what is missing may be so."""
    checks.instance("asked", "loss", asked.get("loss"), str | None)
    checks.one_of("asked", "record", asked.get("record", "mean"), get_args(ModuleRecord))
    for name in ("metrics", "diagnostics"):
        names = asked.get(name) or []
        checks.instance("asked", name, names, list)
        for value in names:
            checks.instance("asked", name, value, str)
    if not isinstance(asked.get("recalibrate", False), bool):
        checks.whole_number("asked", "recalibrate", asked["recalibrate"], least=2)
    if asked.get("evaluate_every") is not None:
        checks.whole_number("asked", "evaluate_every", asked["evaluate_every"], least=1)


def _check_settings(run: StoredModuleRun) -> None:
    settings, record = run.settings, run.snapshot.record
    checks.seed_number("settings", settings["seed"])
    checks.whole_number("settings", "threads", settings["threads"], least=1, most=checks.MOST_THREADS)
    if not 0 <= checks.finite_number("settings", "scale", settings["scale"]) <= 1:
        raise ValueError(f"settings: scale must be in [0, 1], got {settings['scale']}")
    if settings["clip_norm"] is not None:
        checks.positive_number("settings", "clip_norm", settings["clip_norm"])
    steps_at_rates(settings.get("rates"), run.scheme.masks.n_subnetworks, run.scheme.local_steps)
    for name in _WORDS:
        checks.instance("settings", name, settings[name], str | None)
    for name in ("versions", "network", "rows"):  # files of earlier versions say less of them, or nothing
        checks.instance("run", name, record.get(name, {}), dict)
    for name, version in record.get("versions", {}).items():
        checks.instance("versions", name, version, str)
    checks.instance("run", "operations", record.get("operations", []), list)
    for operation in record.get("operations", []):
        checks.instance("run", "operations", operation, str)
    network = record.get("network", {})
    checks.instance("network", "class", network.get("class", ""), str)
    checks.whole_number("network", "parameters", network.get("parameters", 0), least=0)


def _check_sizes(run: StoredModuleRun) -> None:
    """Raise TypeError or ValueError unless the groups are of a size that the stored network can have."""
    groups: dict[str, int] = run.settings["groups"]
    stored = sum(tensor.numel() for tensor in run.snapshot.below("entry").values())
    for name, size in groups.items():
        checks.whole_number("settings", f"groups[{name!r}]", size, least=1, most=stored)
    p = run.scheme.masks.n_subnetworks
    checks.memory("run", "n_subnetworks", "masks (p, m)", p * sum(groups.values()))
    check_groups(run.scheme.masks, run.scheme.cut_groups, Units(groups, {}), run.scheme.rounds)
