"""What a reader returns, and the choice of the target column."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ...core.arrays import FloatArray


class FileContents(NamedTuple):
    """The numbers of one file.

    Parameters
    ----------
    columns : tuple of d str
    features : ndarray, shape (N, d)
        NaN where a value is missing.
    target : ndarray, shape (N,) or (N, o)
    target_name : str
    """

    columns: tuple[str, ...]
    features: FloatArray
    target: FloatArray
    target_name: str


def split_target(names: tuple[str, ...], values: FloatArray, target: str | int | None, owner: str) -> FileContents:
    """Return the table with one column as the target and the others as features.

    Parameters
    ----------
    names : tuple of D str
    values : ndarray, shape (N, D)
    target : str or int
        A name, or a position (also as text; negative counts from the end) where no column has that name.
    owner : str
        The file, for messages.

    Raises
    ------
    ValueError
        If there is no such column, or no feature is left.

    Examples
    --------
    >>> split_target(("a", "b"), np.array([[1.0, 2.0]]), "a", "example").columns
    ('b',)
    """
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{owner}: column names must differ, got {repeated[0]!r} more than once")
    if len(names) < 2:
        raise ValueError(f"{owner}: must have two columns or more, features and a target, got {len(names)}")
    j = _position(names, target, owner)
    others = np.delete(np.arange(len(names)), j)
    return FileContents(
        tuple(names[i] for i in others), np.ascontiguousarray(values[:, others]), values[:, j].copy(), names[j]
    )


def _position(names: tuple[str, ...], target: str | int | None, owner: str) -> int:
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    rule = f"{owner}: target must be a column's name or position (columns: {shown})"
    if isinstance(target, str) and target in names:
        return names.index(target)
    if target is None or isinstance(target, bool):
        raise ValueError(f"{rule}, got {target}")
    try:
        position = int(target)
    except ValueError:
        raise ValueError(f"{rule}, got {target!r}") from None
    if not -len(names) <= position < len(names):
        raise ValueError(f"{rule}, got {target!r} of {len(names)}")
    return position
