"""Old names that keep working: arguments, attributes and members of modules that have a better name now."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T", bound="Callable[..., Any]")


def renamed_arguments(**names: str) -> Callable[[_T], _T]:
    """Decorate a function, or a class whose constructor it is, so that old keywords are taken for the new ones.

    Parameters
    ----------
    **names : str
        The new name by the old one. A caller who uses an old one gets a DeprecationWarning.

    Examples
    --------
    >>> @renamed_arguments(colour="color")
    ... def paint(color): return color
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     print(paint(colour="red"), caught[0].message)
    red paint: colour is now color
    """

    def decorate(target: _T) -> _T:
        is_class = isinstance(target, type)
        function: Any = target.__init__ if is_class else target
        owner = target.__name__

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **current(owner, kwargs, names))

        if is_class:
            target.__init__ = call
        return cast("_T", target if is_class else call)

    return decorate


def current(owner: str, given: Mapping[str, Any], names: Mapping[str, str], *, stacklevel: int = 2) -> dict[str, Any]:
    """Return keyword arguments, or settings, under their new names; warn of each old one.

    Raises
    ------
    TypeError
        If something is given by both names.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        new = names.get(name, name)
        if new != name:
            if new in given:
                raise TypeError(f"{owner}: {new} must be given once, got {name}, its old name, too")
            warnings.warn(f"{owner}: {name} is now {new}", DeprecationWarning, stacklevel=stacklevel + 1)
        found[new] = value
    return found


def renamed_attribute(old: str, new: str) -> Any:
    """Return a property that reads the attribute ``new`` and warns of its name ``old``."""

    def read(self: Any) -> Any:
        warnings.warn(f"{type(self).__name__}: {old} is now {new}", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(read, doc=f"The old name of ``{new}``.")


def renamed_members(module: str, **members: Any) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module, which knows its classes and functions by their old names, too.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    **members : class or function
        By the old name. Who asks for one gets a DeprecationWarning.

    Raises
    ------
    AttributeError
        When the function that is returned is asked for another name.

    Examples
    --------
    >>> look_up = renamed_members("example", Dict=dict)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     print(look_up("Dict"), caught[0].message)
    <class 'dict'> example.Dict is now dict
    """

    def look_up(name: str) -> Any:
        if name not in members:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now {members[name].__name__}", DeprecationWarning, stacklevel=2)
        return members[name]

    return look_up
