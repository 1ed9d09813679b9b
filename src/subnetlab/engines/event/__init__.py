"""The event engine: exact local steps by the masked NTK, with every change of an activation pattern found."""

from .engine import EventEngine

__all__ = ["EventEngine"]
