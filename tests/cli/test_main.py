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


@pytest.mark.parametrize("arguments", [["nonsense"], ["train", "--nonsense"], ["train", "--p", "two"]])
def test_wrong_usage_ends_with_2(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as stop:  # tyro's way
        code = stop.code
    assert code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert "--" in capsys.readouterr().out


def test_a_message_names_its_command_once(capsys):
    assert main(["reproduce", "--quick", "--full"]) == 2
    assert capsys.readouterr().err == "subnetlab reproduce: --quick and --full must not be given together\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "subnetlab: no command 'trian'; did you mean 'train'?"),
        (["--verison"], 2, "subnetlab: no command '--verison'; did you mean '--version'?"),
        (["xyz"], 2, f"subnetlab: no command 'xyz'; there are: {', '.join(COMMANDS)}"),
        (["train", "--config", "no.toml"], 1, "subnetlab train: no.toml: no such file or directory"),
        (["theory", "no"], 1, "subnetlab theory: no: no such file or directory"),
        (["theory", "a_file"], 2, "subnetlab theory: a_file: not a readable subnetlab-run file (it is no ZIP archive)"),
        (["study", "stats", "dir"], 2, "subnetlab study: no file 'stats'; did you mean 'subnetlab study status'?"),
        (["study", "no.toml"], 1, "subnetlab study: no.toml: no such file or directory"),
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
