"""The networks of cells as texts: ``shallow``, ``mlp(64, 64)``, ``cnn``, or ``module:factory(3)`` of one's own.

A text is one plain value, so that a plan can list several, and a table has them as a dimension. As with mask laws, a
text in a file never makes this package import code: a factory is found where its module is loaded already, and only
what a user writes in a plan or on a command line is imported, by `import_network`.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core import checks
from ..core.named import import_module_of, loaded_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SHALLOW = "shallow"
"""The paper's network, whose width is a setting of its own."""

_FORM = "'shallow', a name with settings such as 'mlp(64, 64)', or 'module:factory' of your own"
_known: dict[str, Any] = {}  # factories that another process has handed over


@dataclass(frozen=True)
class NetworkText:
    """A text taken apart.

    Parameters
    ----------
    name : str
        A key of ``subnetlab.modules.by_name.NETWORKS``, or ``module:factory``.
    args, kwargs : tuple
        Its settings; those by name as pairs.

    Examples
    --------
    >>> text = NetworkText.parsed("resnet(16,blocks=4)")
    >>> text.name, text.args, text.kwargs
    ('resnet', (16,), (('blocks', 4),))
    >>> str(text)
    'resnet(16, blocks=4)'
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parsed(cls, text: str, *, owner: str = "Cell") -> NetworkText:
        """Return the parts of a text; nothing in it is evaluated but plain values.

        Raises
        ------
        TypeError, ValueError
            If it is no such text.
        """
        checks.instance(owner, "network", text, str)
        name, opened, rest = text.partition("(")
        try:
            call = ast.parse(f"f({rest}" if opened else "f()", mode="eval").body
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and name.strip()):
                raise ValueError("no call")
            args = tuple(ast.literal_eval(argument) for argument in call.args)
            kwargs = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
            given = tuple((str(key), value) for key, value in kwargs.items())
            if None in kwargs:
                raise ValueError("settings without a name")
        except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
            raise ValueError(f"{owner}: network must be {_FORM}, got {text!r}") from None
        return cls(name.strip(), args, given)

    def __str__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs)]
        return f"{self.name}({', '.join(given)})" if given else self.name

    @property
    def own(self) -> bool:
        """Whether the factory is the user's."""
        return ":" in self.name

    def factory(self, *, owner: str = "Cell") -> Callable[..., Any]:
        """Return the function of inputs, outputs and settings, importing nothing of the user's.

        Raises
        ------
        ValueError
            If there is no such network, its module is not loaded, or it does not take these settings.
        ImportError
            If torch is not installed.
        """
        make = self._found(owner)
        try:
            inspect.signature(make).bind(1, 1, *self.args, **dict(self.kwargs))
        except TypeError as error:
            raise ValueError(
                f"{owner}: network must have settings that {self.name} takes, got {str(self)!r} ({error})"
            ) from None
        return make

    def make(self, inputs: int, outputs: int, *, owner: str = "Cell") -> Any:
        """Return the torch module for so many features and outputs.

        Raises
        ------
        ValueError
            If the network refuses them.
        """
        make = self.factory(owner=owner)
        try:
            return make(inputs, outputs, *self.args, **dict(self.kwargs))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{owner}: network must fit the data, got {str(self)!r} ({error})") from error

    def _found(self, owner: str) -> Any:
        if self.own:
            make = _known.get(self.name) or loaded_object(self.name)
            if not callable(make):
                module = self.name.partition(":")[0]
                raise ValueError(
                    f"{owner}: network must be a function that is loaded, got {self.name!r}: import {module} first; a "
                    "file does not make this program import it"
                )
            return make
        networks = _networks(owner, self)
        checks.one_of(owner, "network", self.name, (SHALLOW, *networks))
        for value in (*self.args, *dict(self.kwargs).values()):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{owner}: network must have settings that are whole numbers of at least 1, got {str(self)!r}"
                )
        return networks[self.name]


def import_network(text: str, *, owner: str = "Cell") -> None:
    """Import the module of ``module:factory``; for texts that a user wrote.

    Raises
    ------
    TypeError, ValueError
        If the module cannot be imported, or the text is none.
    """
    parts = NetworkText.parsed(text, owner=owner)
    if parts.own:
        import_module_of(parts.name, owner=owner, argument="network")


def own_networks(texts: Iterable[str]) -> dict[str, Any]:
    """Return the user's own factories among them, by name, for `know_networks` in another process."""
    parts = {text: NetworkText.parsed(text) for text in dict.fromkeys(texts)}
    return {found.name: found.factory() for found in parts.values() if found.own}


def know_networks(factories: Mapping[str, Any]) -> None:
    """Make the factories of another process known here."""
    _known.update(factories)


def _networks(owner: str, text: NetworkText) -> dict[str, Any]:
    try:
        from ..modules.by_name import NETWORKS  # with torch, which other studies need not have
    except ModuleNotFoundError as error:
        raise ImportError(f"{owner}: network {str(text)!r} needs torch: pip install 'subnetlab[torch]'") from error
    return NETWORKS
