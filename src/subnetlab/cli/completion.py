"""`subnetlab completion`: a script that teaches a shell the commands, their options and the words these take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import tyro

from ..core.masks.table import plain_laws
from ..datasets import list_datasets
from ..engines.table import ENGINES
from .arguments import options_in

Shell = Literal["bash", "zsh", "fish"]

_BASH = """\
# Completion of subnetlab: eval "$(subnetlab completion bash)"
_subnetlab() {{
local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
local command="${{COMP_WORDS[1]}}"
if [[ "$COMP_CWORD" == 1 ]]; then
words="{firsts} --help --version"
else
case "$command ${{COMP_WORDS[2]}}" in
{pairs}) [[ "$COMP_CWORD" == 2 ]] || command="$command ${{COMP_WORDS[2]}}" ;;
esac
case "$command $previous" in
{after}
esac
if [[ -z "$words" && "$current" == -* ]]; then
case "$command" in
{options}
esac
elif [[ "$COMP_CWORD" == 2 && -z "$words" ]]; then
case "$command" in
{seconds}
esac
fi
fi
COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _subnetlab subnetlab"""


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab completion`."""

    shell: tyro.conf.Positional[Shell]
    """The shell. bash and zsh: eval "$(subnetlab completion bash)" in ~/.bashrc or ~/.zshrc;
    fish: subnetlab completion fish > ~/.config/fish/completions/subnetlab.fish"""


@dataclass(frozen=True)
class Flag:
    """One option: its spellings (none: the first argument), the words it takes if any, whether it takes a value."""

    names: tuple[str, ...]
    words: tuple[str, ...]
    takes_value: bool


def run(options: Options) -> int:
    """Print the script."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](command_flags()))
    return 0


def command_flags() -> dict[str, list[Flag]]:
    """Return the options of every command in the table."""
    from .main import COMMANDS

    return {name: [*flags_of(command.options()), Flag(("--config",), (), True)] for name, command in COMMANDS.items()}


def flags_of(options: type[Any]) -> list[Flag]:
    """Return the options of a dataclass and of the dataclasses in it.

    Examples
    --------
    >>> flags_of(Options)
    [Flag(names=(), words=('bash', 'zsh', 'fish'), takes_value=True)]
    >>> from .theory import Options as TheoryOptions
    >>> flags_of(TheoryOptions)[1].names
    ('--failure-prob', '--delta')
    """
    found: list[Flag] = []
    for option in options_in(options):
        own = ("no-" if option.default is True else "") + option.name.replace("_", "-")
        names = () if option.positional else (f"--{own}", *option.aliases)
        found.append(Flag(names, words_of(option.name, option.kind), option.kind is not bool))
    return found


def words_of(name: str, kind: Any) -> tuple[str, ...]:
    """Return the words that an option takes, by its type or from the tables."""
    if name in ("engine", "engines"):
        return ("auto", *ENGINES) if name == "engine" else tuple(ENGINES)
    if name == "masks":
        return plain_laws()
    if name == "dataset":
        return tuple(entry["name"] for entry in list_datasets() if entry["name"].islower())
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    return tuple(word for part in get_args(kind) for word in words_of("", part))


def _bash(commands: dict[str, list[Flag]]) -> str:
    firsts = [name for name in commands if " " not in name]
    seconds = {name: [pair.split()[1] for pair in commands if pair.startswith(name + " ")] for name in firsts}
    after = [
        f'"{name} {before}") words="{" ".join(flag.words)}" ;;'
        for name, flags in commands.items()
        for flag in flags
        for before in flag.names or (name.split()[-1],)
        if flag.words
    ]
    options = [
        f'"{name}") words="{" ".join([*(spelling for flag in flags for spelling in flag.names), "--help"])}" ;;'
        for name, flags in commands.items()
    ]
    words_of = "\n".join(f"{name}) words='{' '.join(words)}' ;;" for name, words in seconds.items() if words)
    return _BASH.format(
        firsts=" ".join(firsts),
        pairs=" | ".join(f'"{name}"' for name in commands if " " in name),
        after="\n".join(after),
        options="\n".join(options),
        seconds=words_of,
    )


def _zsh(commands: dict[str, list[Flag]]) -> str:
    return "autoload -Uz compinit bashcompinit && compinit -u && bashcompinit\n" + _bash(commands)


def _fish(commands: dict[str, list[Flag]]) -> str:
    from .main import COMMANDS

    lines = ["# Completion of subnetlab in fish: in ~/.config/fish/completions/subnetlab.fish"]
    for name, flags in commands.items():
        *before, last = name.split()
        summary = COMMANDS[name].summary.replace("'", "\\'")
        seen = [f"__fish_seen_subcommand_from {word}" for word in before] or ["__fish_use_subcommand"]
        lines.append(f"complete -c subnetlab -f -n '{'; and '.join(seen)}' -a {last} -d '{summary}'")
        here = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split())
        for flag in flags:
            spelled = " ".join(f"-l {spelling.removeprefix('--')}" for spelling in flag.names) or "-f"
            value = f" -a '{' '.join(flag.words)}'" if flag.words else ""
            lines.append(
                f"complete -c subnetlab -n '{here}' {spelled}{' -r' if flag.takes_value and flag.names else ''}{value}"
            )
    return "\n".join(lines)
