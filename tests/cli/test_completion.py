"""The script of `subnetlab completion`, asked by real shells where they are installed."""

import shutil
import subprocess

import pytest

from subnetlab.cli.completion import command_flags, flags_of
from subnetlab.cli.main import COMMANDS, main
from subnetlab.cli.train import Options as TrainOptions

ASKED = [
    (["tr"], {"train"}),
    (["study", ""], {"status", "export", "retry"}),
    (["train", "--mas"], {"--masks"}),
    (["train", "--x"], {"--xi"}),
    (["train", "--no-q"], set()),
    (["train", "--masks", ""], {"bernoulli", "categorical", "balanced", "ordered", "rolling", "all"}),
    (["train", "--engine", "ev"], {"event"}),
    (["train", "--dataset", "dia"], {"diabetes"}),
    (["train", "--p", "4", "--unselected", "z"], {"zero"}),
    (["study", "export", "--to", "nothing-of-that-name"], set()),
    (["study", "export", "--no-cur"], {"--no-curves"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
    (["nonsense", "--o"], set()),
]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script for a shell, in a file."""

    def write(shell):
        import contextlib
        import io

        file = tmp_path_factory.mktemp("completion") / shell
        with file.open("w") as text, contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out:
            assert main(["completion", shell]) == 0
            out.seek(0)
            text.write(out.read())
        return file

    return write


def test_bash_completes(script):
    """One bash sources the script and completes every line, as readline would ask it."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    asks = [f"source {script('bash')}"]
    for words, _ in ASKED:
        quoted = " ".join(f"'{word}'" for word in ["subnetlab", *words])
        asks.append(f'COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _subnetlab; echo "${{COMPREPLY[*]}}"')
    done = subprocess.run(["bash", "-u", "-c", "\n".join(asks)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    answers = [set(line.split()) for line in done.stdout.splitlines()]
    assert answers == [expected for _, expected in ASKED]


def test_fish_completes(script):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    asks = [f"source {script('fish')}"]
    for words, _ in ASKED:
        asks.append(f"complete -C 'subnetlab {' '.join(words)}'; echo ---")
    done = subprocess.run(["fish", "--no-config", "-c", "\n".join(asks)], capture_output=True, text=True, check=True)
    answers = [{line.split("\t")[0] for line in part.splitlines() if line} for part in done.stdout.split("---\n")]
    for (words, expected), answer in zip(ASKED, answers, strict=False):
        assert expected <= answer, words


def test_zsh_takes_the_script(script):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    ask = f"source {script('zsh')}; echo $_comps[subnetlab]"
    done = subprocess.run(["zsh", "-f", "-c", ask], capture_output=True, text=True, check=True)
    assert "_subnetlab" in done.stdout


def test_all_commands_and_only_real_options_are_offered(capsys):
    """What is offered for train is what its help shows."""
    assert command_flags().keys() == COMMANDS.keys()
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for flag in flags_of(TrainOptions) for name in flag.names)
