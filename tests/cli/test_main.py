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
