"""What a reader returns, and the choice of the target column."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...input_file import FileContentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.arrays import FloatArray


LARGEST_EXACT = 2**53  # float64 holds every whole number up to here


_ENOUGH_ROWS = 10  # from which on values that all differ are no accident
_CALLED = ("", "id", "index", "idx", "row", "row number", "rownumber", "unnamed: 0")


class FileContents(NamedTuple):
    """The numbers of one file.

    Parameters
    ----------
    columns : tuple of d str
    features : ndarray, shape (N, d)
        NaN where a value is missing.
    target : ndarray, shape (N,) or (N, o)
    target_name : str
    inexact : tuple of str
        The columns, features or target, with whole numbers that float64 cannot tell from their neighbours.
    left_out : dict
        Columns that are no features, each with the reason.
    """

    columns: tuple[str, ...]
    features: FloatArray
    target: FloatArray
    target_name: str
    inexact: tuple[str, ...] = ()
    left_out: Mapping[str, str] = MappingProxyType({})


def loses_digits(values: np.ndarray) -> bool:
    """Return whether whole numbers change when they become float64, as identifiers above 2^53 do.

    Parameters
    ----------
    values : ndarray
        Of any type; only integers can lose digits.

    Examples
    --------
    >>> [loses_digits(np.array([n])) for n in (2**53, 2**53 + 1, 2**53 + 2, -(2**63), 2**63 - 1)]
    [False, True, False, False, True]
    """
    if values.dtype.kind not in "iu" or not values.size:
        return False
    floats = values.astype(np.float64)
    # the largest ones round up to a power of two that the type does not hold
    too_large = floats == 2.0 ** (8 * values.itemsize - (values.dtype.kind == "i"))
    return bool((too_large | (np.where(too_large, 0.0, floats).astype(values.dtype) != values)).any())


def identifiers(names: tuple[str, ...], features: FloatArray) -> list[str]:
    """Return the columns that number the rows, or are called so and hold a whole number of its own for each row.

    Parameters
    ----------
    names : tuple of d str
    features : ndarray, shape (N, d)

    Examples
    --------
    >>> rows = np.arange(20.0)
    >>> identifiers(("a", "x", "Id", "b"), np.column_stack([rows + 7, rows // 2, -rows, -rows]))
    ['a', 'Id']
    """
    found: list[str] = []
    for name, column in zip(names, features.T, strict=True):
        called = name.casefold().strip() in _CALLED or name.casefold().endswith(("_id", " id"))
        own = np.array_equal(column, np.floor(column)) and len(np.unique(column)) == len(column) >= _ENOUGH_ROWS
        if own and (called or bool((np.diff(column) == 1).all())):
            found.append(name)
    return found


def split_target(
    names: tuple[str, ...],
    values: FloatArray,
    target: str | int | None,
    owner: str,
    *,
    inexact: tuple[str, ...] = (),
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> FileContents:
    """Return the table with one column as the target and the others as features.

    Parameters
    ----------
    names : tuple of D str
    values : ndarray, shape (N, D)
    target : str or int
        A name, or a position (also as text; negative counts from the end) where no column has that name.
    owner : str
        The file, for messages.
    inexact, left_out
        As in `FileContents`.

    Raises
    ------
    FileContentError
        If two columns have one name, or no feature is left.
    ValueError
        If ``target`` is none of the columns.

    Examples
    --------
    >>> split_target(("a", "b"), np.array([[1.0, 2.0]]), "a", "example").columns
    ('b',)
    """
    check_names(names, owner)
    j = _position(names, target, owner)
    others = np.delete(np.arange(len(names)), j)
    return FileContents(
        columns=tuple(names[i] for i in others),
        features=np.ascontiguousarray(values[:, others]),
        target=values[:, j].copy(),
        target_name=names[j],
        inexact=inexact,
        left_out=left_out,
    )


def check_names(names: tuple[str, ...], owner: str) -> None:
    """Raise FileContentError if two columns have one name, or there are not two of them."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise FileContentError(f"{owner}: column names must differ, got {repeated[0]!r} more than once")
    if len(names) < 2:
        raise FileContentError(f"{owner}: must have two columns or more, features and a target, got {len(names)}")


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
