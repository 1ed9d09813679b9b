"""`subnetlab audit`: every statement of the paper, checked by computation."""

from __future__ import annotations

from dataclasses import dataclass

from ..progress import progress_bar
from .json_text import json_text


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab audit`."""

    statements: tuple[str, ...] = ()
    """Only these, by their names: "Lemma 21", "Theorem 3", "R1"; all if not given."""
    json: bool = False
    """Print JSON."""
    markdown: bool = False
    """Print the page docs/audit.md."""
    quiet: bool = False
    """Print no progress."""


def run(options: Options) -> int:
    """Judge and print."""
    from ..audit import STATEMENTS, audit, audit_markdown, audit_text  # loads SciPy's statistics: not for --help

    names = list(options.statements or STATEMENTS)
    audit([name for name in names if name not in STATEMENTS])  # a wrong name fails before any work
    findings = {}
    with progress_bar(len(names), "statement", quiet=options.quiet) as advance:
        for name in names:
            findings.update(audit([name]))
            advance(name)
    if options.json:
        print(json_text({name: finding.record() for name, finding in findings.items()}))
    else:
        print(audit_markdown(findings) if options.markdown else audit_text(findings))
    return 0
