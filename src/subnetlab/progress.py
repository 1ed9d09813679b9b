"""The standard streams: that they are there, and progress on stderr with the time left, where that is a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def open_standard_streams() -> None:
    """Give a process that was started with closed standard streams empty ones.

    Otherwise the next file that is opened, say a database, takes the number of stderr; and worker processes, which
    inherit no stderr then, do not start.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))  # noqa: SIM115  for good


@contextmanager
def progress_bar(total: int, unit: str, *, done: int = 0, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Show a bar; the function it yields moves it by one and shows a short text behind it.

    With ``steps=0`` the bar stays where it is and its clock is updated.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda text="", steps=1: None
        return
    from tqdm import tqdm  # it takes a semaphore, which a worker that is killed would leave behind

    with tqdm(total=total, initial=done, unit=unit, file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def advance(text: str = "", steps: int = 1) -> None:
            bar.set_postfix_str(text, refresh=False)
            if steps:
                bar.update(steps)
            else:
                bar.refresh()

        yield advance
