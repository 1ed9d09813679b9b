"""What the audit says of one statement."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Word: TypeAlias = Literal["exact", "holds", "holds empirically", "false", "proof broken", "not checkable"]
WORDS: tuple[Word, ...] = ("exact", "holds", "holds empirically", "false", "proof broken", "not checkable")


@dataclass(frozen=True)
class Finding:
    """One statement, judged.

    Parameters
    ----------
    claim : str
        The statement in short.
    verdict : {"exact", "holds", "holds empirically", "false", "proof broken", "not checkable"}
        "exact": an identity, shown by enumeration in rational arithmetic or to rounding. "holds": an inequality,
        shown by a short argument and checked. "holds empirically": not violated where it was tried.
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


def bound_finding(claim: str, ratio: float, how: str, *, proven: bool = False, repair: str = "") -> Finding:
    """Return the finding on an upper bound from the largest observed ratio of its sides."""
    if ratio > 1:
        return Finding(claim, "false", f"{how}: ratio {ratio:.4g}", ratio, repair)
    return Finding(
        claim, "holds" if proven else "holds empirically", f"{how}: largest ratio {ratio:.4g}", ratio, repair
    )
