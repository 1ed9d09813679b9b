"""What cannot be cut, said in one sentence."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


class CutError(ValueError):
    """A network, an example or a declaration that cannot be used; the message says what to do instead."""


class VerificationError(CutError):
    """The sliced engine and the masked one disagree: the cut must not be used."""


def first_line(error: Exception) -> str:
    """Return what fits into one sentence of an error's text."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")[:300]


@contextmanager
def in_our_words(sentence: str) -> Iterator[None]:
    """Turn what torch or the user's function raises inside into a ValueError: the sentence, and the reason quoted.

    What says nothing about the arguments (a device or a disk that has no room, or does not answer) stays as it is.
    """
    try:
        yield
    except (MemoryError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of many types
        raise ValueError(f"{sentence} ({type(error).__name__}: {first_line(error)})") from error
