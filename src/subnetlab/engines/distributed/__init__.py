"""Many workers, one network: who owns what, what travels, what survives. See docs/distributed.md."""

from .engine import DistributedEngine

__all__ = ["DistributedEngine"]
