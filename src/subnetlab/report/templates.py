"""HTML by templates: Jinja2 with autoescape, so that no text of a user becomes markup, whatever it holds."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

_JSON = {"allow_nan": False, "ensure_ascii": False, "separators": (",", ":")}


@cache
def environment() -> Environment:
    r"""Return the one environment of all pages.

    Examples
    --------
    >>> environment().from_string("<b>{{ name }}</b>").render(name="<i>&")
    '<b>&lt;i&gt;&amp;</b>'
    >>> environment().from_string("{{ numbers|tojson }}").render(numbers={"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    made = Environment(
        autoescape=True,
        loader=PackageLoader("subnetlab.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.policies["json.dumps_kwargs"] = _JSON
    return made


def asset(name: str) -> str:
    """Return a file of assets/: style or script."""
    return (files("subnetlab.report") / "assets" / name).read_text(encoding="utf-8")
