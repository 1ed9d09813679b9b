"""Pieces of HTML. Plain text becomes `Markup` by `text` alone, which escapes it; type checkers tell the two apart."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Markup = NewType("Markup", str)
"""A string that is HTML already."""

_LETTERS = {"xi": "ξ", "tau": "τ", "eta": "η", "kappa": "κ", "lambda": "λ", "theta": "θ"}
_NAMES = re.compile(rf"\b({'|'.join(_LETTERS)})\b")


def text(value: object) -> Markup:
    """Return a value as text inside HTML.

    Examples
    --------
    >>> text("a < b & 'c'")
    'a &lt; b &amp; &#x27;c&#x27;'
    """
    return Markup(escape(str(value)))


def joined(parts: Iterable[Markup], between: str = "\n") -> Markup:
    """Return the parts one after another."""
    return Markup(between.join(parts))


def paragraph(content: Markup, kind: str = "") -> Markup:
    """Return a paragraph, of a class if one is given."""
    return Markup(f'<p class="{kind}">{content}</p>' if kind else f"<p>{content}</p>")


def lettered(words: str) -> Markup:
    """Return text in which the names of Greek letters are letters.

    Examples
    --------
    >>> lettered("error < 1 at fixed xi, equal steps K tau")
    'error &lt; 1 at fixed <i>ξ</i>, equal steps K <i>τ</i>'
    """
    return Markup(_NAMES.sub(lambda found: f"<i>{_LETTERS[found[0]]}</i>", text(words)))


def definitions(items: Mapping[str, object], kind: str = "") -> Markup:
    """Return names and values as a list of definitions."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in items.items())
    return Markup(f'<dl class="{kind}">{rows}</dl>')


def table(caption: Markup, header: Sequence[Markup], rows: Iterable[Sequence[Markup]], kind: str = "") -> Markup:
    """Return a table whose first column names its rows.

    Parameters
    ----------
    caption : Markup
    header : sequence of Markup
        The names of the columns.
    rows : iterable of sequence of Markup
        As long as the header.
    kind : str, optional
        A class.

    Examples
    --------
    >>> table(text("T"), [text("a"), text("b")], [[text(1), text(2)]]).count("scope")
    3
    """
    return _table(caption, header, f"<tbody>{_rows(rows)}</tbody>", kind)


def grouped_table(
    caption: Markup,
    header: Sequence[Markup],
    groups: Mapping[Markup, Iterable[Sequence[Markup]]],
    kind: str = "",
) -> Markup:
    """Return a table whose rows stand in groups, each under a line that names it; see `table`."""
    bodies = (
        f'<tbody><tr class="group"><th scope="rowgroup" colspan="{len(header)}">{name}</th></tr>{_rows(rows)}</tbody>'
        for name, rows in groups.items()
    )
    return _table(caption, header, "\n".join(bodies), kind)


def folded(summary: str, content: Markup) -> Markup:
    """Return content that is shown on demand, and on paper."""
    return Markup(f"<details><summary>{text(summary)}</summary>\n{content}\n</details>")


def _plain(markup: Markup) -> str:
    """Return markup of `text` and `lettered` without its elements, for an attribute."""
    return markup.replace("<i>", "").replace("</i>", "").replace('"', "&quot;")


def _table(caption: Markup, header: Sequence[Markup], bodies: str, kind: str) -> Markup:
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    return Markup(
        f'<div class="table" role="region" aria-label="{_plain(caption)}" tabindex="0"><table class="{kind}">'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>\n{bodies}</table></div>"
    )


def _rows(rows: Iterable[Sequence[Markup]]) -> str:
    return "\n".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows
    )


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
