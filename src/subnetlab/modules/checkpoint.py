"""Trainings of modules between rounds, in memory and in files: safetensors, no pickle, whole or not there.

A file holds every tensor under a name that says what it is, and one JSON record with settings, counts and versions::

    entry/fc1.weight              a parameter or buffer of the whole network
    state/fc1.weight/exp_avg      what a local optimiser keeps between rounds (state="travels")
    outer/fc1.weight/momentum_buffer
    history/full_error            what was measured
    masks/fc1                     masks given by the user
    example/0                     the inputs with which the network was cut

Files carry a checksum, so that a changed byte is an error and no other training; those of released versions have none.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..archive import ArchiveError
from ..core import checks
from ..core.masks.groups import whole_factors
from ..core.scheme_record import scheme_to_record
from ..history import History
from ..input_file import check_input
from ..versions import versions
from .cutting import Cut, cut
from .fingerprint import operations_of, other_operation, other_settings, refuse_others
from .graph import stored
from .structure import from_plain, to_plain
from .tensor_file import read_tensors, write_tensors
from .workers import Alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..core.scheme import TrainingScheme
    from .training import ModuleTraining

_KIND = "subnetlab-module-run"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Contents:
    """What a checkpoint holds of a training as it stands, as far as it is at this worker.

    Parameters
    ----------
    record : mapping
        What JSON can hold: settings, the scheme, counts, how the network was cut.
    tensors : mapping from name to tensor
        Not copies; a name begins with what the tensor is.
    shapes : mapping from name to sequence of int
        Of whole tensors, for those that live by rows; the others are on every worker.
    """

    record: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]
    shapes: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, training: ModuleTraining) -> Contents:
        """Return a training as it stands."""
        scheme, mask_arrays = scheme_to_record(training.scheme)
        state, (outer, outer_numbers) = training.travelling_state, training.outer.tensors()
        example: dict[str, Any] = {}
        record = {
            "settings": training.settings(),
            "scheme": scheme,
            "rounds_done": training.rounds_done,
            "state_numbers": {} if state is None else state.plain_numbers(),
            "cut": to_plain(training.cut.declared, example),
            "asked": training.asked,
            "network": _described(training.cut.model),
            "operations": operations_of(training.cut.graph.graph),
            "rows": training.rows_known,
            "versions": versions(),
        }
        by_rows = _named(entry=training.home, outer=outer, state={} if state is None else state.tensors)
        history = {} if training.history is None else training.history.arrays()
        everywhere = _named(outer=outer_numbers, masks=mask_arrays, history=history, example=example)
        tensors = {
            name: torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value
            for name, value in {**by_rows, **everywhere}.items()
        }
        shapes = {name: training.shape(name.partition("/")[2]) for name in by_rows}
        return cls(json.loads(json.dumps(record)), tensors, shapes)


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
        """Return a training as it stands: the whole network, on every worker."""
        found = Contents.of(training)
        whole = training.workers.whole({name: found.tensors[name] for name in found.shapes}, found.shapes)
        tensors = {name: whole.get(name, tensor) for name, tensor in found.tensors.items()}
        return cls(found.record, {n: t.clone() if t is found.tensors[n] else t for n, t in tensors.items()})

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

    def check(self, training: ModuleTraining, source: object) -> None:
        """Refuse a training that cannot go on from here.

        Raises
        ------
        ArchiveError
            If this is of another network.
        ValueError
            If it comes from other settings, or from a network with other operations; the message lists them. More
            rounds are no other settings.
        """
        mine, _ = scheme_to_record(training.scheme)
        try:
            stored = {"rates": None, **self.record["settings"], **self.record["scheme"]}
            _ = self.rounds_done, dict(self.record["state_numbers"]), dict(self.record.get("rows") or {})
            different = self.other_operation(training.cut)
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveError(f"{source}: its record is not that of a training ({error})") from error
        here = {**training.settings(), **json.loads(json.dumps(mine))}
        refuse_others(source, other_settings(stored, here))
        if _shapes(self.below("entry")) != _shapes(training.cut.state()):
            raise ArchiveError(f"{source}: its parameters are not those of this network")
        refuse_others(source, different)

    def other_operation(self, cut: Cut) -> list[str]:
        """Return in words the first operation in which a network differs from this one; none where that is not known.

        It is not where the file names no operations, or another version of torch named them.
        """
        known = dict(self.record.get("versions") or {}).get("torch") == versions().get("torch")
        operations = list(self.record.get("operations") or ()) if known else []
        return other_operation(operations, operations_of(cut.graph.graph)) if operations else []

    def restore(self, training: ModuleTraining, source: object = "of the run") -> None:
        """Take a training to where this one was; see `check` for the errors."""
        self.check(training, source)
        part = training.workers.part
        for name, tensor in self.below("entry").items():
            training.home[name].copy_(part(tensor))
        if training.travelling_state is not None:
            state = self.below("state").items()
            training.travelling_state.tensors = {n: part(t).to(training.device, copy=True) for n, t in state}
            training.travelling_state.take_up(dict(self.record["state_numbers"]))
        training.outer.restore(self.below("outer"), part)
        training.history = self.history
        training.rounds_done = self.rounds_done
        training.rows_known, training.gone_on_from = dict(self.record.get("rows") or {}), source

    def write(self, path: str | Path, name: str) -> None:
        """Write the record and the tensors to one file; errors of its path begin with ``name``.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        write_tensors(Alone(), path, self.tensors, {}, metadata_of(self.record), name=name, checksum=True)

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
                tensors = read_tensors(file)
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"{path}: not a readable {_KIND} file ({error})") from error
        if not isinstance(record, dict):
            raise ArchiveError(f"{path}: its record must be a JSON object, got {type(record).__name__}")
        return cls(record, tensors)


def _named(**groups: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is in some groups, by names that begin with the group's."""
    return {f"{group}/{name}": value for group, members in groups.items() for name, value in members.items()}


def metadata_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what the header of a checkpoint holds."""
    return {"kind": _KIND, "version": str(_VERSION), "record": json.dumps(record, sort_keys=True)}


def whole_model(cut: Cut, factors: Mapping[str, float], entries: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Return a copy of the user's own module with the entries, factors folded into the weights that consume groups."""
    whole = copy.deepcopy(cut.model)
    tensors = cut.folded(factors, entries)
    replaced: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for name, tensor in list(stored(whole)):
            first = cut.graph.aliases.get(name, name)
            if not tensor.is_meta:
                tensor.copy_(tensors[first])
                continue
            if first not in replaced:
                value = tensors[first].clone()
                is_parameter = isinstance(tensor, torch.nn.Parameter)
                replaced[first] = torch.nn.Parameter(value, tensor.requires_grad) if is_parameter else value
            part, _, own = name.rpartition(".")
            table = whole.get_submodule(part)
            (table._parameters if own in table._parameters else table._buffers)[own] = replaced[first]  # pyright: ignore[reportArgumentType]
    return whole


def cut_again(model: torch.nn.Module | Cut, snapshot: Snapshot) -> Cut:
    """Return the cut of a stored training: of a module as it was cut then, or a cut that is given.

    Raises
    ------
    ValueError
        If the file holds no example of the inputs, or groups, parameters or operations are not those of the training.
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
    if different := snapshot.other_operation(made):
        raise ValueError(f"load_run: model must compute what the network of the run does ({different[0]})")
    return made


def _described(model: torch.nn.Module) -> dict[str, Any]:
    """Return what a reader of the file wants to know of the network; it decides nothing."""
    return {"class": type(model).__name__, "parameters": sum(p.numel() for p in model.parameters())}


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
