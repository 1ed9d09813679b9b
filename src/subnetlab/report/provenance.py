"""Settings and origins, as lists that a reader can take in."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..core.masks.law import describe
from .rounding import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.masks import MaskLaw
    from ..core.scheme import TrainingScheme
    from ..training import TrainingRun

ROUNDED = "Numbers in charts have five significant digits."


def plain(value: object) -> str:
    """Return a setting as text.

    Examples
    --------
    >>> plain(None), plain(0.0123456789), plain(("a", "b")), plain(())
    ('none', '0.0123457', 'a, b', 'none')
    """
    if isinstance(value, float):
        return shown(value, 6)
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def run_settings(run: TrainingRun) -> dict[str, str]:
    """Return everything that decides the bits of a run besides data and initial network."""
    return scheme_settings(run.scheme) | in_words({"unselected neurons": run.scheme.unselected, **asdict(run.settings)})


def scheme_settings(scheme: TrainingScheme) -> dict[str, str]:
    """Return what a scheme says of the rounds of any network."""
    items = {name: getattr(scheme, name) for name in ("local_steps", "shards", "batch_size")}
    return in_words({"masks": law_text(scheme.masks), "rounds asked for": scheme.rounds, **items})


def in_words(items: Mapping[str, object]) -> dict[str, str]:
    """Return settings by their names, as text.

    Examples
    --------
    >>> in_words({"batch_size": None, "seed": 3})
    {'batch size': 'none', 'seed': '3'}
    """
    return {name.replace("_", " "): plain(value) for name, value in items.items()}


def data_origin(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader needs to have the same data again, in a few items; no places on this machine.

    Examples
    --------
    >>> data_origin({"name": "crime", "rows": [3, 1], "source": {"path": "/here", "sha256": "d90d"}})
    {'dataset': 'crime', 'rows drawn': '2', 'SHA-256 of the file': 'd90d'}
    """
    items: dict[str, str] = {}
    for name, words in (("name", "dataset"), ("seed", "seed of the rows")):
        if record.get(name) is not None:
            items[words] = plain(record[name])
    for name, words in (("rows", "rows drawn"), ("columns", "columns"), ("validation_rows", "validation rows")):
        if isinstance(record.get(name), list) and record[name]:
            items[words] = str(len(record[name]))
    for name in ("preprocessing", "target"):
        if isinstance(record.get(name), dict):
            items |= {f"{name}: {key.replace('_', ' ')}": plain(value) for key, value in record[name].items()}
    source = record.get("source")
    if isinstance(source, dict) and source.get("sha256"):
        items["SHA-256 of the file"] = source["sha256"]
    return items


def law_text(law: MaskLaw) -> str:
    """Return a mask law for a reader.

    Examples
    --------
    >>> from subnetlab import Bernoulli
    >>> law_text(Bernoulli(10, 0.5))
    'Bernoulli masks, p = 10, ξ = 0.5'
    """
    return f"{describe(law)}, p = {law.n_subnetworks}, ξ = {shown(float(law.selection_prob))}"
