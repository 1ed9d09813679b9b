"""The options of the training scheme follow the table of mask laws."""

from dataclasses import dataclass

from subnetlab.cli.completion import flags_of
from subnetlab.cli.main import main
from subnetlab.cli.train import Options
from subnetlab.core.masks import LAWS, Bernoulli
from subnetlab.core.masks.table import plain_laws
from subnetlab.report.explore.settings import read_settings
from subnetlab.training import load_run

SMALL = ["--dataset", "diabetes", "--n-samples", "10", "--m", "20", "--rounds", "2", "--p", "3", "--quiet"]


@dataclass(frozen=True)
class Twin(Bernoulli):
    """A law of somebody's own."""


def test_a_new_law_is_one_line_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setitem(LAWS, "twin", Twin)
    assert main(["train", "--masks", "twin", *SMALL, "--out", str(tmp_path)]) == 0
    assert load_run(tmp_path / "run.npz").scheme.masks == Twin(3, 0.5)
    assert read_settings({"masks": ["twin"]}).scheme().masks == Twin(10, 0.5)
    assert any("--masks" in flag.names and "twin" in flag.words for flag in flags_of(Options))


def test_a_law_that_is_not_there_is_refused(capsys):
    for name in ("unheard-of", "fixed"):
        assert main(["train", "--masks", name, *SMALL]) == 2
        laws = ", ".join(map(repr, plain_laws()))
        message = f"TrainingScheme: masks must be one of {laws}, got {name!r}"
        assert capsys.readouterr() == ("", f"subnetlab train: {message}\n")
