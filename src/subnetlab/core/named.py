"""Objects that a user names as ``module:Name``, on a command line or in a plan."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def loaded_object(name: str) -> Any:
    """Return the object of that name if its module is loaded and has it, else None; nothing is imported.

    Examples
    --------
    >>> loaded_object("math:pi"), loaded_object("nowhere:pi")
    (3.141592653589793, None)
    """
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def import_module_of(name: str, *, owner: str, argument: str) -> None:
    """Import the module of ``module:Name``; for names that a user wrote, never for those in a file.

    Parameters
    ----------
    name : str
    owner, argument : str
        Whose argument it is: errors begin with them.

    Raises
    ------
    ValueError
        If the module cannot be imported, whatever it raises.

    Examples
    --------
    >>> import_module_of("nowhere:Net", owner="report", argument="model")
    Traceback (most recent call last):
    ValueError: report: model must be in a module that can be imported, got 'nowhere:Net' (No module named 'nowhere')
    """
    try:
        importlib.import_module(name.partition(":")[0])
    except Exception as error:
        kind = "" if isinstance(error, ImportError | ValueError) else f"{type(error).__name__}: "
        raise ValueError(
            f"{owner}: {argument} must be in a module that can be imported, got {name!r} ({kind}{error})"
        ) from error
