"""Each kernel by independent routes: closed form, sampling, finite differences, frozen-pattern training."""

import mpmath
import numpy as np
import pytest

import subnetlab as sl
from subnetlab.kernels.deep import deep_infinite_ntk
from subnetlab.kernels.infinite import infinite_ntk_entry_error


def unit_rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X = unit_rows(6, 4)
NET = sl.ShallowReLU.initialize(width=300, n_features=4, seed=1)
MASKS = sl.Bernoulli(3, 0.4).sample(seed=0, round=0, width=300)


def ntk_by_loops(network, X, mask):
    n, m = len(X), network.width
    K = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for w, chosen in zip(network.weights, mask, strict=True):
                if chosen and w @ X[i] >= 0 and w @ X[j] >= 0:
                    K[i, j] += X[i] @ X[j] / m
    return K


def ntk_by_jacobian(network, X, mask):
    """Central differences of the subnetwork's output; patterns do not change within the step here."""
    jacobian = np.empty((len(X), *network.weights.shape))
    for index in np.ndindex(network.weights.shape):
        sides = []
        for sign in (1, -1):
            weights = network.weights.copy()
            weights[index] += sign * 1e-6
            sides.append(sl.ShallowReLU(weights, network.output_weights).subnetwork_output(X, mask))
        jacobian[(slice(None), *index)] = (sides[0] - sides[1]) / 2e-6
    flat = jacobian.reshape(len(X), -1)
    return flat @ flat.T


def ntk_by_frozen_training(network, X, mask):
    """One gradient step of size eta moves the error vector by -eta K, so n steps from n targets read off K."""
    K, eta = np.empty((len(X), len(X))), 1e-7
    output = network.subnetwork_output(X, mask)
    for j in range(len(X)):
        gradient = network.subnetwork_gradient(X, output - np.eye(len(X))[j], mask)  # error vector e_j
        moved = sl.ShallowReLU(network.weights - eta * gradient, network.output_weights)
        K[:, j] = (output - moved.subnetwork_output(X, mask)) / eta
    return K


@pytest.mark.parametrize("route", [ntk_by_loops, ntk_by_jacobian, ntk_by_frozen_training])
def test_masked_ntk_by_other_routes(route):
    np.testing.assert_allclose(sl.masked_ntk(NET, X, MASKS[0]), route(NET, X, MASKS[0]), atol=2e-8)


def test_masked_ntk_of_all_subnetworks_and_of_the_whole():
    kernels = sl.masked_ntk(NET, X, MASKS)
    for kernel, mask in zip(kernels, MASKS, strict=True):
        np.testing.assert_array_equal(kernel, sl.masked_ntk(NET, X, mask))
    whole = sl.masked_ntk(NET, X, np.ones(300, dtype=bool))
    np.testing.assert_allclose(0.3 * whole, sl.finite_ntk(NET, X, 0.3), rtol=1e-14)


def test_mean_of_categorical_masked_kernels_is_the_finite_kernel():
    masks = sl.Categorical(4).sample(seed=2, round=0, width=300)
    np.testing.assert_allclose(sl.masked_ntk(NET, X, masks).mean(axis=0), sl.finite_ntk(NET, X, 1 / 4), rtol=1e-13)


def test_finite_kernel_approaches_the_infinite_one():
    """64 independent parts of 4,000 neurons; six standard errors of the mean fail by chance below 1e-6."""
    parts = np.array([sl.finite_ntk(sl.ShallowReLU.initialize(4000, 4, seed=s), X, 0.5) for s in range(64)])
    deviation = np.abs(parts.mean(axis=0) - sl.infinite_ntk(X, 0.5))
    assert np.all(deviation <= 6 * parts.std(axis=0, ddof=1) / 8 + 1e-15)


def exact_infinite_ntk(X):
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(v)) for v in row] for row in X]

        def dot(a, b):
            return mpmath.fsum(p * q for p, q in zip(a, b, strict=True))

        def entry(a, b):
            cosine = dot(a, b) / mpmath.sqrt(dot(a, a) * dot(b, b))
            return dot(a, b) * (mpmath.pi - mpmath.acos(min(cosine, mpmath.mpf(1)))) / (2 * mpmath.pi)

        return [[entry(a, b) for b in rows] for a in rows]


