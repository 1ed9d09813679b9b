"""The command audit, as a user types it."""

import json

from subnetlab.cli.main import main


def test_audit_of_chosen_statements(capsys):
    assert main(["audit", "--statements", "Lemma 18", "Lemma 21", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert [f["verdict"] for f in findings.values()] == ["exact", "false"]
    assert main(["audit", "--statements", "Lemma 18"]) == 0
    assert "Lemma 18: EXACT" in capsys.readouterr().out


def test_audit_of_an_unknown_statement_is_wrong_usage(capsys):
    assert main(["audit", "--statements", "Lemma 99"]) == 2
    assert "got 'Lemma 99'" in capsys.readouterr().err
