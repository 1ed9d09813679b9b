"""Schemes and mask laws as plain data, for files, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .masks.groups import ByGroup
from .masks.naming import law_class, law_name
from .scheme import OuterSGD, TrainingScheme

if TYPE_CHECKING:
    from .masks import MaskLaw

_ARRAY = "array:"  # marks a field whose value is an array stored beside the record
_LATER = {"cut_groups": "all", "outer": None}  # settings that came after the first release, with their defaults


def scheme_to_record(scheme: TrainingScheme) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the scheme as JSON-able settings and, apart, the arrays they refer to.

    Examples
    --------
    >>> from subnetlab.core.presets import dropout
    >>> record, _ = scheme_to_record(dropout(0.5, rounds=3, step_size=0.1))
    >>> record["masks"]
    {'law': 'bernoulli', 'n_subnetworks': 1, 'selection_prob': 0.5}
    """
    arrays: dict[str, np.ndarray] = {}
    if isinstance(scheme.masks, ByGroup):
        groups = {group: _law_to_record(law, arrays, f"{group}.") for group, law in scheme.masks.laws.items()}
        masks: dict[str, Any] = {"groups": groups}
    else:
        masks = _law_to_record(scheme.masks, arrays, "")
    record = {**_fields(scheme), "masks": masks}
    if record["outer"] is not None:
        record["outer"] = _fields(scheme.outer)
    if not isinstance(scheme.cut_groups, str):
        record["cut_groups"] = list(scheme.cut_groups)
    for name, default in _LATER.items():  # files of schemes that do not use them stay as they were
        if record[name] == default:
            del record[name]
    return record, arrays


def scheme_from_record(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TrainingScheme:
    """Return the scheme that `scheme_to_record` described.

    Raises
    ------
    ValueError
        If the law is unknown or a setting breaks its rule.
    """
    given = record["masks"]
    if "groups" in given:
        masks: Any = {group: _law_from_record(law, arrays) for group, law in given["groups"].items()}
    else:
        masks = _law_from_record(given, arrays)
    outer = OuterSGD(**record["outer"]) if record.get("outer") else None
    return TrainingScheme(**{**record, "masks": masks, "outer": outer})


def _law_to_record(law: MaskLaw, arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Any]:
    record: dict[str, Any] = {"law": law_name(type(law))}
    for name, value in _fields(law).items():
        if isinstance(value, np.ndarray):
            record[name] = _ARRAY + prefix + name
            arrays[prefix + name] = value
        elif isinstance(value, Mapping):  # masks by group
            record[name] = {key: f"{_ARRAY}{prefix}{name}.{key}" for key in value}
            arrays.update({f"{prefix}{name}.{key}": array for key, array in value.items()})
        else:
            record[name] = list(value) if isinstance(value, tuple) else value
    return record


def _law_from_record(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> MaskLaw:
    settings = dict(record)
    law: Any = law_class(settings.pop("law"))
    for name, value in settings.items():
        if isinstance(value, str) and value.startswith(_ARRAY):
            settings[name] = arrays[value.removeprefix(_ARRAY)]
        elif isinstance(value, Mapping):
            settings[name] = {key: arrays[array.removeprefix(_ARRAY)] for key, array in value.items()}
        elif isinstance(value, list):
            settings[name] = tuple(value)
    return law(**settings)


def _fields(record: Any) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}
