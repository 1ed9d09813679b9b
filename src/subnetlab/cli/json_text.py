"""JSON as the commands print it: every reader takes it."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(content: Any, *, sort_keys: bool = False) -> str:
    """Return the content as one line of JSON, null in place of numbers that are not finite.

    JSON has no NaN and no infinity. Python writes them all the same, and most other readers stop there.

    Parameters
    ----------
    content : plain data
    sort_keys : bool, default False

    Examples
    --------
    >>> json_text({"floor": float("inf"), "errors": [1.0, float("nan")]})
    '{"floor": null, "errors": [1.0, null]}'
    """
    return json.dumps(_finite(content), sort_keys=sort_keys, allow_nan=False)


def _finite(content: Any) -> Any:
    """Return plain data with None in place of numbers that are not finite."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
