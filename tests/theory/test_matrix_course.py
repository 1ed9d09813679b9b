"""The prediction with shards and minibatches against plain loops of linearized training, early and late."""

import numpy as np
import pytest

import subnetlab as sl


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


X, Y = rows(6, 8), np.linspace(-1, 1, 6)
KINDS = [  # masks, local steps, shards, batch size
    (sl.Bernoulli(4, 0.5), 1, 2, None),
    (sl.Bernoulli(3, 0.35), 5, 3, None),
    (sl.Bernoulli(3, 0.6), 2, 2, None),  # two subnetworks share a shard
    (sl.Categorical(3), 4, 3, None),
    (sl.Bernoulli(3, 0.5), 3, None, 2),
    (sl.Categorical(2), 3, 2, 1),
    (sl.AllNeurons(2), 4, 2, None),
]


def drawn_masks(masks, runs, m, rng):
    p = masks.n_subnetworks
    if isinstance(masks, sl.Categorical):
        return (rng.integers(p, size=(runs, 1, m)) == np.arange(p)[:, None]).astype(float)
    return (rng.random((runs, p, m)) < masks.selection_prob).astype(float)


def drawn_rows(runs, p, parts, n, batch, rng):
    weights = np.zeros((runs, p, n))
    for l in range(p):
        own = parts[l % len(parts)]
        size = len(own) if batch is None else min(batch, len(own))
        drawn = own[np.argsort(rng.random((runs, len(own))), axis=1)[:, :size]]
        np.put_along_axis(weights[:, l], drawn, len(own) / size, axis=1)
    return weights


def linear_training(X, Y, network, scheme, parts, runs):
    """|y - u_k|^2 and mean |y - f^l|^2 of many runs with the patterns of the start, by what neurons contribute."""
    rng, masks, eta = np.random.default_rng(0), scheme.masks, scheme.step_size
    m, xi, p, n = network.width, masks.selection_prob, masks.n_subnetworks, len(X)
    D, gram = (X @ network.weights.T >= 0).T.astype(float), X @ X.T / network.width
    P = (D[:, :, None] * D[:, None, :] * gram).reshape(m, n * n)
    g = np.repeat((D * (network.weights @ X.T) * network.output_weights[:, None] / np.sqrt(m))[None], runs, axis=0)
    full, local = [np.sum((xi * g.sum(axis=1) - Y) ** 2, axis=1)], []
    for _ in range(scheme.rounds):
        M = drawn_masks(masks, runs, m, rng)
        K = (M @ P).reshape(runs, p, n, n)
        residual, driving = M @ g - Y, np.zeros((runs, p, n))
        inside = [np.sum(residual**2, axis=2).mean(axis=1)]
        for _ in range(scheme.local_steps):
            step = eta * drawn_rows(runs, p, parts, n, scheme.batch_size, rng) * residual
            driving += step
            residual = residual - (K @ step[..., None])[..., 0]
            inside.append(np.sum(residual**2, axis=2).mean(axis=1))
        share = M / np.maximum(M.sum(axis=1, keepdims=True), 1)
        g = g - D * ((D * (share.transpose(0, 2, 1) @ driving)) @ gram)
        full.append(np.sum((xi * g.sum(axis=1) - Y) ** 2, axis=1))
        local.append(inside)
    return np.array(full).T, np.array(local).transpose(2, 0, 1)


def parts_of(prediction):
    return [np.flatnonzero(seen) for seen in prediction.round_map.rows.seen]


@pytest.mark.parametrize(("masks", "tau", "n_shards", "batch"), KINDS)
def test_prediction_of_linear_training(masks, tau, n_shards, batch):
    """Mean of 60 runs with 1,000 neurons: within four standard errors and two per cent (order 1/m) in each round."""
    network = sl.ShallowReLU.initialize(1000, 8, seed=3)
    scheme = sl.TrainingScheme(masks, rounds=15, local_steps=tau, step_size=0.9, shards=n_shards, batch_size=batch)
    prediction = sl.predict(sl.lazy_model(network, X, Y), scheme, patterns="frozen", seed=1)
    full, local = linear_training(X, Y, network, scheme, parts_of(prediction), 60)
    inside = np.column_stack([prediction.sampled_error, prediction.local_error])
    for measured, predicted in ((full, prediction.full_error), (local, inside)):
        allowed = 4 * measured.std(axis=0, ddof=1) / np.sqrt(60) + 0.02 * predicted + 1e-3
        assert np.all(np.abs(measured.mean(axis=0) - predicted) <= allowed)


