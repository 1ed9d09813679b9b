"""Every statement of the paper, checked by computation. May train small networks."""

from .finding import Finding
from .page import audit_markdown, audit_text
from .table import STATEMENTS, audit

__all__ = ["STATEMENTS", "Finding", "audit", "audit_markdown", "audit_text"]
