"""Compiled code that is kept on disk where there is a place for it, and works where there is none."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any], *, fastmath: bool | set[str] = False, inner: bool = False) -> Any:
    """Return the function compiled by numba, without the GIL; it cannot make arrays, but change those it is given.

    ``inner`` ones are called by other compiled functions only: no code that unpacks Python's arguments is made.

    Machine code is cached in ``NUMBA_CACHE_DIR``, beside the source or in the user's cache folder. Where none of
    them can be written, numba refuses to cache; each process then compiles for itself.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "_nrt": False,  # references to arrays are not counted, which saves a tenth of the time that compilation takes
        "fastmath": fastmath,
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": inner,
    }
    try:
        dispatcher = njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(**options)(function)
    # machine code holds that of the functions it calls; numba asks only whether the file of the caller has changed
    index: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        index._source_stamp = (index._source_stamp, sources_digest())
    return dispatcher


@cache
def sources_digest() -> str:
    """Return a digest of all files whose compiled functions may call each other."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(file for room in ("kernels", "engines") for file in (package / room).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
