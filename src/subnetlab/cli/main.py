"""The program `subnetlab`: finds the command, parses its options, turns errors into exit codes.

A command is a file here with a frozen dataclass ``Options`` and ``run(options) -> int``, and one line in `COMMANDS`.
Exit codes: 0 success, 1 failure, 2 wrong usage, 3 finished with failed cells, 130 interrupted.
"""

from __future__ import annotations

import difflib
import io
import os
import shutil
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ..input_file import FileContentError
from ..progress import open_standard_streams
from .arguments import earlier_arguments, option_names, script_words, split_config, unknown_variables
from .messages import about_option, in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Command:
    """Where a command is, and what it does in one line; the file is loaded when something of it is asked for."""

    module: str
    summary: str
    options_name: str = "Options"
    run_name: str = "run"
    script_module: str = ""  # the same for a script of the user's, whose name follows the options

    def options(self) -> type[Any]:
        """Return the dataclass of its options."""
        return getattr(import_module(self.module, __package__), self.options_name)

    def run(self, options: Any) -> int:
        """Run it and return its exit code."""
        return getattr(import_module(self.module, __package__), self.run_name)(options)


COMMANDS: dict[str, Command] = {
    "reproduce": Command(".reproduce", "draw the paper's three figures from real data and judge its claims"),
    "train": Command(".train", "train one network by Algorithm 1"),
    "predict": Command(".predict", "predict for the rows of a file with a network that train or launch made"),
    "launch": Command(
        ".launch", "train on several workers or machines, going on after any failure", script_module=".launch_script"
    ),
    "launch status": Command(".launch_status", "say how far a launch is, while it runs or after"),
    "study": Command(".study", "run a grid of settings in parallel, resumable"),
    "study status": Command(
        ".study_folder", "say how far a study is, while it runs or after", "StatusOptions", "status"
    ),
    "study export": Command(
        ".study_folder", "write a study's results as netCDF, CSV or Parquet", "ExportOptions", "export"
    ),
    "study retry": Command(".study_folder", "run the failed cells of a study again", "RetryOptions", "retry"),
    "theory": Command(".theory", "hold a run against the theorems, the bound and the prediction"),
    "plan": Command(".plan", "find settings that are predicted to reach a target error soonest"),
    "audit": Command(".audit", "check every statement of the paper by computation"),
    "explore": Command(".explore", "open a local page that trains live while you change the settings"),
    "report": Command(".report", "write a run, a study or a reproduction as one HTML page that opens offline"),
    "bench": Command(".bench", "time the engines against each other on this machine and your data"),
    "data": Command(".data", "list the datasets, or show what one holds and where it was found"),
    "completion": Command(".completion", "print a script that completes commands and options in your shell"),
}

INTERRUPTED = 130
_STDERR = 2  # its descriptor
_NARROWEST = 60  # columns; in fewer, tyro writes a letter per line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _prepare_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["help"] and arguments[1:]:
        arguments = [*arguments[1:], "--help"]
    words = 2 if " ".join(arguments[:2]) in COMMANDS else 1
    name, rest = " ".join(arguments[:words]), arguments[words:]

    def fail(error: BaseException, code: int) -> int:
        message = _message(error).removeprefix("subnetlab: ").removeprefix(f"{name}: ")
        if name in COMMANDS and not isinstance(error, FileContentError):
            message = about_option(message, COMMANDS[name].options(), rest)
        print(f"subnetlab {name}: {message}", file=sys.stderr)
        return code

    try:
        try:
            with _own_warnings_in_words(name):
                return _run(name, rest)
        finally:
            _flush()
    except KeyboardInterrupt as interrupt:
        return fail(RuntimeError(str(interrupt) or "interrupted"), INTERRUPTED)
    except FileContentError as error:  # the command was right, the file is not
        return fail(error, 1)
    except (TypeError, ValueError) as error:
        return fail(error, 2)
    except (OSError, ImportError, ArithmeticError, MemoryError) as error:
        return fail(error, 1)


