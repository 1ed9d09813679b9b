"""What cannot be cut, said in one sentence."""

from __future__ import annotations


class CutError(ValueError):
    """A network, an example or a declaration that cannot be used; the message says what to do instead."""


class VerificationError(CutError):
    """The sliced engine and the masked one disagree: the cut must not be used."""
