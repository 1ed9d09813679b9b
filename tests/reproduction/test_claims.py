"""Claims on made-up errors for which the verdict is known."""

import csv
import json

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.reproduce import verdicts_text
from subnetlab.report.tables import outcome_tables
from subnetlab.reproduction.claims import (
    bernoulli_verdicts,
    categorical_verdicts,
    dynamics_verdicts,
    write_verdicts,
)
from subnetlab.reproduction.results import MEASURES, ErrorGrid
from subnetlab.reproduction.statistics import log_slope


def grid(log_error, taus=(1, 2, 5), rounds=20):
    """A grid of 8 seeds with log_error(r, c) plus a little noise, constant over the rounds."""
    noise = 0.01 * np.random.default_rng(1).standard_normal((8, 3, 3))
    r, c = np.meshgrid(np.arange(3), np.arange(3), indexing="ij")
    errors = np.exp(log_error(r, c) + noise)[..., None] * np.ones(rounds)
    return ErrorGrid((2, 4, 6), taus, np.array(taus), errors, errors, errors)


def outcomes(verdicts, claim):
    found = [v.outcome for v in verdicts if claim in v.claim]
    assert found
    return set(found)


def test_bernoulli_claims_hold_where_the_error_falls_along_both_axes():
    verdicts = bernoulli_verdicts(grid(lambda r, c: -r - c), rounds=5)
    assert {v.outcome for v in verdicts} == {"HOLDS"}
    assert len(verdicts) == 2 * len(MEASURES)


def test_bernoulli_claims_fail_where_it_rises():
    verdicts = bernoulli_verdicts(grid(lambda r, c: r - c), rounds=5)
    assert outcomes(verdicts, "number of subnetworks") == {"FAILS"}
    assert outcomes(verdicts, "selection probability") == {"HOLDS"}


def test_no_trend_is_undecided():
    verdicts = bernoulli_verdicts(grid(lambda r, c: 0.0 * r), rounds=5)
    assert {v.outcome for v in verdicts} == {"UNDECIDED"}


def test_categorical_claims_have_the_opposite_sign():
    verdicts = categorical_verdicts(grid(lambda r, c: r - c), rounds=1)
    assert outcomes(verdicts, "number of subnetworks") == {"HOLDS"}
    assert outcomes(verdicts, "local steps") == {"FAILS"}
    assert len(verdicts) == 2 * 2 * len(MEASURES)


def test_equal_steps_reads_columns_with_more_local_steps_earlier():
    # the error is exp(-steps done): at equal K the column with more steps is better, at equal steps all agree
    taus, rounds = np.array([1, 2, 5]), 20
    steps = taus[:, None] * np.arange(1, rounds + 1)
    errors = np.exp(-steps)[None, None] * np.ones((2, 1, 1, 1))
    made = ErrorGrid((2,), (1, 2, 5), taus, errors, errors, errors)
    np.testing.assert_allclose(made.at_equal_steps("full", rounds=1)[0, 0], np.exp(-20.0) * np.ones(3))
    np.testing.assert_allclose(made.final("full", rounds=1)[0, 0], np.exp(-20.0 * taus))


def test_equal_steps_compares_equally_noisy_numbers():
    """Pure noise, the same in all columns: means of 10, 5, 2, 1 and 1 rounds would make a trend of -0.12 per column."""
    taus, rounds, seeds = np.array([1, 2, 5, 10, 20]), 200, 60
    errors = np.exp(np.random.default_rng(0).standard_normal((seeds, 5, 5, rounds)))
    made = ErrorGrid((2, 4, 6, 8, 10), tuple(taus), taus, errors, errors, errors)
    slopes = log_slope(made.at_equal_steps("full", rounds=10), axis=2)
    assert abs(slopes.mean()) < 4 * slopes.std(ddof=1) / np.sqrt(seeds)
    read = made.at_equal_steps("full", rounds=40)  # 40 rounds of tau = 1 are 2 of tau = 20
    np.testing.assert_allclose(
        read[0, 0],
        [np.sqrt(errors[0, 0, c, k - 2] * errors[0, 0, c, k - 1]) for c, k in enumerate((200, 100, 40, 20, 10))],
    )


def test_one_step_in_a_thousand_that_rises_is_not_every_step():
    K = 250
    local = np.array([7.0, 6.0, 5.0, 4.0]) * np.ones((8, K, 1))
    full, sampled = np.full((8, K + 1), 3.0), np.full((8, K), 8.0)
    assert dynamics_verdicts(sampled, local, full)[1].outcome == "HOLDS"
    local[:, 7, 1] = 7.5
    smooth = dynamics_verdicts(sampled, local, full)[1]
    assert smooth.agreement.mean == pytest.approx(1 - 2 / 1000)
    assert smooth.outcome == "UNDECIDED"


def test_a_small_effect_decides_nothing():
    """1% per row in every seed, exactly: significant against 0, but below the smallest effect of interest."""
    r = np.arange(3)[:, None] * np.ones((8, 3, 3))
    errors = np.exp(0.01 * r)[..., None] * np.ones(20)
    made = ErrorGrid((2, 4, 6), (1, 2, 5), np.array([1, 2, 5]), errors, errors, errors)
    assert outcomes(categorical_verdicts(made, rounds=1), "number of subnetworks") == {"UNDECIDED"}
    larger = ErrorGrid((2, 4, 6), (1, 2, 5), np.array([1, 2, 5]), errors**3, errors**3, errors**3)
    assert outcomes(categorical_verdicts(larger, rounds=1), "number of subnetworks") == {"HOLDS"}


