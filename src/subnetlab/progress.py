"""The standard streams: that they are there, and progress on stderr with the time left: a bar, or a line a minute."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_EVERY = 60.0  # seconds between lines where there is no terminal


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

    With ``steps=0`` the bar stays where it is and its clock is updated. Where stderr is no terminal, in a log of a
    batch system say, a line a minute takes the bar's place; work of less than a minute prints none.
    """
    if quiet:
        yield lambda text="", steps=1: None
        return
    if not sys.stderr.isatty():
        yield _lines(total, unit, done)
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


def _lines(total: int, unit: str, done: int) -> Callable[..., None]:
    """Return the function that prints the lines; what was done before it began says nothing about the pace."""
    began = last = time.monotonic()
    before = done

    def advance(text: str = "", steps: int = 1) -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        if now - last < _LINE_EVERY or done >= total:
            return
        last = now
        left = (total - done) * (now - began) / (done - before) if done > before else None
        parts = [f"{unit} {done:,} of {total:,}", text, "" if left is None else f"about {duration(left)} left"]
        print(", ".join(filter(None, parts)), file=sys.stderr, flush=True)

    return advance


def duration(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> duration(3.2), duration(400), duration(9000)
    ('3 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
