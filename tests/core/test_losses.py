"""Losses against finite differences, exact values and the limits of floating point."""

import math

import numpy as np
import pytest

from subnetlab.core.losses import LOSSES

OUTPUTS = np.linspace(-6, 6, 41)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_the_residual_is_the_derivative_of_half_the_error(name, y):
    loss, h = LOSSES[name], 1e-5
    targets = np.full_like(OUTPUTS, y)
    slope = (loss.error(OUTPUTS + h, targets) - loss.error(OUTPUTS - h, targets)) / (4 * h)
    np.testing.assert_allclose(loss.residual(OUTPUTS, targets), slope, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_the_curvature_is_the_largest_slope_of_the_residual(name):
    loss, h, y = LOSSES[name], 1e-4, np.full_like(OUTPUTS, 0.5)
    slope = (loss.residual(OUTPUTS + h, y) - loss.residual(OUTPUTS - h, y)) / (2 * h)
    assert slope.max() == pytest.approx(loss.curvature, rel=1e-6)


@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_the_logistic_error_is_twice_the_cross_entropy(y):
    for f in (-3.0, 0.0, 2.0):
        chance = 1 / (1 + math.exp(-f))
        entropy = -(y * math.log(chance) + (1 - y) * math.log(1 - chance))
        assert LOSSES["logistic"].error(np.array([f]), np.array([y]))[0] == pytest.approx(2 * entropy)


def test_the_logistic_loss_does_not_overflow():
    f, y = np.array([-1e6, 1e6, -1e6, 1e6]), np.array([0.0, 1, 1, 0])
    np.testing.assert_array_equal(LOSSES["logistic"].error(f, y), [0, 0, 2e6, 2e6])
    np.testing.assert_array_equal(LOSSES["logistic"].residual(f, y), [0, 0, -1, 1])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(5,), (5, 2)])
def test_the_total_counts_each_row_by_its_weight(name, shape):
    loss, rng = LOSSES[name], np.random.default_rng(0)
    f, y, s = rng.standard_normal(shape), rng.uniform(0, 1, shape), np.array([0.0, 1, 2, 0.5, 3])
    rows = loss.error(f, y).reshape(5, -1).sum(axis=1)
    assert loss.total_error(f, y) == pytest.approx(rows.sum())
    assert loss.total_error(f, y, s) == pytest.approx(s @ rows)


@pytest.mark.parametrize("bad", [-0.1, 1.5])
def test_the_logistic_loss_refuses_targets_outside_the_unit_interval(bad, refused):
    y = np.array([0.0, bad, 1.0])
    message = f"train: y must be in [0, 1] for the logistic loss, got values from {y.min()} to {y.max()}"
    with refused(ValueError, message):
        LOSSES["logistic"].check(y, owner="train")
    LOSSES["squared"].check(y, owner="train")
    LOSSES["logistic"].check(np.array([0.0, 1.0]), owner="train")
