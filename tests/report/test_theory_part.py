"""What the page says of a promise, kept in every case or broken in one."""

from dataclasses import replace

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.report.theory_part import promise_table

NET = sl.ShallowReLU.initialize(width=500, n_features=3, seed=0)
VERDICT = sl.train(NET, np.eye(3), np.ones(3), sl.dropout(0.5, rounds=5, step_size=0.5)).theory()


@pytest.mark.parametrize(
    ("rates", "says"),
    [([0.5, 0.9], "KEPT"), ([0.5, 1.5], "BROKEN"), ([0.5, np.nan], "KEPT"), ([np.nan, np.nan], None)],
)
def test_hypothesis_1_is_kept_by_every_step_that_can_be_judged(rates, says):
    table = promise_table(replace(VERDICT, local_rates=np.reshape(rates, (1, 2, 1))))
    assert [row[3].word for row in table.rows if row[0] == "Hypothesis 1"] == [says] * (says is not None)


def test_statements_that_need_lambda_0_say_so_of_repeated_rows():
    network = sl.ShallowReLU.initialize(50, 2, seed=0)
    X = np.array([[1, 0.0], [1, 0], [0, 1]])
    table = str(promise_table(sl.train(network, X, np.ones(3), sl.dropout(0.5, rounds=3, step_size=0.1)).theory()))
    assert table.count("does not apply: lambda_0 > 0 is not shown: rows 0 and 1 of X are parallel") == 2
    assert "eigenvalue at least 0" not in table
