"""What one life of a script leaves to the next, in the launcher's private folder: its last error, its libraries."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class _Remembered:
    """A file of one worker of this machine, which its next life reads.

    Parameters
    ----------
    private : Path, optional
        The launcher's own folder; without one nothing is remembered.
    local_rank : int
    """

    name: ClassVar[str]
    private: Path | None
    local_rank: int

    @property
    def _file(self) -> Path:
        assert self.private is not None
        return self.private / f"{self.name}-{self.local_rank}"


class ScriptFailures(_Remembered):
    """Tells an error of the script itself, which comes again, from one that another attempt gets over."""

    name = "error"

    def again(self, error: Exception) -> bool:
        """Return whether the last failure was the same, with nothing completed in between; remember this one.

        The same is an error of the same type in the same lines: its text may hold a time, or a number.
        """
        if self.private is None:
            return False
        before, place = self._read(), [type(error).__name__, *map(str, _lines(error))]
        self._file.write_text(json.dumps({"place": place, "said": said(error)}))
        return before.get("place") == place

    def last(self) -> str:
        """Return what the last failure said, if nothing was completed after it."""
        return str(self._read().get("said", ""))

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self.private is not None and self._file.exists() else {}

    def forget(self) -> None:
        """Forget the last failure: something was completed after it."""
        if self.private is not None:
            self._file.unlink(missing_ok=True)


class ScriptLibraries(_Remembered):
    """Spares a script the imports, which take longer than all the rest of its way back after a failure.

    The agent imports what every training needs before its first fork. A worker that has completed something notes what
    else it imported, and its agent imports that while the worker trains, so that the next fork has it in memory. These
    are installed libraries alone, never files of the user's, which may have changed when the script begins again, and
    whose code belongs in the worker.
    """

    name = "libraries"
    _always: ClassVar[tuple[str, ...]] = (
        "subnetlab.modules.cutting",
        "subnetlab.modules.training",
        "torch.export._trace",  # what the first export imports
    )

    def note(self) -> None:
        """Write down the libraries that this process has imported, in their order; once."""
        if self.private is None or (file := self._file).exists():
            return
        places = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(_OWN)})
        names = [
            name
            for name, module in list(sys.modules.items())
            if str(getattr(module, "__file__", None) or "").startswith(places)
        ]
        with atomic_file(file) as out:
            out.write("\n".join(names).encode())

    def load(self) -> None:
        """Import in this process what a worker will need; what cannot be imported here is left to the worker."""
        if self.private is None:
            return
        noted = self._file.read_text().splitlines() if self._file.exists() else ()
        # a library that asks for GPUs while it is imported must not begin to use them: no fork could go on with that
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        for name in (*self._always, *noted):
            with contextlib.suppress(Exception):
                import_module(name)


def _lines(error: BaseException | None) -> Iterator[tuple[str, int]]:
    """Yield the lines that an error came through, and those of its cause."""
    while error is not None:
        for frame, line in traceback.walk_tb(error.__traceback__):
            yield frame.f_code.co_filename, line
        error = error.__cause__


def said(error: Exception) -> str:
    """Return what an error says, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
