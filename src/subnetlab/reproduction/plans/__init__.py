"""The studies behind the figures: a TOML file each, which `subnetlab study figure_2b` runs as it is."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

_BEFORE, _BEHIND = "figure_", ".toml"


def figure_names() -> tuple[str, ...]:
    """Return the figures that have a plan.

    Examples
    --------
    >>> figure_names()
    ('2a', '2b', '2c')
    """
    names = (file.name for file in files(__name__).iterdir())
    plans = (name.removeprefix(_BEFORE) for name in names if name.endswith(_BEHIND))
    return tuple(sorted(name.removesuffix(_BEHIND) for name in plans))


def plan_name(figure: str) -> str:
    """Return what a figure's plan is called.

    Examples
    --------
    >>> plan_name("2b")
    'figure_2b'
    """
    return _BEFORE + figure


def read_plan(figure: str) -> dict[str, Any]:
    """Return the content of a figure's plan, for `subnetlab.study.StudyPlan.from_dict`.

    Examples
    --------
    >>> read_plan("2c")["settings"]["local_steps"]
    [1, 2, 5, 10, 20]
    """
    return tomllib.loads((files(__name__) / (plan_name(figure) + _BEHIND)).read_text(encoding="utf-8"))
