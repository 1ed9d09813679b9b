"""A round on shards and minibatches against sums over every mask and every batch, and against that on all rows."""

import itertools

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.theory.course import Course
from subnetlab.theory.eigen_round import EigenRound
from subnetlab.theory.linearized import linearized_course
from subnetlab.theory.matrix_round import MatrixRound
from subnetlab.theory.round_map import RoundMap
from subnetlab.theory.seen_rows import SeenRows


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y, N = rows(5, 6), np.linspace(-1, 1, 5), 5
NETWORK = sl.ShallowReLU.initialize(50, 6, seed=3)
KERNEL = sl.finite_ntk(NETWORK, X)
PARTS = (np.array([0, 3, 4]), np.array([1, 2]))


def indicator(part):
    return np.isin(np.arange(N), part).astype(float)


def shards(shares=(0.5, 0.5), spreads=None):
    return SeenRows(shares, tuple(map(indicator, PARTS)), spreads or tuple(np.zeros((N, N)) for _ in PARTS))


WHOLE = SeenRows((1.0,), (np.ones(N),), (np.zeros((N, N)),))


def pull(H, part, eta, tau):
    E = np.diag(indicator(part))
    return eta * sum(np.linalg.matrix_power(np.eye(N) - eta * E @ H @ E, t) @ E for t in range(tau))


@pytest.mark.parametrize("masks", [sl.Bernoulli(2, 0.3), sl.Bernoulli(3, 0.6), sl.Categorical(3)])
def test_what_moves_neurons_is_the_mean_over_every_mask(masks):
    """Two neurons that are moved and two whose outputs are noise: all 2^(4p) or p^4 draws, with their chances."""
    p, xi = masks.n_subnetworks, masks.selection_prob
    numbers = RoundMap.of(masks, 0.7, 3, shards((2 / 3, 1 / 3) if p == 3 else (0.5, 0.5)))
    H = xi * KERNEL
    S = [pull(H, PARTS[l % 2], 0.7, 3) for l in range(p)]
    rng = np.random.default_rng(1)
    error, g = rng.normal(size=N), rng.normal(size=(2, N))
    if isinstance(masks, sl.Categorical):
        draws = [
            (np.array([[float(at == l) for at in held] for l in range(p)]), p**-4.0)
            for held in itertools.product(range(p), repeat=4)
        ]
    else:
        draws = []
        for bits in itertools.product((0.0, 1.0), repeat=4 * p):
            held = np.array(bits).reshape(p, 4)
            draws.append((held, xi ** held.sum() * (1 - xi) ** (4 * p - held.sum())))
    mean, of_one, of_two = np.zeros(N), np.zeros((N, N)), np.zeros((N, N))
    for held, chance in draws:
        seen = [S[l] @ (error + (held[l, 2:] - xi) @ g) for l in range(p)]
        first, second = (sum(held[l, r] * seen[l] for l in range(p)) / max(held[:, r].sum(), 1) for r in (0, 1))
        mean += chance * first
        of_one += chance * np.outer(first, first)
        of_two += chance * np.outer(first, second)
    step, E = MatrixRound(numbers, H), np.outer(error, error)
    np.testing.assert_allclose(numbers.coverage * step.pull @ error, mean, atol=1e-12)
    shared, own = step.noise(g.T @ g, E)
    np.testing.assert_allclose(shared, of_two - np.outer(mean, mean), atol=1e-12)
    np.testing.assert_allclose(own + step.chance(E), of_one - of_two, atol=1e-12)


def every_local_training(H, own, batch, eta, tau):
    """What local training makes of an error, and eta times the weighted residuals it adds up, for every batch."""
    for batches in itertools.product(itertools.combinations(own, batch), repeat=tau):
        left, driving, seen = np.eye(N), np.zeros((N, N)), [np.eye(N)]
        for drawn in batches:
            weights = indicator(drawn) * len(own) / batch
            driving = driving + eta * weights[:, None] * left
            left = left - eta * H @ (weights[:, None] * left)
            seen.append(left)
        yield driving, seen


