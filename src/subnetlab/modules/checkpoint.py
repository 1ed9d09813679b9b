"""Trainings of modules between rounds, in memory and in files: safetensors, no pickle, whole or not there.

A file holds every tensor under a name that says what it is, and one JSON record with settings, counts and versions::

    entry/fc1.weight              a parameter or buffer of the whole network
    state/fc1.weight/exp_avg      what a local optimiser keeps between rounds (state="travels")
    outer/fc1.weight/momentum_buffer
    history/full_error            what was measured
    masks/fc1                     masks given by the user
    example/0                     the inputs with which the network was cut
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..archive import ArchiveError
from ..atomic import atomic_file
from ..core import checks
from ..core.masks.groups import whole_factors
from ..core.scheme_record import scheme_to_record
from ..history import History
from ..input_file import check_input
from ..versions import versions
from .cutting import Cut, cut
from .structure import from_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..core.scheme import TrainingScheme
    from .training import ModuleTraining

_KIND = "subnetlab-module-run"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything from which a training goes on with the same bits, between two rounds.

    Parameters
    ----------
    record : mapping
        What JSON can hold: settings, the scheme, counts, how the network was cut.
    tensors : mapping from name to tensor
        Copies; a name begins with what the tensor is.
    """

    record: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]

    @classmethod
    def of(cls, training: ModuleTraining) -> Snapshot:
        """Return a training as it stands."""
        scheme, mask_arrays = scheme_to_record(training.scheme)
        groups: dict[str, Mapping[str, Any]] = {
            "entry": training.entries,
            "outer": training.outer.tensors(training.whole),
            "masks": mask_arrays,
            "history": {} if training.history is None else training.history.arrays(),
        }
        numbers: dict[str, Any] = {}
        if training.travelling_state is not None:
            groups["state"] = training.whole(training.travelling_state.tensors)
            numbers = training.travelling_state.plain_numbers()
        example: dict[str, Any] = {}
        declared = to_plain(training.cut.declared, example)
        record = {
            "settings": training.settings(),
            "scheme": scheme,
            "rounds_done": training.rounds_done,
            "state_numbers": numbers,
            "cut": declared,
            "asked": training.asked,
            "network": _described(training.cut.model),
            "versions": versions(),
        }
        tensors = {
            f"{group}/{name}": torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value.clone()
            for group, members in {**groups, "example": example}.items()
            for name, value in members.items()
        }
        return cls(json.loads(json.dumps(record)), tensors)

    @property
    def rounds_done(self) -> int:
        """The number of completed rounds."""
        return checks.whole_number("checkpoint", "rounds_done", self.record["rounds_done"], least=0)

    @property
    def history(self) -> History | None:
        """What was measured, if anything was."""
        arrays = self.arrays("history")
        return History.from_arrays(arrays) if arrays else None

    def below(self, group: str) -> dict[str, torch.Tensor]:
        """Return the tensors whose names begin with ``group``, without it."""
        start = group + "/"
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def arrays(self, group: str) -> dict[str, np.ndarray]:
        """Return the same as arrays."""
        return {name: tensor.numpy() for name, tensor in self.below(group).items()}

    def plain_settings(self) -> dict[str, Any]:
        """Return the arguments of `ModuleTraining` that the record holds; functions are missing."""
        settings = self.record["settings"]
        autocast = settings["autocast"]
        names = ("seed", "state", "scale", "engine", "clip_norm", "threads")
        late = {"rates": settings.get("rates"), "autocast": autocast and autocast.removeprefix("torch.")}
        return {n: settings[n] for n in names} | late

    def model(self, cut: Cut, scheme: TrainingScheme) -> torch.nn.Module:
        """Return a copy of the user's own module with these weights; it needs no factor and no masks."""
        scale = float(self.record["settings"]["scale"])
        return whole_model(cut, whole_factors(scheme.masks, scheme.cut_groups, cut.units, scale), self.below("entry"))

    def restore(self, training: ModuleTraining, source: object = "of the run") -> None:
        """Take a training to where this one was.

        Raises
        ------
        ArchiveError
            If it is of another network.
        ValueError
            If it comes from other settings; the message lists them. More rounds are no other settings.
        """
        mine, _ = scheme_to_record(training.scheme)
        try:
            stored = {"rates": None, **self.record["settings"], **self.record["scheme"]}
            rounds_done, numbers = self.rounds_done, dict(self.record["state_numbers"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveError(f"{source}: its record is not that of a training ({error})") from error
        here = {**training.settings(), **json.loads(json.dumps(mine))}
        different = [
            f"{key}: {stored.get(key)!r} there, {value!r} here"
            for key, value in here.items()
            if key != "rounds" and value != stored.get(key, value)
        ]
        if different:
            raise ValueError(
                f"ModuleTraining: checkpoint {source} must be of the same settings ({'; '.join(different)})"
            )
        entries = self.below("entry")
        if _shapes(entries) != _shapes(training.cut.state()):
            raise ArchiveError(f"{source}: its parameters are not those of this network")

        def there(group: str) -> dict[str, torch.Tensor]:
            return {name: tensor.to(training.device, copy=True) for name, tensor in self.below(group).items()}

        part = training.workers.part
        for name, tensor in entries.items():
            training.home[name].copy_(part(tensor))
        if training.travelling_state is not None:
            training.travelling_state.tensors = {name: part(tensor) for name, tensor in there("state").items()}
            training.travelling_state.take_up(numbers)
        training.outer.restore(there("outer"), part)
        training.history = self.history
        training.rounds_done = rounds_done

    def write(self, path: str | Path) -> None:
        """Write the record and the tensors to one file.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        from safetensors.torch import save

        metadata = {"kind": _KIND, "version": str(_VERSION), "record": json.dumps(self.record, sort_keys=True)}
        data = save({name: tensor.cpu().contiguous() for name, tensor in self.tensors.items()}, metadata)
        with atomic_file(path) as file:
            file.write(data)

    @classmethod
    def read(cls, path: str | Path, *, owner: str = "ModuleTraining", argument: str = "checkpoint") -> Snapshot:
        """Return what `write` wrote.

        Raises
        ------
        OSError
            If there is no such file, or it may not be read.
        ArchiveError
            If it is no such file, is damaged, or comes from a newer version.
        """
        from safetensors import SafetensorError, safe_open

        check_input(path, owner=owner, argument=argument)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("kind") != _KIND:
                    raise ArchiveError(f"{path}: must be a {_KIND} file, got kind {metadata.get('kind')!r}")
                if int(metadata["version"]) > _VERSION:
                    found = metadata["version"]
                    raise ArchiveError(
                        f"{path}: version must be at most {_VERSION}, got {found}: written by a newer subnetlab"
                    )
                record = json.loads(metadata["record"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError, RecursionError) as error:
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"{path}: not a readable {_KIND} file ({error})") from error
        if not isinstance(record, dict):
            raise ArchiveError(f"{path}: its record must be a JSON object, got {type(record).__name__}")
        return cls(record, tensors)


def whole_model(cut: Cut, factors: Mapping[str, float], entries: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return a copy of the user's own module with the entries, factors folded into the weights that consume groups."""
    whole = copy.deepcopy(cut.model)
    tensors = cut.folded(factors, entries)
    with torch.no_grad():
        for name, tensor in (*whole.named_parameters(), *whole.named_buffers()):
            tensor.copy_(tensors[name])
    return whole


def cut_again(model: torch.nn.Module | Cut, snapshot: Snapshot) -> Cut:
    """Return the cut of a stored training: of a module as it was cut then, or a cut that is given.

    Raises
    ------
    ValueError
        If the file holds no example of the inputs, or groups or parameters are not those of the training.
    """
    if isinstance(model, Cut):
        made = model
    else:
        try:
            example, units, second = from_plain(snapshot.record.get("cut"), snapshot.below("example"))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                "load_run: model must be a cut, sl.cut(model, example_input), where the file holds no example of the "
                "inputs"
            ) from error
        made = cut(model, example, units, second_example=second)
    groups = snapshot.record["settings"]["groups"]
    if dict(made.units.groups) != groups:
        raise ValueError(f"load_run: model must have the groups of the run {groups}, got {dict(made.units.groups)}")
    if _shapes(snapshot.below("entry")) != _shapes(made.state()):
        raise ValueError("load_run: model must have the parameters of the run, got others, or other shapes")
    return made


def _described(model: torch.nn.Module) -> dict[str, Any]:
    """Return what a reader of the file wants to know of the network; it decides nothing."""
    return {"class": type(model).__name__, "parameters": sum(p.numel() for p in model.parameters())}


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
