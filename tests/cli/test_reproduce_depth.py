"""`subnetlab reproduce --depth`, as a user types it, on a tiny look."""

import csv
import json

import pytest

from subnetlab.cli import reproduce_depth
from subnetlab.cli.main import main
from subnetlab.datasets import DatasetNotFoundError

FILES = [
    f"depth_{stem}.{suffix}"
    for stem in ("2a", "2b", "2c", "verdicts", "methods")
    for suffix in ("pdf", "svg", "png", "csv")
]
TABLES = ["methods.csv", "verdicts.csv", "verdicts.json"]
QUICK = {
    **{"networks": ("1 layer",), "losses": ("squared",), "rounds": 2, "seeds": 2, "final_rounds": 1},
    **{"bernoulli_subnetworks": (1, 2), "bernoulli_selection_probs": (0.5, 1.0), "bernoulli_local_steps": 1},
    **{"categorical_subnetworks": (2, 3), "categorical_local_steps": (1, 2), "depths": (2,), "method_width": 8},
    **{"method_rows": 40, "method_held_out": 20, "method_rounds": 2, "method_steps": 1, "method_batch": 8},
    "rates": (0.01, 0.1),
}


@pytest.fixture
def tiny(monkeypatch, inline, torch):
    monkeypatch.setattr(reproduce_depth, "QUICK", QUICK)
    return ["reproduce", "--depth", "--quick", "--quiet", "--dataset", "digits"]


def test_one_command_gives_figures_and_verdicts_and_again_the_same_bytes(tiny, tmp_path, capsys, monkeypatch):
    out = tmp_path / "d"
    assert main([*tiny, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("data: digits, 100 of 1,437 rows")
    assert "2b  error falls as ξ grows: after aggregation" in text
    assert "the large network in parts has a lower error than a small one" in text
    with (out / "verdicts.csv").open() as file:
        verdicts = list(csv.DictReader(file))
    assert {(v["figure"], v["network"]) for v in verdicts} == {
        *(("2a", "1 layer"), ("2b", "1 layer"), ("2c", "1 layer"), ("methods", "2 layers")),
    }
    settings = json.loads((out / "settings.json").read_text())["settings"]
    assert settings["depth"] is True and settings["method_width"] == 8
    before = {name: (out / name).read_bytes() for name in [*FILES, *TABLES]}

    def no_workers(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("subnetlab.study.execution._pool", no_workers)
    assert main([*tiny, "--out", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(verdicts)
    assert {name: (out / name).read_bytes() for name in before} == before
    assert main([*tiny, "--out", str(out), "--seeds", "3"]) == 2
    assert "settings.seeds: there 2, asked 3" in capsys.readouterr().err
    assert main(["study", "status", str(out)]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--width", "5"], "--width must be absent with --depth, got 5"),
        (["--figures", "2a"], "--figures must be absent with --depth, got ('2a',)"),
        (["--n-samples", "5"], "--n-samples must be absent with --depth, got 5"),
        (["--dataset", "crime"], "--dataset must be one of auto, fashion_mnist, digits with --depth, got 'crime'"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
    ],
)
def test_what_it_does_not_take_is_refused_before_work(flags, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "--depth", "--dataset", "digits", *flags]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_digits_take_the_place_of_images_that_are_not_there(tiny, tmp_path, capsys, monkeypatch):
    """Unless they were asked for by name; the folder is depth where none is named."""
    there = reproduce_depth.load_dataset

    def load(name, **rows):
        if name == "fashion_mnist":
            raise DatasetNotFoundError("fashion_mnist: not found: nowhere")
        return there(name, **rows)

    monkeypatch.setattr(reproduce_depth, "load_dataset", load)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "--depth", "--dataset", "fashion_mnist", "--quick"]) == 1
    assert not (tmp_path / "depth").exists()
    capsys.readouterr()
    assert main([*tiny[:-2]]) == 0
    captured = capsys.readouterr()
    assert "note: the embedded digits take the place of Fashion-MNIST: fashion_mnist: not found" in captured.err
    assert captured.out.startswith("data: digits")
    assert (tmp_path / "depth" / "depth_methods.svg").exists()
