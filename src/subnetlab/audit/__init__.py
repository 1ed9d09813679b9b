"""Every statement of the paper, checked by computation. May train small networks."""

from .finding import Finding, audit_markdown, audit_text
from .table import STATEMENTS, audit

__all__ = ["STATEMENTS", "Finding", "audit", "audit_markdown", "audit_text"]
