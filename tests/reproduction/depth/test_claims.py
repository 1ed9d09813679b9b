"""Verdicts on depth: one network shows an effect and another none, and all on a figure are adjusted together."""

import numpy as np
import pytest

from subnetlab.reproduction.claims import bernoulli_tests, bernoulli_verdicts
from subnetlab.reproduction.depth.claims import ADDED, log_error, method_verdicts, paper_verdicts
from subnetlab.reproduction.depth.drawing import verdict_table
from subnetlab.reproduction.results import ErrorGrid
from subnetlab.reproduction.statistics import holm

SEEDS, K = 6, 12
STEPS = np.array([1, 2, 4])


def grid(slope, noise=0.01, seed=0):
    """Errors that change by the factor exp(slope) per column, with a little noise."""
    generator = np.random.default_rng(seed)
    shape = (SEEDS, 3, 3, K)
    errors = np.exp(slope * np.arange(3)[None, None, :, None] + noise * generator.standard_normal(shape))
    return ErrorGrid((1, 2, 4), (0.25, 0.5, 1.0), STEPS, errors, errors, errors)


def curves(drop):
    """Errors that fall by the factor exp(-drop) at every local step, and rise again at sampling."""
    inside = np.exp(-drop * np.arange(3.0)) * np.exp(0.001 * np.arange(SEEDS))[:, None, None] * np.ones((SEEDS, K, 1))
    full = np.full((SEEDS, K + 1), np.exp(-drop * 3))
    return inside[..., 0], inside[..., 1:], full


@pytest.fixture
def verdicts():
    falls, flat = grid(-0.5), grid(0.0, seed=1)
    return paper_verdicts(
        {("deep", "squared"): (falls, falls), ("flat", "squared"): (flat, flat)},
        {("deep", "squared"): curves(0.3), ("flat", "squared"): None},
        rounds=5,
    )


def found(verdicts, network, figure, claim, measure="after aggregation"):
    return [
        v.verdict.outcome
        for v in verdicts
        if (v.network, v.verdict.figure, v.verdict.measure) == (network, figure, measure) and claim in v.verdict.claim
    ]


def test_what_is_there_is_found_and_what_is_not_is_not(verdicts):
    assert found(verdicts, "deep", "2b", "selection probability") == ["HOLDS"]
    assert found(verdicts, "flat", "2b", "selection probability") == ["UNDECIDED"]
    assert found(verdicts, "deep", "2b", "number of subnetworks") == ["UNDECIDED"]
    assert found(verdicts, "deep", "2c", "number of local steps") == ["FAILS", "FAILS"]  # equal K, equal K tau
    inside = {v.verdict.claim: v.verdict.outcome for v in verdicts if v.verdict.figure == "2a"}
    assert set(inside.values()) == {"HOLDS"}
    assert {v.network for v in verdicts if v.verdict.figure == "2a"} == {"deep"}


def test_all_networks_are_adjusted_together(verdicts):
    """The p-values are Holm's over the tests of both networks, larger than those over one of them."""
    raw = [test.p_value for g in (grid(-0.5), grid(0.0, seed=1)) for test in bernoulli_tests(g, rounds=5)]
    ours = [v.verdict.p_value for v in verdicts if v.verdict.figure == "2b"]
    assert ours == holm(raw)
    alone = [v.p_value for v in bernoulli_verdicts(grid(-0.5), rounds=5)]
    assert ours[0] > alone[0] > 0


def test_a_record_names_the_network(verdicts):
    row = verdicts[0].as_row()
    assert (row["network"], row["loss"], row["figure"]) == ("deep", "squared", "2a")


def test_the_table_of_verdicts_has_a_column_per_network(verdicts):
    outcomes, rows, columns = verdict_table(verdicts)
    assert columns == ["deep, squared", "flat, squared"]
    at = next(i for i, row in enumerate(rows) if "as ξ grows" in row and row.endswith("after aggregation"))
    assert outcomes[at] == ["HOLDS", "UNDECIDED"]
    assert outcomes[0] == ["HOLDS", ""]  # a run of the other diverged: nothing was judged


def test_methods_are_compared_in_the_direction_of_the_claim():
    """Each method named second in a claim is made 1.5 times better; the small network is made to win."""
    good = {"final_full_error": np.full(5, 0.2), "final_accuracy": np.full(5, 0.9)}
    bad = {"final_full_error": np.full(5, 0.3), "final_accuracy": np.full(5, 0.85)}
    finals = {(name, 2): bad for name in ("scale_0", "reset", "ist")}
    finals |= {(name, 2): good for name in ("alternate", "scale_half", "travels", "small")}
    outcomes = {v.verdict.claim: v.verdict.outcome for v in method_verdicts(finals)}
    assert [outcomes[claim] for claim, _, _ in ADDED] == ["HOLDS", "HOLDS", "FAILS", "HOLDS", "FAILS"]
    assert {v.network for v in method_verdicts(finals)} == {"2 layers"}
    ratio = method_verdicts(finals)[1].verdict.effect.mean  # errors on rows held out
    assert ratio == pytest.approx(np.log(0.15 / 0.1))


def test_nothing_is_said_of_methods_that_diverged():
    good = {"final_full_error": np.full(5, 0.2), "final_accuracy": np.full(5, 0.9)}
    lost = {name: np.full(5, np.nan) for name in good}
    names = {name for _, *pair in ADDED for name in pair}
    outcomes = method_verdicts({(name, 1): lost if name == "ist" else good for name in names})
    assert {v.verdict.outcome for v in outcomes} == {"UNDECIDED"}


def test_a_perfect_accuracy_has_a_finite_log():
    assert np.isfinite(log_error({"final_accuracy": np.array([1.0])}, "final_accuracy")).all()
