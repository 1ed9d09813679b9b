import pytest

from subnetlab.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --p x", "--p/--n-subnetworks must be a whole number, got 'x'"),
        ("train --rounds 1.5", "--K/--rounds must be a whole number, got '1.5'"),
        ("train --kappa=x", "--kappa/--init-scale must be a number, got 'x'"),
        ("train --eta foo", "--eta/--step-size must be FLOAT|{auto,theory}, got 'foo'"),
        ("train --shards x", "--shards must be a whole number, got 'x'"),
        ("train --dtype float16", "--dtype must be one of 'float64', 'float32', got 'float16'"),
        ("train --p", "--p/--n-subnetworks must have a value"),
        ("train --p 1 2", "no such option or argument: 2"),
        ("train --rond 3", "no such option or argument: --rond, 3; did you mean --rounds?"),
        ("train --rond", "no such option or argument: --rond; did you mean --rounds?"),
        ("train --nonsense", "no such option or argument: --nonsense"),
        ("plan", "--target-error must be given"),
        ("plan --target-error 1 --p 1 x", "--p/--n-subnetworks must be INT ..., got '1', 'x'"),
        ("plan --target-error 1 --latency -1", "--latency must be at least 0, got -1.0"),
        ("study --n-samples x", "--n-samples must be INT|{all} ..., got 'x'"),
        ("report", "PATH must be given"),
    ],
)
def test_wrong_options_are_one_line_like_every_message(arguments, message, capsys):
    command, *rest = arguments.split()
    assert main([command, *rest]) == 2
    said = capsys.readouterr()
    assert said.err == f"subnetlab {command}: {message} (subnetlab {command} --help shows the options)\n"
    assert not said.out
