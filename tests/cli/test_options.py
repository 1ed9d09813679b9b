"""The options of the training scheme follow the table of mask laws."""

from dataclasses import dataclass

import pytest

from subnetlab.cli.completion import flags_of
from subnetlab.cli.main import main
from subnetlab.cli.options import SchemeOptions
from subnetlab.cli.train import Options
from subnetlab.core.masks import LAWS, AllNeurons, Bernoulli
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


@pytest.mark.parametrize("source", ["flag", "file", "environment"])
def test_a_setting_that_the_law_has_not_is_refused(source, tmp_path, monkeypatch, capsys):
    arguments = ["train", "--masks", "categorical", *SMALL, "--out", str(tmp_path / "run")]
    if source == "flag":
        arguments += ["--xi", "0.3"]
    elif source == "file":
        (tmp_path / "a.toml").write_text("xi = 0.3\n")
        arguments += ["--config", str(tmp_path / "a.toml")]
    else:
        monkeypatch.setenv("SUBNETLAB_SELECTION_PROB", "0.3")
    assert main(arguments) == 2
    message = "--xi must be absent for masks 'categorical', which fix it by themselves, got 0.3"
    assert capsys.readouterr().err == f"subnetlab train: {message}\n"
    assert not (tmp_path / "run").exists()


def test_p_and_xi_have_their_defaults_and_folders_of_before_go_on(tmp_path):
    options = SchemeOptions()
    assert options.scheme().masks == Bernoulli(10, 0.5)
    assert SchemeOptions(masks="all").scheme().masks == AllNeurons(1)
    assert SchemeOptions(masks="all", shards=3, n_subnetworks=3).scheme().masks == AllNeurons(3)
    settings = SchemeOptions(masks="categorical").settings()
    assert (settings["n_subnetworks"], settings["selection_prob"]) == (10, 0.5)  # as before they could be left out


def test_a_law_of_ones_own_by_module_and_class(tmp_path, monkeypatch):
    source = "from subnetlab.core.masks.bernoulli import Bernoulli\n\nclass Mine(Bernoulli):\n    pass\n"
    (tmp_path / "law_by_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "run"
    assert main(["train", "--masks", "law_by_module:Mine", "--xi", "0.4", *SMALL, "--out", str(out)]) == 0
    assert type(load_run(out / "run.npz").scheme.masks).__name__ == "Mine"
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[dataset]\nname = "diabetes"\nn_samples = 9\n[settings]\nwidth = 9\nrounds = 2\n'
        'masks = "law_by_module:Mine"\nselection_prob = 0.5\nseed = [0, 1]\n'
    )
    arguments = ["study", str(plan), "--out", str(tmp_path / "study"), "--jobs", "2", "--quiet"]
    assert main(arguments) == 0  # the workers are processes of their own


def test_a_launch_refuses_laws_that_its_workers_do_not_know(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(LAWS, "twin", Twin)
    assert main(["launch", "--masks", "twin", *SMALL, "--out", str(tmp_path / "job")]) == 2
    message = "subnetlab launch: --masks must be a law that the workers can import, module:Class, got 'twin'\n"
    assert capsys.readouterr().err == message
    assert not (tmp_path / "job").exists()


def test_a_law_that_is_not_there_is_refused(capsys):
    for name in ("unheard-of", "fixed"):
        assert main(["train", "--masks", name, *SMALL]) == 2
        laws = ", ".join(map(repr, plain_laws()))
        message = f"--masks must be one of {laws}, got {name!r}"
        assert capsys.readouterr() == ("", f"subnetlab train: {message}\n")
