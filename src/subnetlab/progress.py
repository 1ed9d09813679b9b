"""Progress on stderr with the time left, silent where stderr is no terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(total: int, unit: str, *, done: int = 0, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Show a bar; the function it yields moves it by one and shows a short text behind it.

    With ``steps=0`` the bar stays where it is and its clock goes on.
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
