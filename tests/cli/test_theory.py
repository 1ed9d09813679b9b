"""The command theory, as a user types it."""

import json

from subnetlab.cli.main import main

DATA = ["--dataset", "diabetes", "--n-samples", "20"]


def test_theory_of_a_run(tmp_path, capsys):
    folder = str(tmp_path / "run")
    arguments = ["--rounds", "3", "--m", "200", "--p", "2", "--tau", "2", "--quiet"]
    assert main(["train", "--out", folder, *DATA, *arguments]) == 0
    capsys.readouterr()
    assert main(["theory", folder]) == 0
    said = capsys.readouterr()
    assert "Theorem 3 is about this run" in said.out
    assert "The run's certificate, proven from its own masks" in said.out
    assert said.err == f"figure: {folder}/theory.pdf\n"
    assert all((tmp_path / "run" / f"theory.{kind}").exists() for kind in ("pdf", "svg", "png", "csv"))
    numbers = (tmp_path / "run" / "theory.csv").read_text().splitlines()
    assert numbers[0] == "round,measured,predicted,certificate,theorem_3_as_printed,theorem_3_repaired"
    assert len(numbers) == 5
    assert main(["theory", folder, "--out", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "theory.svg").read_bytes() == (tmp_path / "run" / "theory.svg").read_bytes()
    capsys.readouterr()
    assert main(["theory", folder, "--json", "--delta", "0.01"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["measured"]) == len(record["predicted"]) == 4
    assert record["promises"]["theorem3"][1]["constants"] == "repaired"
    certificate = record["certificate"]
    assert record["measured"][-1] <= certificate["bound"][-1] == certificate["ratio"] * certificate["measured"][-1]
    assert main(["theory", folder, "--certificate", "never", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["certificate"] is None
    assert main(["theory", str(tmp_path / "nowhere")]) == 1


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