def test_dynamics_claims():
    K = 6
    sampled = np.full((2, K), 8.0)
    local = np.array([7.0, 6.0, 5.0]) * np.ones((2, K, 1))
    full = np.full((2, K + 1), 3.0)
    verdicts = dynamics_verdicts(sampled, local, full)
    assert [v.outcome for v in verdicts] == ["HOLDS"] * 4
    assert verdicts[0].effect.mean == pytest.approx(np.log(8 / 5))
    assert verdicts[2].effect.mean == pytest.approx(np.log(5 / 3))
    assert verdicts[3].effect.mean == pytest.approx(np.log(8 / 3))
    swapped = dynamics_verdicts(local[..., -1] - 0.5, local[..., ::-1], full + 30)
    assert [v.outcome for v in swapped] == ["FAILS"] * 4


def test_a_row_of_the_table_is_flat():
    row = bernoulli_verdicts(grid(lambda r, c: -r - c), rounds=5)[0].as_row()
    assert {"figure", "claim", "outcome", "effect_mean", "effect_low", "agreement", "seeds"} <= row.keys()
    assert {"agreement_low", "agreement_high", "p_value", "needed"} <= row.keys()
    assert not any(isinstance(value, (dict, tuple)) for value in row.values())


def test_every_change_is_read_between_its_own_two_errors():
    """Three rounds whose errors all differ, powers of e: sampled, two local steps, aggregated."""
    logs = np.array([[9.0, 7, 6, 4], [8, 5, 4.5, 4], [6, 5, 3, 1]])
    errors, full = np.exp(logs), np.exp(np.append(9.5, logs[:, -1]))
    local, smooth, drop, rise = dynamics_verdicts(
        errors[np.newaxis, :, 0], errors[np.newaxis, :, 1:3], full[np.newaxis]
    )
    assert local.effect.mean == pytest.approx((3 + 3.5 + 3) / 3)
    assert smooth.effect.mean == pytest.approx((2 + 1 + 3 + 0.5 + 1 + 2) / 6)
    assert drop.effect.mean == pytest.approx((2 + 0.5 + 2) / 3)
    assert rise.effect.mean == pytest.approx((8 - 4 + 6 - 4) / 2)


def test_of_one_round_nothing_is_sampled_again():
    errors = np.exp(np.random.default_rng(0).standard_normal((3, 1)))
    verdicts = dynamics_verdicts(2 * errors, errors[..., np.newaxis], np.column_stack([errors, errors / 2]))
    assert outcomes(verdicts, "local training") == outcomes(verdicts, "aggregation") == {"HOLDS"}
    assert outcomes(verdicts, "re-sampling") == {"UNDECIDED"}
    assert "  UNDECIDED nothing to compare " in verdicts_text(verdicts)
    assert (verdicts[-1].as_row()["effect_mean"], verdicts[-1].as_row()["agreement"]) == (None, None)
    one_seed = dynamics_verdicts(2 * errors[:1], errors[:1, :, np.newaxis], np.column_stack([errors, errors / 2])[:1])
    assert one_seed[0].as_row()["effect_low"] is None
    json.dumps([verdict.as_row() for verdict in [*verdicts, *one_seed]], allow_nan=False)
    table = str(outcome_tables([verdict.as_row() for verdict in one_seed], "2a"))
    assert "(one seed: no interval)" in table and "nothing to compare" in table and "nan" not in table


def test_the_claim_about_tau_holds_for_random_rows_at_the_edge_of_stability():
    """docs/reproduction.md says "in none of these settings", for here more local steps do raise the error."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 6))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.uniform(-1, 1, 8)
    net = sl.ShallowReLU.initialize(300, 6, 0.3, seed=0)
    late = []
    for tau in (1, 10):
        scheme = sl.TrainingScheme(sl.Categorical(4), rounds=1500, local_steps=tau, step_size=1.89)
        late.append(np.mean(np.log(sl.train(net, X, y, scheme, engine="primal").history.full_error[-200:])))
    assert late[1] > late[0] + 1


def test_verdicts_of_an_earlier_version_stay_beside_new_ones(tmp_path):
    row = bernoulli_verdicts(grid(lambda r, c: -r - c), rounds=5)[0].as_row()
    new = {"agreement_low", "agreement_high", "p_value", "needed"}
    old = {name: value for name, value in row.items() if name not in new}
    write_verdicts(tmp_path / "verdicts.csv", [old, row])
    first, second = csv.DictReader((tmp_path / "verdicts.csv").read_text().splitlines())
    assert new <= first.keys()
    assert (first["p_value"], second["p_value"]) == ("", str(row["p_value"]))
    assert {name: first[name] for name in old} == {name: second[name] for name in old}
    tables = [str(outcome_tables([verdict], "2b")) for verdict in (old, row)]
    assert "an interval above 0" in tables[0]
    assert "decided together" in tables[1]
