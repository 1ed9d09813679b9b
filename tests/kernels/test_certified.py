"""The proven eigenvalue bound against ball arithmetic, which decides by itself."""

from fractions import Fraction

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.kernels import certified
from subnetlab.kernels.infinite import infinite_ntk_entry_error

flint = pytest.importorskip("flint")


def is_positive_definite(H, shift):
    """Exact rational elimination of H - shift I: no rounding, no doubt."""
    n = len(H)
    matrix = flint.fmpq_mat(n, n)
    for i in range(n):
        for j in range(n):
            value = Fraction(float(H[i, j])) - (Fraction(shift) if i == j else 0)
            matrix[i, j] = flint.fmpq(value.numerator, value.denominator)
    return all(leading_minor(matrix, k) > 0 for k in range(1, n + 1))


def leading_minor(matrix, k):
    part = flint.fmpq_mat(k, k)
    for i in range(k):
        for j in range(k):
            part[i, j] = matrix[i, j]
    return part.det()


@pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-7])
def test_bound_is_below_the_exact_eigenvalue_and_near_it(gap):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 5))
    X[1] = X[0] + gap * X[1]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    H = sl.infinite_ntk(X)
    bound = sl.certified_smallest_eigenvalue(H)
    assert is_positive_definite(H, bound)  # the eigenvalue is above the bound
    assert not is_positive_definite(H, bound + 1e-13)  # and not far above
    wide = sl.certified_smallest_eigenvalue(H, infinite_ntk_entry_error(X))
    assert bound - 7.1 * infinite_ntk_entry_error(X) <= wide < bound


def test_bound_for_the_true_kernel_by_ball_arithmetic():
    """The kernel itself in balls of 200 bits: its eigenvalue must lie above the widened bound."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(6, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    bound = sl.certified_smallest_eigenvalue(sl.infinite_ntk(X), infinite_ntk_entry_error(X))
    before, flint.ctx.prec = flint.ctx.prec, 200
    try:
        rows = flint.arb_mat(X.tolist())
        G = rows * rows.transpose()
        H = flint.arb_mat(6, 6)
        for i in range(6):
            for j in range(6):
                angle = flint.arb(0) if i == j else (G[i, j] / (G[i, i] * G[j, j]).sqrt()).acos()
                H[i, j] = G[i, j] * (flint.arb.pi() - angle) / (2 * flint.arb.pi()) - (bound if i == j else 0)
        for k in range(1, 7):
            assert flint.arb_mat([[H[i, j] for j in range(k)] for i in range(k)]).det() > 0
    finally:
        flint.ctx.prec = before


def test_slack_is_rumps_constant_by_hand():
    """gamma / (1 - gamma) trace with gamma = 4 u / (1 - 4 u) for n = 3, and u max b_jj for the shift."""
    u = 2.0**-53
    gamma = 4 * u / (1 - 4 * u)
    slack = certified._factorisation_error(np.array([1.0, 2.0, 5.0]))
    assert slack == pytest.approx(gamma / (1 - gamma) * 8 + 5 * u, rel=1e-12)
    assert certified._factorisation_error(np.array([1.0, 0.0])) is None


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e150])
def test_bound_holds_at_every_scale(scale):
    H = scale * np.array([[2.0, 1.0], [1.0, 2.0]])
    bound = sl.certified_smallest_eigenvalue(H)
    assert is_positive_definite(H, bound)
    assert bound >= 0.99 * scale


def test_matrices_that_are_not_positive_definite_get_a_negative_bound():
    assert -1.01 < sl.certified_smallest_eigenvalue(np.array([[0.0, 1.0], [1.0, 0.0]])) < -1
    assert -1e-300 < sl.certified_smallest_eigenvalue(np.zeros((3, 3))) < 0
    parallel = np.array([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0]])
    assert -1e-14 < sl.certified_smallest_eigenvalue(sl.infinite_ntk(parallel)) <= 0


def test_entry_errors_widen_by_their_largest_row_sum():
    errors = np.array([[0.0, 0.25], [0.25, 0.125]])
    plain = sl.certified_smallest_eigenvalue(np.eye(2))
    assert plain - sl.certified_smallest_eigenvalue(np.eye(2), errors) == pytest.approx(0.375)
    assert plain - sl.certified_smallest_eigenvalue(np.eye(2), 0.1) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("H", "error", "message"),
    [
        (np.ones((2, 3)), 0, "shape"),
        (np.zeros((0, 0)), 0, "shape"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), 0, "finite"),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), 0, "symmetric"),
        (np.eye(2), -1.0, "entry_error"),
        (np.eye(2), np.nan, "entry_error"),
    ],
)
def test_bad_input_is_refused(H, error, message):
    with pytest.raises(ValueError, match=message):
        sl.certified_smallest_eigenvalue(H, error)


def test_the_constant_covers_quotients_by_way_of_reciprocals():
    """BLAS may multiply by the rounded 1 / r_jj: two roundings. The factor's error, by exact fractions."""
    n, u = 7, Fraction(1, 2**53)
    gamma = (n + 1) * u / (1 - (n + 1) * u)
    for seed in range(20):
        A = np.random.default_rng(seed).normal(size=(n, n))
        B = A @ A.T + 1e-3 * np.eye(n)
        B = (B + B.T) / 2
        R = np.zeros((n, n))
        for j in range(n):
            for i in range(j):
                s = B[i, j]
                for k in range(i):
                    s -= R[k, i] * R[k, j]
                R[i, j] = s * (1.0 / R[i, i])
            s = B[j, j]
            for k in range(j):
                s -= R[k, j] * R[k, j]
            R[j, j] = np.sqrt(s)
        exact = [[Fraction(float(v)) for v in row] for row in R]
        squares = [sum((exact[k][j] ** 2 for k in range(n)), Fraction(0)) for j in range(n)]
        for i in range(n):
            for j in range(n):
                D = sum((exact[k][i] * exact[k][j] for k in range(n)), Fraction(0)) - Fraction(float(B[i, j]))
                assert gamma**2 * squares[i] * squares[j] >= D**2


def test_no_entry_error_is_claimed_for_rows_whose_squares_vanish():
    with pytest.raises(ValueError, match=r"infinite_ntk_entry_error: X must have a number of at least 1e-150"):
        infinite_ntk_entry_error(np.eye(2) * 1e-160)
    assert infinite_ntk_entry_error(np.eye(2) * 1e-149) > 2 * 1e-298 * 2.0**-53
