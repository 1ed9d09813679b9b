"""Runs of modules in files: safetensors, no pickle, whole or not there.

A file holds every tensor under a name that says what it is, and one JSON record with settings, counts and versions::

    entry/fc1.weight              a parameter or buffer of the whole network
    state/fc1.weight/exp_avg      what a local optimiser keeps between rounds (state="travels")
    outer/fc1.weight/momentum_buffer
    history/full_error            what was measured
    masks/fc1                     masks given by the user
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..archive import ArchiveError
from ..atomic import atomic_file
from ..core import checks
from ..core.scheme_record import scheme_to_record
from ..history import History
from ..input_file import check_input

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .training import ModuleTraining

_KIND = "subnetlab-module-run"
_VERSION = 1


def save_training(training: ModuleTraining, path: str | Path) -> None:
    """Write everything from which a training goes on with the same bits; see `ModuleTraining.save`."""
    scheme, mask_arrays = scheme_to_record(training.scheme)
    tensors = {f"entry/{name}": tensor for name, tensor in training.entries.items()}
    numbers: dict[str, Any] = {}
    if training.travelling_state is not None:
        stored, numbers = training.travelling_state.to_plain()
        tensors |= {f"state/{name}": tensor for name, tensor in stored.items()}
    tensors |= {f"outer/{name}": tensor for name, tensor in training.outer.tensors().items()}
    tensors |= _as_tensors("masks", mask_arrays)
    if training.history is not None:
        tensors |= _as_tensors("history", training.history.arrays())
    record = {
        "settings": training.settings(),
        "scheme": scheme,
        "rounds_done": training.rounds_done,
        "state_numbers": numbers,
        "versions": {"torch": torch.__version__},
    }
    write_tensors(path, record, tensors)


def restore_training(training: ModuleTraining, path: Path) -> None:
    """Take a training to where a file left it.

    Raises
    ------
    OSError
        If the file cannot be read.
    ArchiveError
        If it is damaged, or holds another network.
    ValueError
        If it comes from other settings; the message lists them. More rounds are no other settings.
    """
    record, tensors = read_tensors(path)
    mine, _ = scheme_to_record(training.scheme)
    try:
        stored = {**record["settings"], **record["scheme"]}
        rounds_done = checks.whole_number("checkpoint", "rounds_done", record["rounds_done"], least=0)
        numbers = dict(record["state_numbers"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"{path}: its record is not that of a training ({error})") from error
    here = {**training.settings(), **json.loads(json.dumps(mine))}
    different = [
        f"{key}: {stored.get(key)!r} there, {value!r} here"
        for key, value in here.items()
        if key != "rounds" and value != stored.get(key)
    ]
    if different:
        raise ValueError(f"ModuleTraining: checkpoint {path} must be of the same settings ({'; '.join(different)})")
    entries = _below("entry", tensors)
    if _shapes(entries) != _shapes(training.entries):
        raise ArchiveError(f"{path}: its parameters are not those of this network")
    for name, tensor in entries.items():
        training.entries[name].copy_(tensor)
    if training.travelling_state is not None:
        training.travelling_state.from_plain(_below("state", tensors), numbers)
    training.outer.restore(_below("outer", tensors))
    arrays = {name: tensor.numpy() for name, tensor in _below("history", tensors).items()}
    training.history = History.from_arrays(arrays) if arrays else None
    training.rounds_done = rounds_done


def write_tensors(path: str | Path, record: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
    """Write the record and the tensors to one file.

    Raises
    ------
    OSError
        If the file cannot be written; an older file stays as it was.
    """
    from safetensors.torch import save

    metadata = {"kind": _KIND, "version": str(_VERSION), "record": json.dumps(record, sort_keys=True)}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(plain, metadata)
    with atomic_file(path) as file:
        file.write(data)


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return the record and the tensors of a file that `write_tensors` wrote.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ArchiveError
        If it is no such file, is damaged, or comes from a newer version.
    """
    from safetensors import SafetensorError, safe_open

    check_input(path, owner="ModuleTraining", argument="checkpoint")
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
    return record, tensors


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    start = prefix + "/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _as_tensors(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {f"{prefix}/{name}": torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