@pytest.mark.parametrize(("p", "n_shards", "batch"), [(1, None, 2), (2, 2, 1)])
def test_without_masks_every_draw_of_the_batches_is_averaged(p, n_shards, batch):
    """With xi = 1 nothing is left out: three rounds of two steps, all draws, to 12 digits."""
    scheme = sl.TrainingScheme(
        sl.AllNeurons(p), rounds=3, local_steps=2, step_size=0.9, shards=n_shards, batch_size=batch
    )
    prediction = sl.predict(sl.lazy_model(NETWORK, X, Y), scheme, patterns="frozen", seed=4)
    parts = [np.flatnonzero(seen) for seen in prediction.round_map.rows.seen]
    draws = [list(every_local_training(KERNEL, parts[l % len(parts)], batch, 0.9, 2)) for l in range(p)]
    maps = [np.eye(N) - KERNEL @ sum(D for D, _ in drawn) / p for drawn in itertools.product(*draws)]
    error = NETWORK.output(X) - Y
    R = np.outer(error, error)
    for k in range(3):
        assert prediction.full_error[k] == pytest.approx(np.trace(R), rel=1e-12)
        for t in range(2):
            inside = np.mean([np.mean([np.trace(s[t + 1] @ R @ s[t + 1].T) for _, s in drawn]) for drawn in draws])
            assert prediction.local_error[k, t] == pytest.approx(inside, rel=1e-12)
        R = sum(A @ R @ A.T for A in maps) / len(maps)


@pytest.mark.parametrize("n_shards", [None, 2])
def test_weights_of_batches_spread_as_over_every_batch(n_shards):
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=1, shards=n_shards, batch_size=2)
    found = SeenRows.of(scheme, N, seed=7)
    for _, seen, spread in found:
        own = np.flatnonzero(seen)
        weights = np.array([indicator(b) * len(own) / 2 for b in itertools.combinations(own, 2)])
        np.testing.assert_allclose(weights.mean(axis=0), seen, atol=1e-14)
        np.testing.assert_allclose(spread, np.cov(weights.T, bias=True), atol=1e-14)
    assert found.shares == ((1.0,) if n_shards is None else (2 / 3, 1 / 3))


def test_batches_of_all_rows_are_no_batches():
    assert SeenRows.of(sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=1, batch_size=N), N, 0) is None
    assert SeenRows.of(sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=1), N, 0) is None


def test_powers_are_rounds_one_by_one():
    """Seven rounds at once against seven products of n x n matrices, with a drift, noise and a weight."""
    masks = sl.Bernoulli(2, 0.6)
    step = MatrixRound(RoundMap.of(masks, 0.9, 3, shards()), 0.6 * KERNEL)
    rng = np.random.default_rng(2)
    error, drift, root, weight = (
        rng.normal(size=N),
        rng.normal(size=N),
        rng.normal(size=(N, N)),
        rng.normal(size=(N, N)),
    )
    F, noise, weight = root @ root.T, root.T @ root, weight + weight.T
    S = sum(pull(0.6 * KERNEL, part, 0.9, 3) for part in PARTS) / 2
    map_ = np.eye(N) - (1 - 0.4**2) * 0.6 * KERNEL @ S
    errors, Fs = [error], [F]
    for _ in range(7):
        errors.append(map_ @ errors[-1] + drift)
        Fs.append(map_ @ Fs[-1] @ map_.T + 0.36 * KERNEL @ noise @ KERNEL)
    np.testing.assert_allclose(step.errors(error, drift, 7), errors, atol=1e-12)
    np.testing.assert_allclose(step.covariance(F, noise, 7), Fs[-1], atol=1e-12)
    np.testing.assert_allclose(step.variances(weight, F, noise, 7), [np.sum(weight * F) for F in Fs], rtol=1e-11)
    last, mean = step.answer(7)
    without = step.errors(error, 0 * drift, 7)
    np.testing.assert_allclose(last @ drift, errors[-1] - without[-1], atol=1e-12)
    np.testing.assert_allclose(mean @ drift, np.mean(errors[:-1], axis=0) - without[:-1].mean(axis=0), atol=1e-12)
    settled = step.settled(noise)
    np.testing.assert_allclose(map_ @ settled @ map_.T + 0.36 * KERNEL @ noise @ KERNEL, settled, atol=1e-11)
    moves = [np.eye(N)]
    for _ in range(4):
        moves.append(moves[-1] @ map_.T)
    np.testing.assert_allclose(step.taken_back(4), moves[4], atol=1e-12)


