"""Schemes and mask laws as plain data, for files, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .masks.table import LAWS
from .scheme import TrainingScheme

if TYPE_CHECKING:
    from collections.abc import Mapping

_ARRAY = "array:"  # marks a field whose value is an array stored beside the record


def scheme_to_record(scheme: TrainingScheme) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the scheme as JSON-able settings and, apart, the arrays they refer to.

    Examples
    --------
    >>> from subnetlab.core.scheme import dropout
    >>> record, _ = scheme_to_record(dropout(0.5, rounds=3, step_size=0.1))
    >>> record["masks"]
    {'law': 'bernoulli', 'n_subnetworks': 1, 'selection_prob': 0.5}
    """
    arrays: dict[str, np.ndarray] = {}
    names = {law: name for name, law in LAWS.items()}
    masks: dict[str, Any] = {"law": names[type(scheme.masks)]}
    for name, value in _fields(scheme.masks).items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
            value = _ARRAY + name
        masks[name] = list(value) if isinstance(value, tuple) else value
    return {**_fields(scheme), "masks": masks}, arrays


def scheme_from_record(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TrainingScheme:
    """Return the scheme that `scheme_to_record` described.

    Raises
    ------
    ValueError
        If the law is unknown or a setting breaks its rule.
    """
    settings = dict(record["masks"])
    law = settings.pop("law")
    if law not in LAWS:
        raise ValueError(f"TrainingScheme: mask law must be one of {', '.join(LAWS)}, got {law!r}")
    for name, value in settings.items():
        if isinstance(value, str) and value.startswith(_ARRAY):
            settings[name] = arrays[value.removeprefix(_ARRAY)]
        elif isinstance(value, list):
            settings[name] = tuple(value)
    return TrainingScheme(**{**record, "masks": LAWS[law](**settings)})


def _fields(record: Any) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}
