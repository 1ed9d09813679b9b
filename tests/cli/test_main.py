import os
import subprocess
import sys

import pytest

from subnetlab.cli.main import COMMANDS, main


def test_alone_it_says_what_one_can_do(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_version_names_the_engines_and_imports_nothing_heavy():
    code = (
        "import sys; from subnetlab.cli.main import main; main(['--version']);"
        "heavy = {'numpy', 'torch', 'numba', 'matplotlib', 'sklearn', 'tyro'} & sys.modules.keys();"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "reference" in done.stdout and "primal" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert "--" in capsys.readouterr().out


def test_a_message_names_its_command_once(capsys):
    assert main(["reproduce", "--quick", "--full"]) == 2
    assert capsys.readouterr().err == "subnetlab reproduce: --quick and --full must not be given together\n"


RULE = "must be the path of a file"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "subnetlab: no command 'trian'; did you mean 'train'?"),
        (["--verison"], 2, "subnetlab: no command '--verison'; did you mean '--version'?"),
        (["xyz"], 2, f"subnetlab: no command 'xyz'; there are: {', '.join(COMMANDS)}"),
        (["train", "--config", "no.toml"], 1, f"subnetlab train: --config {RULE}, got 'no.toml': nothing there"),
        (["theory", "no"], 1, f"subnetlab theory: run {RULE}, got 'no': nothing there"),
        (["theory", "a_file"], 1, "subnetlab theory: a_file: not a readable subnetlab-run file (it is no ZIP archive)"),
        (["study", "stats", "dir"], 2, "subnetlab study: no file 'stats'; did you mean 'subnetlab study status'?"),
        (["study", "no.toml"], 1, f"subnetlab study: StudyPlan.from_toml: path {RULE}, got 'no.toml': nothing there"),
        (["study", "status", "no"], 1, "subnetlab study status: no/study.sqlite: there is no study here"),
    ],
)
def test_messages_of_first_mistakes(arguments, code, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").write_text("hello")
    assert main(arguments) == code
    assert capsys.readouterr().err == message + "\n"


def test_an_output_folder_that_is_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").write_text("hello")
    arguments = ["--dataset", "diabetes", "--width", "20", "--rounds", "1", "--quiet", "--out", "a_file"]
    assert main(["train", *arguments]) == 1
    assert capsys.readouterr().err == "subnetlab train: a_file: the output folder cannot be made (File exists)\n"
    assert (tmp_path / "a_file").read_text() == "hello"


def test_help_of_a_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["help", "theory"])
    assert stop.value.code == 0
    assert "subnetlab theory" in capsys.readouterr().out


@pytest.mark.parametrize("to", ["nobody", "full", "closed"])
@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["completion", "bash"]])
def test_output_that_nobody_takes(arguments, to):
    command = [sys.executable, "-m", "subnetlab", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if to == "closed":
        command = ["sh", "-c", '"$@" >&-', "sh", *command]
    with open("/dev/full" if to == "full" else os.devnull, "w") as file:
        out = subprocess.PIPE if to == "nobody" else file
        program = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment)
        if program.stdout:
            program.stdout.close()
        _, said = program.communicate()
    name = arguments[0]
    assert (program.returncode, said) == (
        (1, f"subnetlab {name}: no space left on device\n") if to == "full" else (0, "")
    )


def test_a_file_name_of_any_bytes_can_be_said(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    command = [sys.executable, "-m", "subnetlab", "train", "--dataset", "diabetes", "--m", "20", "--rounds", "1"]
    done = subprocess.run([*command, "--out", folder], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"caf\udce9" in done.stdout


def test_help_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")
    with pytest.raises(SystemExit):
        main(["theory", "--help"])
    assert "The folder of a run" in capsys.readouterr().out


def test_a_file_and_a_list_of_the_environment_do_not_mix(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SUBNETLAB_P", "1 2")
    assert main(["study", str(tmp_path / "plan.toml")]) == 1
    assert capsys.readouterr().err.endswith("plan.toml': nothing there\n")


FAILING = """
import functools, sys
import subnetlab.cli.study as command
from subnetlab.cli.main import main

def run(cell):
    raise RuntimeError("for the test")

if __name__ == "__main__":
    command.execute = functools.partial(command.execute, run=run)
    sys.exit(main(sys.argv[1:]))
"""


CELL = ["study", "--dataset", "synthetic", "--n-samples", "5", "--width", "9", "--rounds", "1", "--xi", "0.5"]


@pytest.mark.parametrize(
    ("arguments", "gone", "code"),
    [
        (CELL, ["stdout"], 3),
        (CELL, ["stdout", "stderr"], 3),
        (["study", "--p", "none"], ["stderr"], 2),
        (["study", "status", "nowhere"], ["stderr"], 1),
        (["nonsense"], ["stdout", "stderr"], 2),
        (["--help"], ["stdout"], 0),
    ],
)
def test_the_exit_code_is_the_commands_own_when_nobody_listens(tmp_path, arguments, gone, code):
    streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", FAILING, *arguments]
    program = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, **streams)
    for name in gone:
        getattr(program, name).close()
    others = [stream for name in streams if not (stream := getattr(program, name)).closed]
    for stream in others:
        stream.read()
        stream.close()
    assert program.wait() == code


@pytest.mark.parametrize("to", ["closed", "full"])
def test_a_message_that_stderr_cannot_take_changes_no_exit_code(to):
    redirected = "2>&-" if to == "closed" else "2>/dev/full"
    command = ["sh", "-c", f'"$@" {redirected}', "sh", sys.executable, "-m", "subnetlab", "nonsense"]
    assert subprocess.run(command, check=False).returncode == 2
