"""The log file in a study's folder."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG = "study.log"
log = logging.getLogger("subnetlab.study")
log.addHandler(logging.NullHandler())  # or Python itself would print what nobody asked for


class _QuietFile(logging.FileHandler):
    """A file that gives up silently: a full disk must not spoil the results."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Lose the line."""


@contextmanager
def logging_to(folder: Path) -> Iterator[logging.Logger]:
    """Write the study's messages to its log file, too, while the block runs."""
    handler: logging.Handler = logging.NullHandler()
    with suppress(OSError):
        handler = _QuietFile(folder / LOG, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield log
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        with suppress(OSError):
            handler.close()
