"""The place in a page of docs/ where a stress test puts its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCS = Path(__file__).resolve().parent.parent / "docs"


def put_between_marks(page: str, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- name: begin -->`` and ``<!-- name: end -->``; the rest stays as it is."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = (DOCS / page).read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    (DOCS / page).write_text("\n".join([before + begin, *lines, end + after]), encoding="utf-8")
