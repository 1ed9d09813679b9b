"""What a reader returns, and what becomes of its columns: the target, features, and those that are left out."""

from __future__ import annotations

import difflib
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from ...input_file import FileContentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.arrays import FloatArray

Kind: TypeAlias = Literal["number", "text", "skip"]
"""What a reader makes of the cells of a column: numbers, categories, or nothing."""

_MOST_CATEGORIES = 1000  # of one column; names and addresses would fill the memory with zeros

LARGEST_EXACT = 2**53  # float64 holds every whole number up to here


_ENOUGH_ROWS = 10  # from which on values that all differ are no accident
_CALLED = ("", "id", "index", "idx", "row", "row number", "rownumber", "unnamed: 0")


class Table(NamedTuple):
    """The columns of one file as its reader found them, the target among them.

    Parameters
    ----------
    names : tuple of D str
    values : ndarray, shape (N, D)
        NaN where a value is missing; of a column of text the positions of its values in ``categories``; zero in a
        column that is skipped.
    inexact : tuple of str
        The columns with whole numbers that float64 cannot tell from their neighbours.
    left_out : dict
        Columns of the file that are not here, each with the reason.
    categories : dict
        Of each column of text its values, sorted.
    """

    names: tuple[str, ...]
    values: FloatArray
    inexact: tuple[str, ...] = ()
    left_out: Mapping[str, str] = MappingProxyType({})
    categories: Mapping[str, tuple[str, ...]] = MappingProxyType({})


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
    categories : dict
        The values of each column that became one column per value.
    """

    columns: tuple[str, ...]
    features: FloatArray
    target: FloatArray
    target_name: str
    inexact: tuple[str, ...] = ()
    left_out: Mapping[str, str] = MappingProxyType({})
    categories: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class ColumnChoice(NamedTuple):
    """What the user says of the columns of a file.

    Parameters
    ----------
    target : str or int, optional
    drop : tuple of str
        Columns that are left out, whatever they hold.
    categorical : tuple of str
        Columns whose values are names, whatever they look like.
    """

    target: str | int | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def kind(self, name: str) -> Kind:
        """Return what a reader makes of a column."""
        return "skip" if name in self.drop else "text" if name in self.categorical else "number"


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


def split_target(table: Table, choice: ColumnChoice, owner: str) -> FileContents:
    """Return the table with one column as the target and the others as features.

    Parameters
    ----------
    table : Table
    choice : ColumnChoice
        The target is a name, or a position (also as text; negative counts from the end) where no column has that
        name.
    owner : str
        The file, for messages.

    Raises
    ------
    FileContentError
        If two columns have one name, or no feature is left.
    ValueError
        If the choice names a column that is not there, or the target twice.

    Examples
    --------
    >>> split_target(Table(("a", "b"), np.array([[1.0, 2.0]])), ColumnChoice("a"), "example").columns
    ('b',)
    """
    check_names(table.names, owner)
    j = _position(table.names, choice.target, owner)
    target = table.names[j]
    others = np.delete(np.arange(len(table.names)), j)
    rest = table._replace(names=tuple(table.names[i] for i in others), values=table.values[:, others])
    return arranged(rest, table.values[:, j].copy(), target, choice, owner)


def arranged(table: Table, target: FloatArray, target_name: str, choice: ColumnChoice, owner: str) -> FileContents:
    """Return the columns besides the target without those to drop, and a column of zeros and ones per category.

    Raises
    ------
    FileContentError
        If no feature is left, or two columns would have one name.
    ValueError
        If the choice names a column that is not there, or the target.
    """
    for argument in ("drop", "categorical"):
        for name in getattr(choice, argument):
            if name == target_name or name not in table.names:
                shown = ", ".join(table.names[:10]) + (", ..." if len(table.names) > 10 else "")
                near = difflib.get_close_matches(name, table.names, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                what = "the target" if name == target_name else "no column"
                raise ValueError(f"{owner}: {argument} must name features ({shown}), got {what} {name!r}{hint}")
    for name in choice.categorical:
        if name in choice.drop:
            raise ValueError(f"{owner}: drop and categorical must name different columns, got {name!r} in both")
        if name not in table.categories:
            raise ValueError(f"{owner}: categorical must name columns of a CSV, TSV or Parquet file, got {name!r}")
    kept = [i for i, name in enumerate(table.names) if name not in choice.drop]
    if not kept:
        raise FileContentError(f"{owner}: must have a feature besides the target and what drop names, got none")
    names, features = one_hot(tuple(table.names[i] for i in kept), table.values[:, kept], table.categories)
    if table.categories:
        check_names((*names, target_name), owner)
    return FileContents(
        columns=names,
        features=np.ascontiguousarray(features),
        target=target,
        target_name=target_name,
        inexact=table.inexact,
        left_out={**table.left_out, **dict.fromkeys(choice.drop, "named in drop")},
        categories={name: table.categories[name] for name in choice.categorical},
    )


def one_hot(
    names: tuple[str, ...], values: FloatArray, categories: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[str, ...], FloatArray]:
    """Return the columns with each that has categories replaced by one per category: 1 in its rows, 0 in the others.

    Where the category is missing, all of them are missing.

    Examples
    --------
    >>> one_hot(("age", "city"), np.array([[30.0, 1.0], [40.0, 0.0]]), {"city": ("Oslo", "Rome")})
    (('age', 'city=Oslo', 'city=Rome'), array([[30.,  0.,  1.],
           [40.,  1.,  0.]]))
    """
    if not categories:
        return names, values
    columns: list[str] = []
    parts: list[FloatArray] = []
    for name, column in zip(names, values.T, strict=True):
        found = categories.get(name)
        if found is None:
            columns.append(name)
            parts.append(column[:, None])
            continue
        columns += [f"{name}={category}" for category in found]
        ones = (column[:, None] == np.arange(len(found))).astype(np.float64)
        parts.append(np.where(np.isnan(column)[:, None], np.nan, ones))
    return tuple(columns), np.hstack(parts)


def in_order(found: Mapping[str, int], codes: FloatArray, name: str, owner: str) -> tuple[tuple[str, ...], FloatArray]:
    """Return the categories of a column sorted, and for each row the position of its own; NaN stays.

    Parameters
    ----------
    found : mapping
        The number of each category, from 0, in the order in which they came.
    codes : ndarray, shape (N,)
        Those numbers.
    name, owner : str
        The column and the file, for messages.

    Raises
    ------
    FileContentError
        If there are far too many.
    """
    if len(found) > _MOST_CATEGORIES:
        raise FileContentError(
            f"{owner}: column {name!r} must have at most {_MOST_CATEGORIES:,} categories, got {len(found):,}; drop "
            f"leaves it out"
        )
    categories = tuple(sorted(found))
    place = np.empty(len(found))
    place[[found[category] for category in categories]] = np.arange(len(found))
    known = ~np.isnan(codes)
    placed = np.full(len(codes), np.nan)
    placed[known] = place[codes[known].astype(np.int64)]
    return categories, placed


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
