"""torchrun as the launcher starts it: it dies with the launcher, and the workers die with it."""

from __future__ import annotations

import os
from importlib import import_module

from .agent import PARENT, die_with_parent


def main() -> None:
    """Be torchrun."""
    die_with_parent(int(os.environ[PARENT]))
    os.environ[PARENT] = str(os.getpid())  # the workers inherit it
    import_module("torch.distributed.run").main()


if __name__ == "__main__":
    main()
