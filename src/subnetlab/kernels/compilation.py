"""Compiled code that is kept on disk where there is a place for it, and works where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any], *, fastmath: bool | set[str] = False) -> Any:
    """Return the function compiled by numba, without the GIL.

    Machine code is cached in ``NUMBA_CACHE_DIR``, beside the source or in the user's cache folder. Where none of
    them can be written, numba refuses to cache; each process then compiles for itself.
    """
    try:
        return njit(nogil=True, cache=True, fastmath=fastmath)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(nogil=True, fastmath=fastmath)(function)
