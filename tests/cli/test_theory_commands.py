"""The commands audit, theory and plan, as a user types them."""

import json

from subnetlab.cli.main import main

DATA = ["--dataset", "diabetes", "--n-samples", "20"]


def test_audit_of_chosen_statements(capsys):
    assert main(["audit", "--statements", "Lemma 18", "Lemma 21", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert [f["verdict"] for f in findings.values()] == ["exact", "false"]
    assert main(["audit", "--statements", "Lemma 18"]) == 0
    assert "Lemma 18: EXACT" in capsys.readouterr().out


def test_audit_of_an_unknown_statement_is_wrong_usage(capsys):
    assert main(["audit", "--statements", "Lemma 99"]) == 2
    assert "got 'Lemma 99'" in capsys.readouterr().err


def test_theory_of_a_run(tmp_path, capsys):
    folder = str(tmp_path / "run")
    arguments = ["--rounds", "3", "--m", "200", "--p", "2", "--tau", "2", "--quiet"]
    assert main(["train", "--out", folder, *DATA, *arguments]) == 0
    capsys.readouterr()
    assert main(["theory", folder]) == 0
    said = capsys.readouterr()
    assert "Theorem 3 is about this run" in said.out
    assert said.err == f"figure: {folder}/theory.pdf\n"
    assert all((tmp_path / "run" / f"theory.{kind}").exists() for kind in ("pdf", "svg", "png", "csv"))
    numbers = (tmp_path / "run" / "theory.csv").read_text().splitlines()
    assert numbers[0] == "round,measured,predicted,theorem_3_as_printed,theorem_3_repaired"
    assert len(numbers) == 5
    assert main(["theory", folder, "--out", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "theory.svg").read_bytes() == (tmp_path / "run" / "theory.svg").read_bytes()
    capsys.readouterr()
    assert main(["theory", folder, "--json", "--delta", "0.01"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["measured"]) == len(record["predicted"]) == 4
    assert record["promises"]["theorem3"][1]["constants"] == "repaired"
    assert main(["theory", str(tmp_path / "nowhere")]) == 1


def test_plan(capsys):
    small = [*DATA, "--p", "1", "2", "--xi", "0.5", "--tau", "2", "--m", "1000", "--max-rounds", "500"]
    assert main(["plan", "--target-error", "3", *small, "--best", "2", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert len(plans) == 2
    assert plans[0]["seconds"] <= plans[1]["seconds"]
    assert main(["plan", "--target-error", "3", *small]) == 0
    assert "time against traffic" in capsys.readouterr().out
    assert main(["plan", "--target-error", "1e-9", *small]) == 1
    assert "nothing tried" in capsys.readouterr().out


def test_plan_prints_at_least_one(capsys):
    assert main(["plan", "--target-error", "3", "--best", "0"]) == 2
    assert capsys.readouterr() == ("", "subnetlab plan: best must be at least 1, got 0\n")


def test_theory_writes_over_its_own_figure_and_over_nothing_else(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["train", "--out", str(folder), *DATA, "--rounds", "2", "--m", "50", "--quiet"]) == 0
    for name in ("theory.csv", "theory.pdf"):
        (folder / name).write_text("mine")
        capsys.readouterr()
        assert main(["theory", str(folder)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert f"{folder / name}: is no earlier result of this command" in said.err
        assert [file.name for file in folder.glob("theory.*")] == [name]
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()
    (folder / "theory.svg").write_text("mine")
    assert main(["theory", str(folder), "--force"]) == 0
    assert main(["theory", str(folder), "--delta", "0.2"]) == 0
    assert (folder / "theory.svg").read_text() != "mine"
