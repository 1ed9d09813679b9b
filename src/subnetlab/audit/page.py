"""The audit as text and as the page docs/audit.md."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .finding import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .finding import Finding

_HEAD = """# The audit

What `subnetlab audit` finds of every numbered statement of the paper and of the claims R1 to R12 of its abstract,
contributions and remarks. This page is its output (`subnetlab audit --markdown`); nothing on it is written by hand.

- *exact*: an identity, by enumeration of all masks in rational arithmetic or to rounding.
- *holds*: an inequality with a short proof, checked. *holds empirically*: not violated where it was tried.
- *false*: refuted as printed. *proof broken*: not refuted, but its proof uses something false.
- *not checkable*: for the reason given.
"""


def audit_text(findings: Mapping[str, Finding]) -> str:
    """Return one paragraph per statement, for a terminal."""
    parts = []
    for name, finding in findings.items():
        lines = [f"{name}: {finding.verdict.upper()}", f"  {finding.claim}", f"  {finding.evidence}"]
        if finding.repair:
            lines.append(f"  holds instead: {finding.repair}")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, summary(findings)])


def audit_markdown(findings: Mapping[str, Finding]) -> str:
    """Return docs/audit.md."""
    rows = ["| statement | claim | verdict | evidence | holds instead |", "|---|---|---|---|---|"]
    for name, f in findings.items():
        cells = (name, f.claim, f.verdict, f.evidence, f.repair)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([_HEAD, *rows, "", summary(findings), ""])


def summary(findings: Mapping[str, Finding]) -> str:
    """Return how many statements have each verdict."""
    counts = Counter(finding.verdict for finding in findings.values())
    return f"{len(findings)} statements: " + ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
