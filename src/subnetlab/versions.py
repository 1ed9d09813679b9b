"""Which versions made a result: what its bits depend on, for the reader of a file."""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np


def versions() -> dict[str, str]:
    """Return the versions and the processor that the bits depend on; of packages that are not installed, nothing."""
    from subnetlab import __version__

    return {
        "subnetlab": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **_installed("scipy", "numba", "torch"),
    }


@cache
def _installed(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed, importing none."""
    found: dict[str, str] = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
