"""A statement of one's own is tried when it is registered, and shown wherever those of the paper are."""

import json

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.report.theory_part import promise_table
from subnetlab.theory.record import Condition, Promise, not_applicable
from subnetlab.theory.table import THEOREMS


def halving(setting, constants="paper"):
    """|y - u_k|^2 <= 2^-k |y - u_0|^2: far too good to be true."""
    if setting.selection_prob != 1:
        return not_applicable("Halving", constants, "it is about full masks")
    bound = setting.initial_error * 0.5 ** np.arange(setting.rounds + 1)
    condition = Condition("step size of my own", setting.step_size, 1.0, "<=")
    return Promise(
        "Halving", constants, applies=True, conditions=(condition,), bound=bound, initial_error=setting.initial_error
    )


@pytest.fixture
def run():
    network = sl.ShallowReLU.initialize(50, 3, seed=0)
    return sl.train(network, np.eye(3), np.ones(3), sl.gradient_descent(4, 0.01), seed=0)


def test_an_own_statement_is_shown_in_text_page_and_json(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(THEOREMS, "halving", halving)
    verdict = run.theory()
    assert run.history.full_error[-1] > halving(verdict.setting).bound[-1]
    text = str(verdict)
    assert "Halving applies; 0 of its 1 hypotheses are not met:" in text
    assert "met     step size of my own: 0.01, must be <= 1" in text
    assert "This run EXCEEDED its bound" in text
    page = str(promise_table(verdict))
    assert "Halving" in page
    assert "all hypotheses are met" in page
    run.save(tmp_path / "run.npz")
    assert main(["theory", str(tmp_path / "run.npz"), "--json", "--out", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["promises"]["halving"][0]["applies"] is True
    head, *lines = (tmp_path / "out" / "theory.csv").read_text().splitlines()
    column = head.split(",").index("halving")  # drawn, and among the figure's numbers
    assert float(lines[-1].split(",")[column]) == pytest.approx(halving(verdict.setting).bound[-1])


def test_why_an_own_statement_does_not_apply_is_shown(monkeypatch):
    monkeypatch.setitem(THEOREMS, "halving", halving)
    network = sl.ShallowReLU.initialize(50, 3, seed=0)
    verdict = sl.train(network, np.eye(3), np.ones(3), sl.dropout(0.5, 4, 0.01)).theory()
    assert "Halving (paper) does not apply: it is about full masks." in str(verdict)
    assert "does not apply: it is about full masks" in str(promise_table(verdict))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("no function", "must be a function under a name"),
        (lambda setting: None, "odd must take a setting and the name of the constants"),
        (lambda setting, constants: None, "odd must return a Promise, got NoneType"),
        (
            lambda setting, constants: not_applicable("Odd", "paper", "why"),
            "of constants 'repaired', got",
        ),
        (lambda setting, constants: not_applicable("Odd", constants, ""), "odd must say why it does not apply"),
        (
            lambda setting, constants: Promise("Odd", constants, applies=True, bound=np.ones(3)),
            r"odd must have a bound of shape \(4,\), got \(3,\)",
        ),
        (
            lambda setting, constants: Promise("Odd", constants, applies=True, bound=np.full(4, -1.0)),
            "odd must have a bound of at least 0 where its hypotheses are met, got -1",
        ),
    ],
)
def test_what_is_no_statement_is_refused_at_registration(statement, message):
    before = dict(THEOREMS)
    with pytest.raises((TypeError, ValueError), match=f"theory: .*{message}"):
        THEOREMS["odd"] = statement
    with pytest.raises((TypeError, ValueError), match=f"theory: .*{message}"):
        THEOREMS.update(odd=statement)
    with pytest.raises((TypeError, ValueError), match=f"theory: .*{message}"):
        THEOREMS.setdefault("odd", statement)
    with pytest.raises((TypeError, ValueError), match=f"theory: .*{message}"):
        THEOREMS.__ior__({"odd": statement})
    with pytest.raises((TypeError, ValueError), match=f"theory: .*{message}"):
        _ = THEOREMS | {"odd": statement}
    with pytest.raises((TypeError, ValueError), match=f"theory: .*{message}"):
        _ = {"odd": statement} | THEOREMS
    assert before == dict(THEOREMS)


def test_tables_are_joined_with_what_is_a_statement():
    for joined in (THEOREMS | {"halving": halving}, {"halving": halving} | THEOREMS):
        assert set(joined) == {*THEOREMS, "halving"}
        assert "halving" not in THEOREMS
    theorems = THEOREMS
    try:
        theorems |= {"halving": halving}
        assert theorems is THEOREMS
        assert THEOREMS["halving"] is halving
    finally:
        del THEOREMS["halving"]
