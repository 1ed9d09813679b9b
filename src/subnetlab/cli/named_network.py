"""A network of the user's own, by its name."""

from __future__ import annotations

from typing import Any

from ..core.named import import_module_of, loaded_object


def named_network(name: str, *, owner: str) -> Any:
    """Return the network, or the cut, that ``module:Name`` makes or is.

    Raises
    ------
    ValueError
        If there is no such thing, or making it fails.
    """
    import_module_of(name, owner=owner, argument="model")
    made = loaded_object(name)
    is_network = not isinstance(made, type) and hasattr(made, "named_parameters")
    if callable(made) and not is_network:
        try:
            made = made()
        except Exception as error:
            raise ValueError(f"{owner}: model {name!r} cannot be made ({type(error).__name__}: {error})") from error
    if made is None:
        raise ValueError(f"{owner}: model must be module:Name of a function that makes the network, got {name!r}")
    return made
