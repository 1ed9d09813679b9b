"""What the tests of certificates share: a round of Algorithm 1 and its parts in rational numbers, by definition."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest


def exact(array):
    """The same numbers as fractions."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array))


def error(W, a, X, y, xi, root):
    """u - y; ``root`` is that of m, and 1 / root a number of the same kind."""
    z = X @ W.T
    return (np.maximum(z, 0 * z) @ a) * xi / root - y


def round_in_parts(W, a, X, y, masks, eta, tau, xi, root):
    """Algorithm 1 and e_{k+1} = T e_k + sampled + crossed, neuron by neuron; of any kind of numbers.

    Returns the weights after the round, the three parts, and the count of pattern changes.
    """
    m, n, kind, G, one = len(a), len(X), X.dtype, X @ X.T, 0 * y[0] + 1  # 1 / 2 of integers is no fraction
    a, masks = a.astype(kind), masks.astype(bool)
    holders = np.array([max(sum(map(int, column)), 1) for column in masks.T]).astype(kind)
    on = (X @ W.T >= 0).astype(kind)  # P_k, (n, m)
    u = error(W, a, X, 0 * y, xi, root)
    unit = np.eye(n, dtype=int).astype(kind)
    T, sampled, crossed, total, changes = unit, 0 * y, 0 * y, 0 * W, 0
    for mask in masks.astype(kind):
        here, difference = W, error(W, a * mask, X, 0 * y, 1, root) - u
        pull, pull_of_jumps = 0 * G, 0 * y  # sum_t L_t Phi_t, and of it times jumps
        product, jumps = unit, 0 * y
        for _ in range(tau):
            active = (X @ here.T >= 0).astype(kind)
            residual = error(here, a * mask, X, y, 1, root)
            K = (active * mask) @ active.T * G / m
            L = (one * on * mask / holders) @ active.T * G / m
            pull, pull_of_jumps = pull + L @ product, pull_of_jumps + L @ jumps
            here = here - eta / root * (a * mask)[:, None] * ((active * residual[:, None]).T @ X)
            z = X @ here.T
            now = (z >= 0).astype(kind)
            jump = ((now * 1 - active * 1) * z) @ (a * mask) / root
            changes += np.count_nonzero((now != active) & (mask != 0))
            jumps, product = jumps - eta * (K @ jumps) + jump, product - eta * (K @ product)
        T = T - xi * eta * pull
        sampled = sampled - xi * eta * (pull @ difference)
        crossed = crossed - xi * eta * pull_of_jumps
        total = total + here - W
    W = W + total / holders[:, None]
    z = X @ W.T
    now = (z >= 0).astype(kind)
    return W, T, sampled, crossed + xi / root * (((now * 1 - on * 1) * z) @ a), changes + np.count_nonzero(now != on)


@pytest.fixture(scope="session")
def by_definition():
    """The functions of this file."""
    return SimpleNamespace(exact=exact, error=error, round_in_parts=round_in_parts)
