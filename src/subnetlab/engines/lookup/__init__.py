"""The look-up engine: dual steps whose product with the activation patterns is looked up, not multiplied."""

from .engine import LookupEngine

__all__ = ["LookupEngine"]