@pytest.mark.parametrize("gap", [1.0, 1e-4, 1e-8])
def test_infinite_kernel_keeps_its_digits_near_parallel_rows(gap):
    rows = unit_rows(3, 5)
    near = rows[0] + gap * rows[1]
    rows = np.vstack([rows, near / np.linalg.norm(near), -rows[2] + gap * rows[0]])
    H, exact = sl.infinite_ntk(rows), exact_infinite_ntk(rows)
    error = max(abs(float(exact[i][j] - float(H[i, j]))) for i in range(5) for j in range(5))
    assert error <= infinite_ntk_entry_error(rows)


def test_smallest_eigenvalue_at_an_angle_of_1e_8():
    c, s = np.cos(1e-8), np.sin(1e-8)
    H = sl.infinite_ntk(np.array([[1.0, 0.0], [c, s]]))
    assert sl.smallest_eigenvalue(H) == pytest.approx(1e-8 / (2 * np.pi), rel=1e-6)


def test_deep_kernel_with_one_layer_by_the_arc_cosine_formulas():
    cosine = np.clip(X @ X.T, -1, 1)
    phi = np.arccos(cosine)
    expected = cosine * (np.pi - phi) / np.pi + (np.sin(phi) + (np.pi - phi) * cosine) / np.pi
    np.testing.assert_allclose(deep_infinite_ntk(X, 1), expected, atol=1e-7)
    np.testing.assert_allclose(deep_infinite_ntk(X, 0), X @ X.T, rtol=1e-15)


def test_deep_kernel_by_integration_over_the_circle():
    """The recursion's expectations over two correlated normal numbers, the radius done by hand, depth 3."""
    grid = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)

    def expectations(cosine):
        first, second = np.cos(grid), np.cos(grid - np.arccos(cosine))
        relu = 4 * np.mean(np.maximum(first, 0) * np.maximum(second, 0))  # E radius^2 = 2
        step = 2 * np.mean((first >= 0) & (second >= 0))
        return relu, step

    cosine = float(X[0] @ X[1])
    kernel = cosine
    for _ in range(3):
        cosine, step = expectations(cosine)[0], expectations(cosine)[1]
        kernel = kernel * step + cosine
    assert deep_infinite_ntk(X, 3)[0, 1] == pytest.approx(kernel, rel=1e-4)


def test_deep_kernel_of_wide_networks():
    """Two hidden layers of 400 neurons, gradients by hand; six standard errors, with room for 1/width."""
    rng, width, pair = np.random.default_rng(0), 400, X[:3]
    kernels = []
    for _ in range(40):
        W1, W2, v = rng.normal(size=(width, 4)), rng.normal(size=(width, width)), rng.normal(size=width)
        h1, c = pair @ W1.T, np.sqrt(2 / width)
        a1 = np.maximum(h1, 0)
        h2 = c * a1 @ W2.T
        a2 = np.maximum(h2, 0)
        g2 = c * v * (h2 >= 0)  # gradient with respect to h2
        g1 = c * (g2 @ W2) * (h1 >= 0)
        last = c**2 * a2 @ a2.T
        middle = (g2 @ g2.T) * (c**2 * a1 @ a1.T)
        kernels.append(last + middle + (g1 @ g1.T) * (pair @ pair.T))
    deviation = np.abs(np.mean(kernels, axis=0) - deep_infinite_ntk(pair, 2))
    assert np.all(deviation <= 6 * np.std(kernels, axis=0, ddof=1) / np.sqrt(40) + 3 / width)
    assert np.all(np.std(kernels, axis=0) / np.sqrt(40) < 0.1)  # so that the check means something


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(299, dtype=bool), "mask must be bool of shape"),
        (np.ones(300), "mask must be bool"),
        (np.ones((0, 300), dtype=bool), "mask must be bool"),
        (np.ones((1, 2, 300), dtype=bool), "mask must be bool"),
    ],
)
def test_bad_masks_are_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        sl.masked_ntk(NET, X, mask)


