"""What the audit says of one statement, and of all of them as text and as the page docs/audit.md."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Word: TypeAlias = Literal["exact", "holds", "holds empirically", "false", "proof broken", "not checkable"]
WORDS: tuple[Word, ...] = ("exact", "holds", "holds empirically", "false", "proof broken", "not checkable")

_HEAD = """# The audit

What `subnetlab audit` finds about every numbered statement of the paper, the places where its text and proofs differ,
and the claims R1 to R19 of its abstract, contributions and remarks. `subnetlab audit --markdown` prints this page.

- *exact*: an identity, argued for all settings and computed in some, in rational arithmetic or to rounding.
- *holds*: any other statement with a short proof, checked. *holds empirically*: not violated where it was tried.
- *false*: refuted as printed. *proof broken*: not refuted, but its proof uses something false.
- *not checkable*: for the reason given.
"""


@dataclass(frozen=True)
class Finding:
    """One statement, judged.

    Parameters
    ----------
    claim : str
        The statement in short.
    verdict : {"exact", "holds", "holds empirically", "false", "proof broken", "not checkable"}
        "exact": an identity, with the argument for all settings, computed in some. "holds": another statement with a
        short proof, checked. "holds empirically": not violated where it was tried. "proof broken": not violated,
        but its proof uses something false.
    evidence : str
        The counterexample, or the largest observed ratio of the two sides, computed just now.
    ratio : float, optional
        Largest observed left side over right side; above 1 refutes an upper bound.
    repair : str
        The statement that holds instead; empty if none is needed or known.
    """

    claim: str
    verdict: Word
    evidence: str
    ratio: float | None = None
    repair: str = ""

    def record(self) -> dict[str, Any]:
        """Return the finding as plain data, for JSON."""
        return asdict(self)


def bound_finding(
    claim: str, ratio: float, how: str, *, proof: str = "", broken: str = "", repair: str = ""
) -> Finding:
    """Return the finding on an upper bound from the largest observed ratio of its sides.

    Parameters
    ----------
    claim : str
    ratio : float
    how : str
        How it was tried.
    proof, broken : str
        The short proof, or what is false in the printed one.
    repair : str
    """
    if ratio > 1:
        return Finding(claim, "false", f"{how}: ratio {ratio:.4g}", ratio, repair)
    verdict: Word = "holds" if proof else "proof broken" if broken else "holds empirically"
    said = f"{proof or broken}. " if proof or broken else ""
    return Finding(
        claim, verdict, f"{said}{'Not violated: ' if broken else ''}{how}: largest ratio {ratio:.4g}", ratio, repair
    )


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
