"""Compilation by numba, with a cache on disk that may be missing, full or damaged without ending the program."""

from __future__ import annotations

import hashlib
import pickle
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any], *, fastmath: bool | set[str] = False, inner: bool = False) -> Any:
    """Return the function compiled by numba; it releases the GIL, and it can change arrays but not create them.

    ``inner`` functions are called by other compiled functions only, so no code to unpack Python's arguments is made.

    Machine code is cached in ``NUMBA_CACHE_DIR``, beside the source or in the user's cache folder. If no folder can be
    read and written, if the disk is full or a file is damaged, the process compiles for itself.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "_nrt": False,  # references to arrays are not counted, which saves a tenth of the time that compilation takes
        "fastmath": fastmath,
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": inner,
    }
    dispatcher: Any = njit(**options)(function)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
    return dispatcher


class _Cache(FunctionCache):
    """numba's cache, except that trouble with a file or a folder never ends the program."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        # machine code holds that of the functions it calls; numba asks only whether the file of the caller has changed
        stamp = (self._impl.locator.get_source_stamp(), sources_digest())
        self._cache_file = _CheckedFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function, or None if no readable one is cached."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # what a damaged pickle raises can be anything
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function if there is room for it."""
        with suppress(OSError):
            super().save_overload(sig, data)


class _CheckedFiles(IndexDataCacheFile):
    """Files that end with a digest of their content, because machine code with a flipped bit would be run."""

    def _dump(self, obj: Any) -> bytes:
        content = super()._dump(obj)
        return content + hashlib.sha256(content).digest()

    def _load_index(self) -> dict[Any, Any]:
        version = pickle.dumps(self._version, protocol=-1)  # with which numba begins the index
        try:
            content = Path(self._index_path).read_bytes()
        except OSError:
            return {}
        whole = content.startswith(version) and _is_whole(content[len(version) :])
        return super()._load_index() if whole else {}  # a new one takes its place

    def _load_data(self, name: str) -> Any:
        if not _is_whole(Path(self._data_path(name)).read_bytes()):
            raise ValueError("the file is damaged, or another version's")
        return super()._load_data(name)


def _is_whole(content: bytes) -> bool:
    size = hashlib.sha256().digest_size
    return hashlib.sha256(content[:-size]).digest() == content[-size:]


@cache
def sources_digest() -> str:
    """Return a digest of all files whose compiled functions may call each other."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(file for room in ("compiled", "kernels", "engines") for file in (package / room).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
