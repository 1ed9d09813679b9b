"""The words of page and explorer for settings, errors and events: one for each, in every control and table."""

from __future__ import annotations

import re

NAMES = {
    "n_subnetworks": ("p", "number of subnetworks"),
    "selection_prob": ("ξ", "selection probability"),
    "local_steps": ("τ", "local steps"),
    "step_size": ("η", "step size"),
    "width": ("m", "neurons"),
    "init_scale": ("κ", "scale of the initial weights"),
    "rounds": ("K", "rounds"),
    "n_samples": ("n", "rows"),
    "n_features": ("d", "features"),
}
"""The paper's letter and words of a setting."""

MEASURES = {"full": "after aggregation", "local": "after local training", "sampled": "after sampling"}
"""What is said of an error, by when it is measured."""

_LETTERS = {"xi": "ξ", "tau": "τ", "eta": "η", "kappa": "κ", "lambda": "λ", "theta": "θ"}
_NAMES = re.compile(rf"\b({'|'.join(_LETTERS)})\b")


def title_of(name: str) -> str:
    """Return words and letter of a setting.

    Examples
    --------
    >>> title_of("step_size"), title_of("network_seed")
    ('step size η', 'network seed')
    """
    letter, words = NAMES.get(name, ("", name.replace("_", " ")))
    return f"{words} {letter}".strip()


def lettered(words: str) -> str:
    """Return text in which the names of Greek letters are letters.

    Examples
    --------
    >>> lettered("error < 1 at fixed xi, equal steps K tau")
    'error < 1 at fixed ξ, equal steps K τ'
    """
    return _NAMES.sub(lambda found: _LETTERS[found[0]], words)
