"""Pictures of results, drawn by the room that can.

Runs, predictions and studies stand to the left of the figures and know nothing of them. The package's root, which knows
every room, fills the table below; nothing is imported before somebody asks for a picture.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

DRAWERS: dict[str, tuple[str, str]] = {}
"""What draws a kind of result: module and function, called as ``function(result, ax=..., style=..., **options)``."""


def plot(kind: str, result: Any, *, ax: Any = None, style: Any = "publication", **options: Any) -> Any:
    """Draw a result and return the matplotlib Axes that hold it.

    Parameters
    ----------
    kind : str
        A name in `DRAWERS`.
    result : object
    ax : matplotlib Axes, optional
        Where to draw; a new figure of pyplot, so that notebooks show it, if not given.
    style : {"publication"}, a style of matplotlib, or None
        The look of this package's figures, anything that ``matplotlib.style.context`` takes, or whatever is set.
    **options
        Of the function that draws.

    Raises
    ------
    ValueError
        If the result holds nothing to draw, or an option breaks its rule.

    Examples
    --------
    >>> import numpy as np, subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=20, n_features=2)
    >>> run = sl.train(net, np.eye(2), np.ones(2), sl.dropout(0.5, rounds=3))
    >>> ax = plot("history", run.history)
    >>> [line.get_label() for line in ax.lines]
    ['subnetworks, sampled', 'subnetworks, after local steps', 'whole network']
    """
    module, function = DRAWERS[kind]
    return getattr(import_module(module), function)(result, ax=ax, style=style, **options)
