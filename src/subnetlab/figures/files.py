"""What goes into a figure, checked, and what comes out: PDF, SVG and PNG, and the numbers that it draws."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import atomic_file, csv_text
from .style import publication_style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from ..core.arrays import FloatArray
    from .style import Table

# None leaves out the date and the version of the program, so that the same figure gives the same bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


def save_figure(figure: Figure, folder: str | Path, stem: str, table: Table) -> list[Path]:
    """Write ``stem``.csv, .pdf, .svg and .png (200 dpi) into ``folder``, which is made if it is not there.

    The same figure gives the same bytes, each file is whole or not there, and the numbers are written first.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From a function of this room.
    folder : path
    stem : str
        The files' name without its ending.
    table : dict of str to sequence
        The columns of the CSV file, of equal length. Numbers are written with all their digits.

    Returns
    -------
    list of Path
        PDF, SVG, PNG and CSV.

    Raises
    ------
    ValueError
        If the stem is no plain file name or the columns differ in length.
    OSError
        If the folder cannot be written or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from subnetlab.figures.heatmap import draw_heatmap
    >>> figure, table = draw_heatmap([[3.0, 2.0]], [1], [1, 5], row_label="p", col_label="tau", value_label="error")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = save_figure(figure, folder, "example", table)
    ...     print(paths[-1].read_text(), end="")
    p,tau,error
    1,1,3.0
    1,5,2.0
    """
    if not stem or Path(stem).name != stem:
        raise ValueError(f"save_figure: stem must be a file name without a folder, got {stem!r}")
    contents = {"csv": _table_text(table).encode()}
    with publication_style():
        for suffix, metadata in _METADATA.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, metadata=metadata)
            contents[suffix] = buffer.getvalue()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in contents.items():
        with atomic_file(folder / f"{stem}.{suffix}") as file:
            file.write(content)
    return [folder / f"{stem}.{suffix}" for suffix in (*_METADATA, "csv")]


def _table_text(table: Table) -> str:
    lengths = {name: len(column) for name, column in table.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"save_figure: table must have columns of equal length, got {lengths}")
    return csv_text(table, zip(*map(_cells, table.values()), strict=True))


def _cells(column: Sequence[Any]) -> list[str]:
    """Return the values as text; repr of a Python float reads back as the same float."""
    return [value if isinstance(value, str) else repr(value) for value in np.asarray(column).tolist()]


def real_array(owner: str, name: str, values: Any, axes: tuple[str, ...]) -> FloatArray:
    """Return ``values`` as float64 with one dimension per name in ``axes``, none of them empty.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If the number of dimensions is another one, or there are no values.
    """
    try:
        array = np.asarray(values)
    except ValueError:  # NumPy's message speaks of inhomogeneous shapes
        raise ValueError(f"{owner}: {name} must have rows of equal length") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{owner}: {name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != len(axes) or array.size == 0:
        shape = f"({', '.join(axes)}{',' * (len(axes) == 1)})"
        raise ValueError(f"{owner}: {name} must have shape {shape}, none of them 0, got {array.shape}")
    return array.astype(np.float64)


def nonnegative_array(owner: str, name: str, values: Any, axes: tuple[str, ...]) -> FloatArray:
    """Return ``values`` like `real_array`, all finite and not negative, as errors are."""
    array = real_array(owner, name, values, axes)
    bad = np.argwhere(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"{owner}: {name} must be finite and not negative, got {array[place]} at {place} ({len(bad)} such values)"
        )
    return array
