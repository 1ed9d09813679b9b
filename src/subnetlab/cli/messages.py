"""What a command says of wrong options and settings: one line that names the option, the rule and the value."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from typing import TYPE_CHECKING, Any

from .arguments import options_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# "Owner: name must ...", as every check says it; before that the place in a plan that is made of flags
_ABOUT_SETTING = re.compile(
    r"(?:flags: (?:(?:settings|dataset)(?:\.\w+)?: )?)?(?:(?P<owner>\w+): )?(?P<name>\w+)(?= must | is for )"
)
_DATA_OWNERS, _OF_DATA = ("load_dataset", "DatasetSpec"), {"name": "dataset", "seed": "data_seed"}
_NO_SETTING = ("load_run",)  # owners whose arguments no option sets
# messages of tyro and what is printed instead; a rule of its box is a ─; others are printed as they are
_SAYINGS = (
    (r"Error parsing (\S+): invalid literal for int\(\) with base 10: (.*?) ─.*", r"\1 must be a whole number, got \2"),
    (r"Error parsing (\S+): could not convert string to float: (.*?) ─.*", r"\1 must be a number, got \2"),
    (r"Error parsing (\S+): no type matching (.*?) could be .*? from \[(.*?)\]\. .*", r"\1 must be \2, got \3"),
    (
        r"Error parsing (\S+): Could not .* arguments: \[(.*?)\] ─ .*?: --[\w-]+ (\S+ \.\.\.).*",
        r"\1 must be \3, got \2",
    ),
    (r"Error parsing [\w.-]+: (\w+: .*?) ─ .*", r"\1"),  # a rule of the options' own
    (r"invalid choice (.*) for argument '(.*)'\. Expected one of \((.*?),?\)\..*", r"\2 must be one of \3, got \1"),
    (r"Missing value for argument '(.*?)'\..*", r"\1 must have a value"),
    (r"Missing from [^:]*: (\S+).*", r"\1 must be given"),
    (
        r"Unrecognized options: (.*?) ─ [^─]*?: (?:--\w+, )*(--[\w-]+).*",
        r"no such option or argument: \1; did you mean \2?",
    ),
    (r"Unrecognized options: (.*?) ─.*", r"no such option or argument: \1"),
    (r"must be INT, got", "must be a whole number, got"),
    (r"\{?\[([^\[\]]+) \[[^\[\]]+ \.\.\.\]\]\}?", r"\1 ..."),  # {[INT [INT ...]]}
)


def about_option(message: str, options: type[Any], given: Iterable[str] = ()) -> str:
    """Return a message about a setting as one about the option that sets it; any other message as it is.

    Parameters
    ----------
    message : str
    options : dataclass
        Of the command.
    given : iterable of str
        The arguments: the option is called as it is called there, otherwise by the paper's letter if it has one.

    Examples
    --------
    >>> from .train import Options
    >>> about_option("TrainingScheme: selection_prob must be in (0, 1], got 1.5", Options)
    '--xi must be in (0, 1], got 1.5'
    >>> about_option("load_dataset: name must be a name or a path, got 3", Options)
    '--dataset must be a name or a path, got 3'
    """
    found = _ABOUT_SETTING.match(message)
    if found is None or found["owner"] in _NO_SETTING:
        return message
    name = _OF_DATA.get(found["name"], found["name"]) if found["owner"] in _DATA_OWNERS else found["name"]
    for option in sorted(options_in(options), key=lambda option: option.name != name):
        # an option that takes many values may be the singular of the argument that it sets
        if option.name in (name, name.removesuffix("s")) and not option.positional:
            flags = (*option.aliases, "--" + option.name.replace("_", "-"))
            words = {word.partition("=")[0] for word in given}
            return next((flag for flag in flags if flag in words), flags[0]) + message[found.end() :]
    return message


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
