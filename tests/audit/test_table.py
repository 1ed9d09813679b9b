"""The audit's verdicts, and its counterexamples by hand."""

import json
import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.audit import STATEMENTS, audit, audit_markdown, audit_text
from subnetlab.audit.finding import WORDS
from subnetlab.theory.moments import MaskMoments


@pytest.fixture(scope="module")
def findings():
    return audit()


def test_no_numbered_statement_is_missing():
    numbered = [f"Lemma {i}" for i in range(1, 27)] + [f"Theorem {i}" for i in range(1, 6)]
    numbered += [f"Corollary {i}" for i in range(1, 4)] + [f"Property {i}" for i in range(1, 6)] + ["Hypothesis 1"]
    assert set(numbered) <= set(STATEMENTS)


EXPECTED = {
    "exact": [f"Lemma {i}" for i in (1, 2, 13, 14, 18, 20)] + ["Property 2", "R5", "R8", "R9", "R11"],
    "holds": [f"Lemma {i}" for i in (5, 7, 17, 19, 22, 23, 25, 26)] + ["Theorem 1", "Property 1", "Property 5"],
    "holds empirically": [f"Lemma {i}" for i in (6, 8, 9, 10, 12, 16)] + ["Theorem 2", "Hypothesis 1", "R4", "R12"],
    "false": [f"Lemma {i}" for i in (3, 4, 15, 21, 24)]
    + ["Property 3", "Property 4", "R1", "R2", "R3", "R6", "R7", "R10"],
    "proof broken": ["Theorem 3", "Theorem 4", "Lemma 11", "Corollary 1", "Corollary 2", "Corollary 3"],
    "not checkable": ["Theorem 5", "Theorem 3, (6)"],
}


def test_verdicts(findings):
    assert {name: f.verdict for name, f in findings.items()} == {
        name: word for word, names in EXPECTED.items() for name in names
    }
    assert set(EXPECTED) == set(WORDS)


def test_false_statements_show_their_counterexample(findings):
    for name, finding in findings.items():
        if finding.verdict == "false":
            assert re.search(r"\d", finding.evidence), name
        if finding.ratio is not None and finding.verdict in ("holds", "holds empirically"):
            assert finding.ratio <= 1, name


def test_lemma_21_and_24_by_listing_nine_cases():
    """p = 2, xi = 1/2: given X >= 1 the pairs (1,0), (0,1), (1,1) have the same chance."""
    reciprocal = (Fraction(1) + 1 + Fraction(1, 2)) / 3
    assert reciprocal == Fraction(5, 6)
    nu = [
        Fraction(sum(a * b for a, b in zip(own, other, strict=True)), sum(own))
        for own in ((1, 0), (0, 1), (1, 1))
        for other in product((0, 1), repeat=2)
    ]
    mean = sum(nu) / 12
    assert mean == Fraction(1, 2)
    assert sum((v - mean) ** 2 for v in nu) / 12 == Fraction(5, 24)


def test_r2_by_hand():
    """B1 / (n kappa^2) at p = 1, xi = 1/2, eta -> 0, m -> infinity: 1/24 at tau = 1, 1/96 + 1/192 at tau = 2."""
    from subnetlab.theory.constants import bernoulli_constants

    X = np.eye(2)
    values = []
    for tau in (1, 2):
        scheme = sl.TrainingScheme(sl.Bernoulli(1, 0.5), rounds=1, local_steps=tau, step_size=1e-12)
        setting = sl.theory_setting(X, np.zeros(2), scheme, width=10**15)
        values.append(bernoulli_constants(setting, "paper").error_floor / 2)
    assert values == pytest.approx([1 / 24, 1 / 96 + 1 / 192], rel=1e-6)


def test_r10_by_hand(algorithm1):
    net = sl.ShallowReLU(np.array([[1.0]]), np.array([1.0]))
    x, y, held = np.array([[1.0]]), np.array([-3.0]), np.array([True])
    moved = net.weights - net.subnetwork_gradient(x, y, held)
    assert moved[0, 0] == -3.0
    assert sl.masked_ntk(sl.ShallowReLU(moved, net.output_weights), x, held)[0, 0] == 0.0
    assert sl.finite_ntk(net, x, 0.5)[0, 0] == 0.5


def test_verdicts_follow_from_what_is_computed(monkeypatch):
    """With the true variance in place of the printed one, p = 2 is better than p = 1 and R1 is not refuted."""
    monkeypatch.setattr(MaskMoments, "paper_pair_variance", property(lambda moments: moments.pair_variance))
    assert audit(["R1"])["R1"].verdict == "holds empirically"


def test_text_markdown_and_json(findings):
    text, page = audit_text(findings), audit_markdown(findings)
    for name in STATEMENTS:
        assert f"{name}: " in text
        assert f"| {name} |" in page
    assert text.endswith("2 not checkable")
    record = json.loads(json.dumps({name: f.record() for name, f in findings.items()}))
    assert record["Lemma 18"]["verdict"] == "exact"


def test_the_page_in_docs_is_of_these_statements(repository):
    page = (repository / "docs" / "audit.md").read_text()
    listed = re.findall(
        r"^\| ([^|]+) \| .* \| (exact|holds|holds empirically|false|proof broken|not checkable) \| ", page, re.M
    )
    assert dict(listed) == {name: word for word, names in EXPECTED.items() for name in names}


def test_unknown_statements_are_refused():
    with pytest.raises(ValueError, match="audit: statement must be one of Theorem 1"):
        audit(["Lemma 27"])