@pytest.mark.parametrize("masks", [sl.Bernoulli(3, 0.4), sl.Categorical(3), sl.AllNeurons()])
def test_one_shard_of_all_rows_is_no_shard(masks):
    """All that the moving prediction asks of a round, in matrices and in eigenvectors."""
    plain = EigenRound(RoundMap.of(masks, 0.8, 3), masks.selection_prob * KERNEL)
    step = MatrixRound(RoundMap.of(masks, 0.8, 3, WHOLE), masks.selection_prob * KERNEL)
    rng = np.random.default_rng(2)
    error, drift, root = rng.normal(size=N), rng.normal(size=N), rng.normal(size=(N, N))
    C, F = root @ root.T, 0.1 * root.T @ root
    np.testing.assert_allclose(step.pull, plain.pull, atol=1e-12)
    numbers, H = RoundMap.of(masks, 0.8, 3), masks.selection_prob * KERNEL
    theta, unit = numbers.coverage, np.eye(N)
    errors = [error]
    for _ in range(6):
        errors.append(errors[-1] - theta * H @ plain.pull @ errors[-1] + drift)
    np.testing.assert_allclose(step.errors(error, drift, 6), errors, atol=1e-12)
    np.testing.assert_allclose(step.taken_back(6), plain.taken_back(6), atol=1e-12)
    left, answered = np.zeros((N, N)), np.zeros((N, N))
    for part in (0.5, 0.3, 0.2):
        answered, left = answered + 0.8 * left, left - 0.8 * H @ left + part * unit
    for found, expected in zip(step.loss_at_the_end(np.array([0.5, 0.3, 0.2])), (left, answered), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    own = step.own_root(C, error, F, 6)
    of_masks = numbers.own * numbers.mask_variance * plain.pull @ C @ plain.pull
    chance = theta * (1 - theta) * plain.pull @ F @ plain.pull
    np.testing.assert_allclose(own @ own.T, 6 * (of_masks + chance), atol=1e-11)
    shared, shared_plain = (s.shared_root(C, error, F, 6) for s in (step, plain))
    np.testing.assert_allclose(shared @ shared.T, shared_plain @ shared_plain.T, atol=1e-11)
    errors, courses = np.array(errors), []
    for s in (step, plain):
        course = Course(RoundMap.of(masks, 0.8, 3), 6)
        courses.append((course, s.write(course, 0, errors, F, C)))
    np.testing.assert_allclose(courses[0][1], courses[1][1], atol=1e-11)
    for name in ("mean", "noise", "subnetworks"):
        np.testing.assert_allclose(*(getattr(course, name) for course, _ in courses), rtol=1e-10)


def test_local_training_answers_to_a_loss_on_its_own_rows():
    """By a loop over local steps; what is not left of the loss is what the steps have made up for."""
    step = MatrixRound(RoundMap.of(sl.Categorical(2), 0.8, 4, shards()), 0.5 * KERNEL)
    rng = np.random.default_rng(5)
    error, root, loss = rng.normal(size=N), rng.normal(size=(N, N)), rng.normal(size=N)
    C, H = root @ root.T, 0.5 * KERNEL
    left, answered = step.loss_at_the_end(step.sizes(C, error))
    when = np.zeros(4)
    for part in PARTS:
        R = np.outer(error, error) + 0.25 * C
        for t in range(4):
            M = H * indicator(part)
            when[t] += np.trace(M @ R @ M.T) / 2
            R = (np.eye(N) - 0.8 * M) @ R @ (np.eye(N) - 0.8 * M).T
    when = np.sqrt(when) / np.sqrt(when).sum()
    ends, steps = [], []
    for part in PARTS:
        now, total = np.zeros(N), np.zeros(N)
        for share in when:
            total = total + 0.8 * indicator(part) * now
            now = now - 0.8 * H @ (indicator(part) * now) + share * loss
        ends.append(now)
        steps.append(total)
    np.testing.assert_allclose(left @ loss, np.mean(ends, axis=0), atol=1e-12)
    np.testing.assert_allclose(answered @ loss, np.mean(steps, axis=0), atol=1e-12)
    np.testing.assert_allclose(H @ answered, np.eye(N) - left, atol=1e-12)


def test_a_course_on_one_shard_of_all_rows_is_the_course_on_all_rows():
    """At a width where the noise of products, which is left out, has no part."""
    from dataclasses import replace

    model = replace(sl.lazy_model(NETWORK, X, Y), width=10**12)
    plain, shard = (linearized_course(model, RoundMap.of(sl.Bernoulli(3, 0.4), 0.8, 3, r), 50) for r in (None, WHOLE))
    for name in ("mean", "noise", "subnetworks"):
        np.testing.assert_allclose(getattr(shard, name), getattr(plain, name), rtol=1e-6, atol=1e-12)
