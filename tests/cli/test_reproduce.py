import csv
import json
import re

import pytest

from subnetlab.cli.main import main
from subnetlab.cli.reproduce import FULL, QUICK, Options
from subnetlab.reproduction import plans
from subnetlab.reproduction.figure import PaperFigure
from subnetlab.reproduction.table import FIGURES

TINY = [
    *("reproduce", "--dataset", "diabetes", "--n-samples", "15", "--width", "40", "--rounds", "6", "--seeds", "2"),
    *("--dynamics-seeds", "2", "--final-rounds", "2", "--jobs", "1", "--dynamics-subnetworks", "3"),
    *("--bernoulli-subnetworks", "1", "3", "--bernoulli-selection-probs", "0.5", "1"),
    *("--categorical-subnetworks", "2", "3", "--categorical-local-steps", "1", "3"),
]
FILES = [
    f"figure_{stem}.{suffix}"
    for stem in ("2a", "2b", "2b_measures", "2c", "2c_measures")
    for suffix in ("pdf", "svg", "png", "csv")
]


def test_one_command_gives_figures_verdicts_and_settings(tmp_path, capsys):
    out = tmp_path / "r"
    assert main([*TINY, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("data: diabetes, 15 of 442 rows")
    assert "step_size" in text and "Figure 2c" in text
    assert re.search(r"^  preprocessing +raw +rows to norm 1", text, re.MULTILINE)
    assert re.search(r"^  shown +full +the error of a heatmap", text, re.MULTILINE)
    assert json.loads((out / "view.json").read_text())["shown"] == "full"
    assert all((out / name).stat().st_size > 0 for name in FILES)
    settings = json.loads((out / "settings.json").read_text())
    assert isinstance(settings["settings"]["step_size"], float)
    with (out / "verdicts.csv").open() as file:
        verdicts = list(csv.DictReader(file))
    assert {v["figure"] for v in verdicts} == {"2a", "2b", "2c"}
    assert {v["outcome"] for v in verdicts} <= {"HOLDS", "FAILS", "UNDECIDED"}

    before = {name: (out / name).read_bytes() for name in [*FILES, "verdicts.csv"]}
    assert main([*TINY, "--out", str(out), "--json"]) == 0  # again: no training, the same bytes
    assert len(json.loads(capsys.readouterr().out)) == len(verdicts)
    assert {name: (out / name).read_bytes() for name in before} == before
    assert (
        main([*TINY, "--out", str(out), "--figures", "2a", "--quiet"]) == 0
    )  # one figure drawn again loses no verdict
    assert {name: (out / name).read_bytes() for name in before} == before


def test_another_look_costs_no_training_and_other_settings_are_refused(tmp_path, capsys, monkeypatch):
    out = tmp_path / "r"
    flags = [*TINY, "--out", str(out), "--figures", "2a"]
    assert main(flags) == 0
    before = (out / "figure_2a.csv").read_bytes()

    def no_workers(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr("subnetlab.study.execution._pool", no_workers)
    with pytest.raises(AssertionError, match="trained again"):
        main([*TINY, "--out", str(out), "--figures", "2b"])
    assert main([*flags, "--variance", "subnetworks"]) == 0
    assert (out / "figure_2a.csv").read_bytes() != before
    capsys.readouterr()
    assert main([*flags, "--kappa", "0.5"]) == 2
    assert "settings.init_scale: there 1.0, asked 0.5" in capsys.readouterr().err


def test_figures_come_from_their_table(tmp_path, capsys, monkeypatch):
    """A new figure: a plan, a function, a line."""
    shipped = {figure: (plans.files(plans.__name__) / f"figure_{figure}.toml").read_text() for figure in FIGURES}
    for figure, text in {**shipped, "9z": shipped["2c"].replace("figure_2c", "figure_9z")}.items():
        (tmp_path / f"figure_{figure}.toml").write_text(text)

    def draw(material):
        assert material.cells.shape == (8, 5, 5)
        assert {cell.key() for cell in material.cells.flat} <= material.results.keys()
        (material.folder / "figure_9z.csv").write_text("drawn")
        return []

    monkeypatch.setattr(plans, "files", lambda _: tmp_path)
    monkeypatch.setitem(FIGURES, "9z", PaperFigure(("seed", "n_subnetworks", "local_steps"), draw))
    small = ["--dataset", "diabetes", "--n-samples", "8", "--width", "10", "--rounds", "2", "--final-rounds", "1"]
    assert main(["reproduce", *small, "--figures", "9z", "--jobs", "1", "--out", str(tmp_path / "r")]) == 0
    assert (tmp_path / "r" / "figure_9z.csv").read_text() == "drawn"
    assert main(["reproduce", "--figures", "2d"]) == 2
    assert "--figures must be one of '2a', '2b', '2c', '9z', got '2d'" in capsys.readouterr().err


def test_a_printed_plan_is_a_study_with_the_same_cells(tmp_path, capsys):
    assert main([*TINY, "--print-plan", "2b"]) == 0
    (tmp_path / "plan.toml").write_text(capsys.readouterr().out)
    assert main([*TINY, "--out", str(tmp_path / "r"), "--figures", "2b"]) == 0
    capsys.readouterr()
    assert main(["study", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "r"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == 8
    assert main(["reproduce", "--print-plan", "2d"]) == 2
    assert "--print-plan must be one of" in capsys.readouterr().err


def test_presets_and_flags():
    assert Options(quick=True).settings().width == QUICK["width"]
    assert Options(quick=True, width=70).settings().width == 70
    full = Options(full=True).settings()
    assert full.bernoulli_subnetworks == tuple(range(1, 11)) == FULL["bernoulli_subnetworks"]
    assert full.bernoulli_selection_probs[0] == 0.1 and full.bernoulli_selection_probs[-1] == 1.0
    assert len(full.bernoulli_selection_probs) == 10
    with pytest.raises(ValueError, match="--quick and --full must not be given together"):
        Options(quick=True, full=True).settings()


def test_bad_grids_start_nothing(tmp_path, capsys):
    out = tmp_path / "r"
    assert main([*TINY, "--out", str(out), "--bernoulli-selection-probs", "0.5", "2"]) == 2
    assert "--bernoulli-selection-probs must be in (0, 1], got 2" in capsys.readouterr().err
    assert main([*TINY, "--out", str(out), "--jobs", "0"]) == 2
    assert "reproduce: --jobs must be at least 1, got 0" in capsys.readouterr().err
    assert not out.exists()


def test_a_failed_cell_costs_its_figure_only(tmp_path, capsys, monkeypatch):
    from subnetlab.study import execution
    from subnetlab.study.result import CellResult
    from subnetlab.study.running import run_cell

    def fails_for_categorical_masks(cell):
        return CellResult("failed", "made to fail") if cell.masks == "categorical" else run_cell(cell)

    def execute(cells, store, **options):
        return execution.execute(cells, store, run=fails_for_categorical_masks, **options)

    monkeypatch.setattr("subnetlab.cli.reproduce.execute", execute)
    out = tmp_path / "r"
    assert main([*TINY, "--out", str(out), "--figures", "2b", "2c"]) == 3
    assert "Figure 2c: a cell has no result (made to fail)" in capsys.readouterr().err
    assert (out / "figure_2b.pdf").exists()
    assert not (out / "figure_2c.pdf").exists()


def test_a_diverged_figure_2a_says_so(tmp_path, capsys):
    out = tmp_path / "r"
    assert main([*TINY, "--out", str(out), "--figures", "2a", "--eta", "1e6"]) == 3
    assert "step_size = 1e+06 is too large" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "rule"), [("--inset-rounds", "at most 5"), ("--dynamics-rounds", "at least 1")])
def test_bad_views_are_refused_before_training(tmp_path, capsys, flag, rule):
    out = tmp_path / "r"
    assert main([*TINY, "--out", str(out), flag, "6" if "most" in rule else "0"]) == 2
    assert rule in capsys.readouterr().err
    assert not out.exists()
