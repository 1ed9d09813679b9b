"""What all workers must agree on, so that all of them stop with the same message if one cannot go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .transport import Transport

_LONGEST = 1000  # bytes of a message


class JobError(RuntimeError):
    """The job cannot go on, and trying again would not help; the same message on all workers."""


def agree(transport: Transport, error: Exception | None) -> None:
    """Raise the same error on all workers if one of them has one.

    Raises
    ------
    JobError
        With the message of the lowest rank that has an error.
    """
    message = b"" if error is None else (str(error) or type(error).__name__).encode()[:_LONGEST]
    sent = np.zeros(_LONGEST, np.uint8)
    sent[: len(message)] = np.frombuffer(message, np.uint8)
    for received in transport.tell_all(sent):
        if received[0]:
            text = received.tobytes().rstrip(b"\0").decode(errors="replace")
            raise JobError(text)


def agree_on_settings(transport: Transport, settings: Mapping[str, Any]) -> None:
    """Compare the settings of all workers.

    Raises
    ------
    JobError
        If they differ; names the first setting that does, and its values.
    """
    mine = np.frombuffer(json.dumps(settings, sort_keys=True).encode(), np.uint8)
    longest = max(int(length[0]) for length in transport.tell_all(np.array([len(mine)])))
    padded = np.full(longest, ord(" "), np.uint8)
    padded[: len(mine)] = mine
    everybody = [json.loads(text.tobytes()) for text in transport.tell_all(padded)]
    for rank, theirs in enumerate(everybody):
        for name in sorted(everybody[0].keys() | theirs.keys()):
            a, b = everybody[0].get(name), theirs.get(name)
            if a != b:
                raise JobError(
                    f"launch: {name} must be the same on all workers, got {a!r} on worker 0 and {b!r} on worker {rank}"
                )
