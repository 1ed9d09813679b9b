"""What cannot be cut, said in one sentence."""

from __future__ import annotations


class CutError(ValueError):
    """A network, an example or a declaration that cannot be used; the message says what to do instead."""


class VerificationError(CutError):
    """The sliced engine and the masked one disagree: the cut must not be used."""


def first_line(error: Exception) -> str:
    """Return what fits into one sentence of an error's text."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")[:300]