def test_bad_rows_are_refused():
    with pytest.raises(ValueError, match="network's 4 features, got 3"):
        sl.masked_ntk(NET, X[:, :3], MASKS)
    with pytest.raises(ValueError, match="finite"):
        sl.masked_ntk(NET, np.full((2, 4), np.nan), MASKS)


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (np.full((2, 4), np.nan), ValueError, "X must be finite"),
        (np.zeros((2, 4)), ValueError, "rows of zeros"),
        (np.ones(4), ValueError, r"X must have shape \(n_samples, n_features\)"),
        ([["a"] * 4], TypeError, "X must hold real numbers"),
        (np.eye(4) * 1j, TypeError, "X must hold real numbers"),
    ],
)
@pytest.mark.parametrize(
    ("owner", "kernel"),
    [
        ("infinite_ntk", sl.infinite_ntk),
        ("finite_ntk", lambda rows: sl.finite_ntk(NET, rows)),
        ("deep_infinite_ntk", lambda rows: deep_infinite_ntk(rows, 2)),
    ],
)
def test_kernels_refuse_rows_that_have_none(owner, kernel, features, error, message):
    with pytest.raises(error, match=f"{owner}: .*{message}|{owner}: {message}"):
        kernel(features)


@pytest.mark.parametrize("xi", [0, 1.5, np.nan])
def test_kernels_refuse_what_is_no_probability(xi):
    for kernel in (sl.infinite_ntk, lambda rows, xi: sl.finite_ntk(NET, rows, xi)):
        with pytest.raises(ValueError, match="_ntk: selection_prob must be"):
            kernel(X, xi)


def test_the_finite_kernel_refuses_other_features():
    with pytest.raises(ValueError, match="finite_ntk: X must have the network's 4 features, got 3"):
        sl.finite_ntk(NET, X[:, :3])


@pytest.mark.parametrize(
    ("H", "message"),
    [
        (np.array([[np.nan, 0.0], [0.0, 1.0]]), "H must be finite"),  # LAPACK answers 0.0
        (np.ones((2, 3)), "shape"),
        (np.empty((0, 0)), "shape"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
    ],
)
def test_the_smallest_eigenvalue_refuses_what_is_no_symmetric_matrix(H, message):
    with pytest.raises(ValueError, match=f"smallest_eigenvalue: .*{message}"):
        sl.smallest_eigenvalue(H)


def test_the_smallest_eigenvalue_takes_a_matrix_that_is_symmetric_to_rounding():
    H = sl.infinite_ntk(X)
    H[0, 1] *= 1 + 1e-14
    assert sl.smallest_eigenvalue(H) == pytest.approx(sl.smallest_eigenvalue(H.T), rel=1e-10)


@pytest.mark.parametrize("exponent", [-490, -300, 0, 300, 490])
def test_kernels_are_homogeneous_to_the_last_bit(exponent):
    """H(s X) = s^2 H(X): a power of two changes no digit, and the proven bound of lambda_0 scales with it."""
    X = np.random.default_rng(3).standard_normal((12, 3))
    scaled, network = np.ldexp(X, exponent), sl.ShallowReLU.initialize(40, 3)
    for kernel in (sl.infinite_ntk, lambda X: sl.finite_ntk(network, X), lambda X: sl.deep_infinite_ntk(X, 2)):
        assert np.array_equal(kernel(scaled), np.ldexp(kernel(X), 2 * exponent))
    bound, scaled_bound = (
        sl.certified_smallest_eigenvalue(sl.infinite_ntk(rows), infinite_ntk_entry_error(rows)) for rows in (X, scaled)
    )
    assert infinite_ntk_entry_error(scaled) > 0
    assert scaled_bound == pytest.approx(np.ldexp(bound, 2 * exponent), rel=1e-6)


def test_a_tiny_row_among_others():
    X = np.array([[1.0, 0.0, 0.0], [0.3, 1.0, 0.0], [1.0, 1.0, 0.5]])
    scaled = X * np.array([[1e-150], [1.0], [1.0]])
    H, tiny = sl.infinite_ntk(X), sl.infinite_ntk(scaled)
    assert np.allclose(tiny[0], H[0] * np.array([1e-300, 1e-150, 1e-150]), rtol=1e-12, atol=0)
