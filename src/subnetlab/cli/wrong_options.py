"""Wrong options in one line, like every other message: tyro draws a box around what it has to say."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# what tyro says and what we say; a rule of the box is a ─; what matches nothing is said in tyro's words
_SAYINGS = (
    (r"Error parsing (\S+): invalid literal for int\(\) with base 10: (.*?) ─.*", r"\1 must be a whole number, got \2"),
    (r"Error parsing (\S+): could not convert string to float: (.*?) ─.*", r"\1 must be a number, got \2"),
    (r"Error parsing (\S+): no type matching (.*?) could be .*? from \[(.*?)\]\. .*", r"\1 must be \2, got \3"),
    (r"Error parsing (\S+): Could not .* arguments: \[(.*?)\] ─ .*?(\[.*?\]\]).*", r"\1 must be \3, got \2"),
    (r"Error parsing [\w.-]+: (\w+: .*?) ─ .*", r"\1"),  # a rule of the options' own
    (r"invalid choice (.*) for argument '(.*)'\. Expected one of \((.*?),?\)\..*", r"\2 must be one of \3, got \1"),
    (r"Missing value for argument '(.*?)'\..*", r"\1 must have a value"),
    (r"Missing from [^:]*: (\S+).*", r"\1 must be given"),
    (r"Unrecognized options: (.*?) ─ [^─]*?: (--[\w-]+).*", r"no such option or argument: \1; did you mean \2?"),
    (r"Unrecognized options: (.*?) ─.*", r"no such option or argument: \1"),
    (r"\{None\}\|", ""),
    (r"must be INT, got", "must be a whole number, got"),
    (r"\{?\[([^\[\]]+) \[[^\[\]]+ \.\.\.\]\]\}?", r"\1 ..."),  # {[INT [INT ...]]}
)


@contextlib.contextmanager
def in_one_line(program: str) -> Iterator[None]:
    """Turn the box in which tyro refuses the options of ``program`` into the message of a ValueError.

    Raises
    ------
    ValueError
        Where tyro would end the program with code 2.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as end:
        if end.code != 2:
            raise
        raise ValueError(f"{unboxed(said.getvalue())} ({program} --help shows the options)") from None
    sys.stderr.write(said.getvalue())


def unboxed(box: str) -> str:
    """Return what a box says, in a line.

    Examples
    --------
    >>> print(box := chr(10).join(["╭─ Missing ───────────╮", "│ Missing value for   │", "│ argument '--p'. ... │"]))
    ╭─ Missing ───────────╮
    │ Missing value for   │
    │ argument '--p'. ... │
    >>> unboxed(box)
    '--p must have a value'
    """
    plain = re.sub(r"\x1b\[[\d;]*m", "", box)
    text = " ".join(line.strip(" │") for line in plain.splitlines()[1:])  # the first has the title
    text = re.sub(r"[─╰╯-]{8,}", "─", text).strip(" ─")  # drawn with - where the terminal has no ─
    for theirs, ours in _SAYINGS:
        text = re.sub(theirs, ours, text)
    return text
