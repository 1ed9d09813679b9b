"""The thread pools of this process: BLAS, OpenMP."""

from __future__ import annotations

import sys
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def thread_pools() -> ThreadpoolController:
    """Return the pools of all libraries that are loaded.

    Looking through them takes some milliseconds, as long as a small run, so what was found is kept until another
    module is imported.
    """
    return _found(len(sys.modules))


@lru_cache(maxsize=1)
def _found(n_modules: int) -> ThreadpoolController:
    return ThreadpoolController()
