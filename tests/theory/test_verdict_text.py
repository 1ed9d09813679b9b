"""The words of a verdict, case by case: with and without noise, with and without a limit, with rows that repeat."""

import numpy as np
import pytest

import subnetlab as sl

X, Y = np.array([[1, 0.0], [0.6, 0.8], [0, 1]]), np.array([1.0, -1.0, 0.5])
REPEATED = np.array([[1, 0.0], [1, 0], [0, 1]])
NET = sl.ShallowReLU.initialize(width=60, n_features=2, seed=0)


def paragraphs(scheme, X=X, y=Y):
    """The paragraphs of a run's verdict, each under its first words."""
    run = sl.train(NET, X, y, scheme)
    return dict(
        zip(("bound", "lazy", "kernels", "movement", "local"), str(run.theory()).split("\n\n")[:5], strict=True)
    )


def test_a_prediction_without_noise_speaks_of_none():
    lazy = paragraphs(sl.gradient_descent(20, 0.3))["lazy"]
    assert lazy.endswith(
        "Neither masks nor batches add noise: after ever more rounds, with patterns as they were, no error would be "
        "left."
    )
    assert "scatters" not in lazy
    assert "1/m" not in lazy


def test_a_step_that_is_too_large_leaves_no_limit():
    lazy = paragraphs(sl.gradient_descent(20, 3.9))["lazy"]
    assert lazy.endswith("At this step size, with patterns as they were, the error would grow without limit.")
    assert "inf" not in lazy


def test_noise_without_a_limit_is_held_for_a_while_only():
    """A step that is small enough for the mean, and too large for the mean square."""
    angles = np.linspace(0, 0.3, 8)
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    y = np.random.default_rng(0).normal(size=8)
    lazy = paragraphs(sl.dropout(0.5, rounds=5, step_size=1.4), X, y)["lazy"]
    assert "for a while; after ever more rounds, with patterns as they were, the prediction has no limit." in lazy


def test_noise_that_settles_is_of_order_1_over_m():
    lazy = paragraphs(sl.dropout(0.5, rounds=5, step_size=0.3))["lazy"]
    assert "one run scatters about its expectation" in lazy
    assert lazy.endswith(" would be left, of order 1/m.")


@pytest.mark.parametrize(
    ("scheme", "y", "said"),
    [
        (sl.gradient_descent(5, 0.3), Y, "2 would be left, which no weights can fit with these patterns: rows of X"),
        (sl.dropout(0.5, rounds=5, step_size=0.3), np.array([1, 1.1, 1]), "0.005 of which no weights can fit with"),
        (sl.dropout(0.5, rounds=5, step_size=0.3), np.ones(3), "would be left, of order 1/m."),
    ],
)
def test_what_repeated_rows_contradict_does_not_fall_with_the_width(scheme, y, said):
    lazy = paragraphs(scheme, REPEATED, y)["lazy"]
    assert said in lazy
    assert ("the rest is of order 1/m" in lazy) == (y[1] == 1.1)


def test_statements_that_need_lambda_0_promise_nothing_of_repeated_rows():
    said = paragraphs(sl.dropout(0.5, rounds=5, step_size=0.3), REPEATED)
    reason = "lambda_0 > 0 is not shown: rows 0 and 1 of X are parallel (1 such pairs)."
    assert said["kernels"].startswith(f"Theorem 2 does not apply: {reason} The smallest eigenvalue of the 10 masked")
    assert said["movement"].endswith("; the proofs allow no movement where lambda_0 > 0 is not shown.")
    assert said["local"].startswith(f"Hypothesis 1 does not apply: {reason} 100.0% of the local steps lowered")


def test_statements_say_whether_their_hypotheses_are_met():
    said = paragraphs(sl.dropout(0.5, rounds=5, step_size=0.3))
    unmet = "hypotheses are not met, so it promises nothing here."
    assert f"; 2 of its 2 {unmet} Of 10 looked at" in said["kernels"]  # the run's own movement is one of them
    assert f"; 3 of its 3 {unmet}" in said["local"]


def test_a_factor_below_0_is_none():
    local = paragraphs(sl.gradient_descent(3, 30.0), X[:1], Y[:1])["local"]
    assert local.startswith("Hypothesis 1 does not apply: the step size must be below 2 / lambda_0 = 4, got 30.")
