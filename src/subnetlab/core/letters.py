"""The paper's letters for settings: at every door where a setting has a name it may be called by its letter, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .renamed import current

if TYPE_CHECKING:
    from collections.abc import Mapping

LETTERS = {
    "p": "n_subnetworks",
    "xi": "selection_prob",
    "K": "rounds",
    "tau": "local_steps",
    "eta": "step_size",
    "m": "width",
    "kappa": "init_scale",
}
"""The name of each setting by its letter (docs/notation.md); command lines, files and plans take both."""
LETTER_OF = {name: letter for letter, name in LETTERS.items()}


def spelled_out(
    owner: str, given: Mapping[str, Any], renamed: Mapping[str, str], *, stacklevel: int = 2
) -> dict[str, Any]:
    """Return settings under their names of today, whether a letter, an old name or the name was given.

    Parameters
    ----------
    owner : str
        Whose settings errors and warnings say they are.
    given : mapping
    renamed : mapping
        The new name by the old one, which is warned of; a letter is no old name.
    stacklevel : int
        How many frames above this function the one is that a warning points at.

    Raises
    ------
    TypeError
        If something is given twice.

    Examples
    --------
    >>> spelled_out("plan", {"p": [1, 2], "rounds": 9}, {})
    {'n_subnetworks': [1, 2], 'rounds': 9}
    >>> spelled_out("plan", {"p": 1, "n_subnetworks": 2}, {})
    Traceback (most recent call last):
    TypeError: plan: n_subnetworks must be given once, got p, its letter, too
    """
    for letter, name in LETTERS.items():
        if letter in given and name in given:
            raise TypeError(f"{owner}: {name} must be given once, got {letter}, its letter, too")
    names = {LETTERS.get(name, name): value for name, value in given.items()}
    return current(owner, names, renamed, stacklevel=stacklevel + 1)
