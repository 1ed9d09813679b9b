"""Progress on stderr with the time left, silent where stderr is no terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(total: int, unit: str, *, done: int = 0, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show a bar; the function it yields moves it by one and shows a short text behind it."""
    from tqdm import tqdm

    shown = sys.stderr.isatty() and not quiet
    with tqdm(
        total=total, initial=done, unit=unit, disable=not shown, file=sys.stderr, leave=False, dynamic_ncols=True
    ) as bar:

        def advance(text: str = "") -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield advance
