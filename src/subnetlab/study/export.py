"""The results of a study as files for other programs: netCDF, CSV, Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import atomic_file, csv_text, refuse_foreign
from .table import LARGEST_INT64, names_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from .study import Study

_LARGEST_INT32 = 2**31 - 1


def write_export(study: Study, path: Path, *, curves: bool, force: bool) -> None:
    """Write the study; see `Study.export`."""
    writer = _WRITERS.get(path.suffix)
    if writer is None:
        raise ValueError(f"Study.export: path must end in {', '.join(_WRITERS)}, got {path.name!r}")
    if path.exists() and any(path.samefile(source) for source in _sources(study)):
        raise ValueError(f"Study.export: path must not be the study's own data, got {path}")
    refuse_foreign(path, lambda head: _is_export(path, head), force=force)
    content = writer(study, curves)
    with atomic_file(path) as file:
        file.write(content)


def _is_export(path: Path, head: bytes) -> bool:
    """Return whether a file is an earlier export, of any study and version."""
    if path.suffix == ".csv":
        return head.startswith(b"key,dataset,")
    if path.suffix == ".nc":
        return head.startswith(b"CDF") and b"step_size_used" in head
    pa, pq = _arrow()
    try:
        return {"key", "dataset", "status"} <= set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False


def _sources(study: Study) -> list[Path]:
    """Return the files that the cells were trained on, as far as they are still there."""
    names = {cell.settings.get(name) for cell in study.cells for name in ("dataset", "path")}
    return [file for name in names if name is not None and (file := Path(name)).is_file()]


def _netcdf(study: Study, curves: bool) -> bytes:
    table = study.table(curves=curves)
    for name, values in table.coords.items():
        if values.dtype.kind in "iu" and any(abs(value) > _LARGEST_INT32 for value in values.values.tolist()):
            table = table.assign_coords({name: values.astype(str)})  # netCDF 3 knows 32 bits
    for name, values in list(table.variables.items()):
        if values.dtype.kind == "U" and values.size:
            texts = [_readable(text) for text in values.values.flat]
            table[name] = values.copy(data=np.array(texts).reshape(values.shape))
    table.attrs = {name: _attribute(value) for name, value in table.attrs.items()}
    return bytes(table.to_netcdf(engine="scipy"))


def _attribute(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, int) and abs(value) > _LARGEST_INT32):
        return _readable(str(value))
    return value


def _csv(study: Study, curves: bool) -> bytes:
    """Return one line per cell; floats in full precision, None as nothing."""
    rows = study.records()
    columns = names_in(rows)
    return csv_text(columns, ([row.get(name) for name in columns] for row in rows)).encode(errors="backslashreplace")


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Study.export: Parquet needs pyarrow: pip install 'subnetlab[parquet]'") from error
    return pyarrow, pyarrow.parquet


def _parquet(study: Study, curves: bool) -> bytes:
    pa, pq = _arrow()
    rows = study.records()
    columns = {name: _column([row.get(name) for row in rows]) for name in names_in(rows)}
    if curves:
        found = [{} if (result := cell.result()) is None else result.curves for cell in study.cells]
        columns |= {name: [cell[name].tolist() if name in cell else None for cell in found] for name in names_in(found)}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


_WRITERS: dict[str, Callable[[Study, bool], bytes]] = {".nc": _netcdf, ".csv": _csv, ".parquet": _parquet}


def _column(values: list[Any]) -> Any:
    """Return the values as a column: as text where numbers and words mix (step_size = 0.1 and "auto")."""
    pa, _ = _arrow()
    if any(isinstance(value, str) for value in values):
        return pa.array([None if value is None else _readable(str(value)) for value in values], pa.string())
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) + values.count(None) == len(values) and max(numbers, default=0) > LARGEST_INT64:
        return pa.array(values, pa.uint64())
    return pa.array(values)


def _readable(text: str) -> str:
    """Return a text that every program can read: what is no UTF-8 in the name of a file is escaped."""
    return text.encode(errors="backslashreplace").decode()
