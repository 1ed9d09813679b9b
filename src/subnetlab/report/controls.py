"""What the reader of a page can set: native elements with labels, so that a keyboard reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .markup import Markup, text

if TYPE_CHECKING:
    from collections.abc import Sequence


def slider(name: str, label: Markup, stops: int, at: int = 0, shown: object = "") -> Markup:
    """Return a slider over ``stops`` positions from 0; the page's script writes what a position means."""
    return Markup(
        f'<label class="slider"><span>{label}</span><span class="value">{text(shown)}</span>'
        f'<input type="range" name="{text(name)}" min="0" max="{stops - 1}" step="1" value="{at}"'
        f' aria-valuetext="{text(shown)}"></label>'
    )


def choice(name: str, label: Markup, options: Sequence[str], at: int = 0) -> Markup:
    """Return a list to choose from; values are positions."""
    entries = "".join(
        f'<option value="{i}"{" selected" if i == at else ""}>{text(option)}</option>'
        for i, option in enumerate(options)
    )
    return Markup(f'<label class="choice"><span>{label}</span><select name="{text(name)}">{entries}</select></label>')


def tick(name: str, label: Markup, *, on: bool) -> Markup:
    """Return a box to tick."""
    checked = " checked" if on else ""
    return Markup(
        f'<label class="tick"><input type="checkbox" name="{text(name)}"{checked}><span>{label}</span></label>'
    )
