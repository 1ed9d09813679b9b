"""How files, plans and command lines name a mask law: by its line in the table, or as ``module:Class``.

A name in a file never makes this package import code. A class named ``module:Class`` is found where its module is
loaded already; only a name that a user writes on a command line or in a plan is imported, by `import_law`.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from .. import checks
from ..named import import_module_of, loaded_object
from .law import NEEDED
from .table import LAWS, plain_laws

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .law import MaskLaw


def law_name(law: type[Any]) -> str:
    """Return the name by which the law can be found again.

    Raises
    ------
    ValueError
        If there is none: a class made inside a function.

    Examples
    --------
    >>> from subnetlab import Categorical
    >>> law_name(Categorical)
    'categorical'
    """
    for name, known in LAWS.items():
        if known is law:
            return name
    name = f"{law.__module__}:{law.__qualname__}"
    if loaded_object(name) is not law:
        raise ValueError(
            f"TrainingScheme: masks must be of a class that can be found again, got {name}: define it at the top of a "
            f"module, or register it, subnetlab.core.masks.LAWS['name'] = {law.__name__}"
        )
    return name


def law_class(name: str, *, owner: str = "TrainingScheme") -> type[MaskLaw]:
    """Return the law of that name, importing nothing.

    Raises
    ------
    ValueError
        If there is no such law, or its module is not loaded.
    TypeError
        If the name is that of something else.
    """
    if name in LAWS:
        return LAWS[name]
    module, colon, _ = str(name).partition(":")
    if not colon:
        checks.one_of(owner, "masks", name, plain_laws())
    if module not in sys.modules:
        raise ValueError(
            f"{owner}: masks must be a law that is loaded, got {name!r}: import {module} first; a file does not make "
            f"this program import it"
        )
    law = loaded_object(name)
    if law is None:
        raise ValueError(f"{owner}: masks must be a class in {module}, got {name!r}")
    if not (isinstance(law, type) and is_dataclass(law) and all(_has(law, member) for member in NEEDED)):
        raise TypeError(f"{owner}: masks must be a mask law, a frozen dataclass with its members, got {name!r}")
    return cast("type[MaskLaw]", law)


def import_law(name: str, *, owner: str = "TrainingScheme") -> type[MaskLaw]:
    """Import the module of ``module:Class`` and return the law; for names that a user wrote.

    Raises
    ------
    ValueError
        If the module cannot be imported, and as `law_class`.
    TypeError
        As `law_class`.
    """
    if ":" in str(name) and name not in LAWS:
        import_module_of(str(name), owner=owner, argument="masks")
    return law_class(name, owner=owner)


def law_from_settings(
    name: str, given: Mapping[str, Any], defaults: Mapping[str, Any], *, owner: str = "TrainingScheme"
) -> MaskLaw:
    """Return the law of that name with the settings given; None is one that is not.

    Parameters
    ----------
    name : str
    given : mapping
        Each must be a setting of the law, and together with the defaults they must be all that it needs.
    defaults : mapping
        Values for what is not given; those that the law has no use for are left out.
    owner : str
        Whose settings errors say they are.

    Raises
    ------
    TypeError, ValueError
        If there is no such law, or a setting is missing, is not one of the law's or breaks its rule.

    Examples
    --------
    >>> law_from_settings("categorical", {"n_subnetworks": 4}, {"selection_prob": 0.5})
    Categorical(n_subnetworks=4, probabilities=None)
    """
    law: Any = law_class(name, owner=owner)
    known = {field.name: field for field in fields(law)}
    if "masks" in known:
        checks.one_of(owner, "masks", name, plain_laws())
    settings = {key: value for key, value in defaults.items() if key in known and given.get(key) is None}
    for key, value in given.items():
        if value is not None and key not in known:
            raise ValueError(
                f"{owner}: {key} must be absent for masks {name!r}, which fix it by themselves, got {value}"
            )
        if value is not None:
            settings[key] = value
    for key, field in known.items():
        if key not in settings and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{owner}: {key} must be given for masks {name!r}")
    return law(**settings)


def own_laws(names: Iterable[str]) -> dict[str, type[MaskLaw]]:
    """Return those of the laws that a new process does not know by itself, for `know` there."""
    return {name: law for name in names if not (law := law_class(name)).__module__.startswith(f"{__package__}.")}


def know(laws: Mapping[str, type[MaskLaw]]) -> None:
    """Make the laws of another process known here."""
    LAWS.update(laws)


def _has(law: type[Any], member: str) -> bool:
    return hasattr(law, member) or member in law.__dataclass_fields__