@contextmanager
def _own_warnings_in_words(name: str) -> Iterator[None]:
    """Show our warnings as notes, without the lines of code that they come from; others as Python does."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_note(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if category.__module__.partition(".")[0] == "subnetlab":
                print(f"subnetlab {name}: note: {message}", file=sys.stderr)
            else:
                show(message, category, *place, **more)

        warnings.showwarning = show_note
        yield


def _run(name: str, rest: list[str]) -> int:
    if not name or name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(version())
        return 0
    if name not in COMMANDS:
        print(f"subnetlab: no command {name!r}; {_advice(name)}", file=sys.stderr)
        return 2
    if (meant := _mistyped([name, *rest])) is not None:
        print(f"subnetlab {name}: no file {rest[0]!r}; did you mean 'subnetlab {meant}'?", file=sys.stderr)
        return 2
    command, script = COMMANDS[name], list[str]()
    if command.script_module:
        of_script = replace(command, module=command.script_module)
        script = script_words(rest, option_names(command.options()) | option_names(of_script.options()))
        if script:
            command, rest = of_script, rest[: -len(script)]
    _warn_of_variables(command.options())
    options = _options(command.options(), name, rest)
    return command.run(replace(options, script=tuple(script)) if script else options)


def _warn_of_variables(options: type[Any]) -> None:
    """Report misspelt environment variables on stderr; other commands are loaded only if there may be one."""
    if unknown_variables(option_names(options)):
        for line in unknown_variables({name for other in COMMANDS.values() for name in option_names(other.options())}):
            print(f"subnetlab: {line}", file=sys.stderr)


class _Output(io.FileIO):
    """A standard stream whose reader may close it: the command continues, and its exit code does not change."""

    def write(self, data: Any) -> int | None:
        """Write; after the reader has gone, or stderr has failed, the rest is discarded."""
        try:
            return super().write(data)
        except OSError as error:
            if self.fileno() != _STDERR and not isinstance(error, BrokenPipeError):
                raise
            _discard(self.fileno())
            return len(data)


def _prepare_streams() -> None:
    """Make sure that output can be written: the reader may close it, and file names may hold any bytes."""
    open_standard_streams()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        stream.reconfigure(errors="backslashreplace")
        if io.FileIO in (type(stream.buffer), type(getattr(stream.buffer, "raw", None))):  # without and with a buffer
            stream.flush()
            output = _Output(stream.fileno(), "w", closefd=False)
            buffer = output if type(stream.buffer) is io.FileIO else io.BufferedWriter(output)
            settings = {"encoding": stream.encoding, "errors": stream.errors, "line_buffering": stream.line_buffering}
            setattr(sys, name, io.TextIOWrapper(buffer, **settings, write_through=stream.write_through))


def _flush() -> None:
    """Write what is buffered while errors can still be reported; after one, the rest is discarded."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard(sys.stdout.fileno())
        raise


def _discard(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def overview() -> str:
    """Return what one can do, a line per command."""
    lines = [f"  {name:<13} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: subnetlab COMMAND [OPTIONS]",
            "",
            "Train wide networks as many randomly masked subnetworks.",
            "",
            "commands:",
            *lines,
            "",
            "subnetlab COMMAND --help shows the options; start with: subnetlab reproduce --quick",
        ]
    )


def version() -> str:
    """Return the version and the engines whose needs are installed (nothing heavy is imported)."""
    from subnetlab import __version__
    from subnetlab.engines.table import installed_engines

    return f"subnetlab {__version__} (engines: {', '.join(installed_engines())})"


def _advice(name: str) -> str:
    """Return the command that the user probably meant, or all commands."""
    close = difflib.get_close_matches(name, [*COMMANDS, "--version", "--help"], n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(COMMANDS)}"


def _mistyped(arguments: list[str]) -> str | None:
    """Return the command of two words that was probably meant, such as ``study status`` by ``study stat``."""
    said = " ".join(arguments[:2])
    if said in COMMANDS or len(arguments) < 2 or os.path.exists(arguments[1]):
        return None
    pairs = [name for name in COMMANDS if name.startswith(arguments[0] + " ")]
    return next(iter(difflib.get_close_matches(said, pairs, n=1, cutoff=0.8)), None)


def _message(error: BaseException) -> str:
    """Return the error in words; the system's own names the file first, and no number."""
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.strerror[0].lower()}{error.strerror[1:]}"
        return what if error.filename is None else f"{error.filename}: {what}"
    return str(error)


def _options(options: type[Any], name: str, arguments: list[str]) -> Any:
    """Parse the options; wrong ones end the program with code 2 and a message."""
    import tyro

    from .help import described

    if shutil.get_terminal_size().columns < _NARROWEST:
        os.environ["COLUMNS"] = str(_NARROWEST)
    config, flags = split_config(arguments)
    first = [*takewhile(lambda word: not word.startswith("-"), flags)]  # a list from a file would swallow them
    markers = [tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone]
    if {"-h", "--help"} & {*flags}:
        markers.append(tyro.conf.FlagCreatePairsOff)  # --no-quiet undoes a file or the environment: not worth a line
    summary = COMMANDS[name].summary
    program = f"subnetlab {name}"
    with in_one_line(program):
        return tyro.cli(
            described(options),
            prog=program,
            description=f"{summary[0].upper()}{summary[1:]}.\n\nOptions may also come from a TOML file: --config FILE.",
            args=[*first, *earlier_arguments(options, config), *flags[len(first) :]],
            config=markers,
        )


if __name__ == "__main__":
    sys.exit(main())