@pytest.mark.parametrize(
    ("masks", "tau", "n_shards", "batch"),
    [(sl.Bernoulli(4, 0.5), 2, 2, None), (sl.Categorical(2), 3, 2, None), (sl.Bernoulli(1, 0.5), 2, None, 2)],
)
def test_noise_of_shards_and_batches_wears_off(masks, tau, n_shards, batch):
    """150 neurons, 400 rounds, 30 runs: within four standard errors and six per cent, and far below the plateau."""
    X, y = rows(5, 4), np.array([0.8, -0.5, 0.25, -1.0, 1.0])
    network = sl.ShallowReLU.initialize(150, 4, seed=2)
    scheme = sl.TrainingScheme(masks, rounds=400, local_steps=tau, step_size=1.0, shards=n_shards, batch_size=batch)
    prediction = sl.predict(sl.lazy_model(network, X, y), scheme, patterns="frozen")
    full, _ = linear_training(X, y, network, scheme, parts_of(prediction), 30)
    for first, last in ((30, 60), (60, 120), (120, 200), (200, 400)):
        measured = full[:, first:last].mean(axis=1)
        allowed = 4 * measured.std(ddof=1) / np.sqrt(30) + 0.06 * measured.mean()
        assert abs(measured.mean() - prediction.full_error[first:last].mean()) <= allowed
    assert full[:, 350:].mean() < prediction.plateau / 2


def test_runs_of_the_linearized_engine():
    """Every seed has shards of its own: the mean over 30 seeds of run minus prediction, four standard errors and 2%."""
    network = sl.ShallowReLU.initialize(1000, 8, seed=3)
    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=20, local_steps=3, step_size=0.9, shards=2, batch_size=2)
    model, found, expected = sl.lazy_model(network, X, Y), [], []
    for seed in range(30):
        found.append(sl.train(network, X, Y, scheme, seed=seed, engine="linearized").history.full_error)
        expected.append(sl.predict(model, scheme, patterns="frozen", seed=seed).full_error)
    assert np.std(expected, axis=0).max() > 0.02  # shards do matter
    away = np.array(found) - expected
    allowed = 4 * away.std(axis=0, ddof=1) / np.sqrt(30) + 0.02 * np.mean(expected, axis=0)
    assert np.all(np.abs(away.mean(axis=0)) <= allowed)


@pytest.mark.parametrize(
    ("masks", "tau", "n_shards", "batch"), [(sl.Bernoulli(2, 0.5), 1, 2, None), (sl.Categorical(3), 2, 3, 1)]
)
def test_the_curve_ends_at_the_floor(masks, tau, n_shards, batch):
    model = sl.lazy_model(sl.ShallowReLU.initialize(40, 4, seed=1), rows(5, 4), Y[:5])
    scheme = sl.TrainingScheme(masks, rounds=100_000, local_steps=tau, step_size=0.7, shards=n_shards, batch_size=batch)
    prediction = sl.predict(model, scheme, patterns="frozen")
    assert prediction.full_error[-1] == pytest.approx(prediction.floor, rel=0.03)
    assert prediction.floor < prediction.plateau


def test_averages_over_initial_networks():
    """The mean of 100 networks' predictions; five standard errors."""
    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=10, local_steps=2, step_size=0.9, shards=2)
    networks = (sl.ShallowReLU.initialize(2000, 8, 0.7, seed=s) for s in range(100))
    models = [sl.lazy_model(network, X, Y, n_neurons=64) for network in networks]
    several = np.array([sl.predict(model, scheme, patterns="frozen").full_error for model in models])
    average = sl.predict(sl.average_lazy_model(X, Y, 2000, 0.7), scheme).full_error
    allowed = 5 * several.std(axis=0, ddof=1) / 10 + 0.005
    assert np.all(np.abs(several.mean(axis=0) - average) <= allowed)


def test_shards_that_contradict_each_other_end_between_their_targets():
    """The same row in two shards with targets 0.4 and -1: local SGD of full networks, followed for 4,000 rounds."""
    X, y = np.vstack([rows(3, 4), rows(3, 4)[:1]]), np.array([0.4, 0.3, -0.2, -1.0])
    model = sl.lazy_model(sl.ShallowReLU.initialize(60, 4, seed=1), X, y)
    for seed in range(20):  # until the two rows are in two shards
        scheme = sl.TrainingScheme(sl.AllNeurons(2), rounds=4000, local_steps=3, step_size=0.9, shards=2)
        prediction = sl.predict(model, scheme, patterns="frozen", seed=seed)
        if prediction.round_map.rows.seen[0][0] != prediction.round_map.rows.seen[0][3]:
            break
    assert prediction.full_error[-1] == pytest.approx(prediction.floor, rel=1e-6)
    assert prediction.floor >= 2 * 0.7**2 - 1e-9


def test_unstable_steps_have_no_floor():
    model = sl.lazy_model(sl.ShallowReLU.initialize(500, 8, seed=0), X, Y)
    mean = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=5, step_size=100.0, shards=2)
    noise = sl.TrainingScheme(sl.AllNeurons(), rounds=5, step_size=1.0, batch_size=1)  # of single rows, eta h near 2
    for scheme in (mean, noise):
        prediction = sl.predict(model, scheme, patterns="frozen")
        assert prediction.floor == prediction.plateau == np.inf
