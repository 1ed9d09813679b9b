"""Every preset is the method that it is named after: each is held to a plain loop of its own, with batches and shards.

The loops take from subnetlab which rows a worker sees in a step and which units it holds, and nothing else.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import subnetlab as sl
from subnetlab.modules.batches import rows_of_step

N, K, TAU, P, SEED, LR = 30, 4, 3, 3, 4, 0.1
cross_entropy = nn.functional.cross_entropy
BATCHES = [(7, None), (7, 2), (None, 3)]  # (batch_size, shards)
with_batches = pytest.mark.parametrize(("batch_size", "shards"), BATCHES)


def data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(N, 6, dtype=torch.float64, generator=generator), torch.randint(3, (N,), generator=generator)


X, Y = data()


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3)).double()


def trained(model, scheme, units=None, **settings):
    training = sl.ModuleTraining(sl.cut(model, X[:3], units), scheme, seed=SEED, **settings)
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches((X, Y)):
                subnet.step(cross_entropy(subnet.module(x), y))
    return training


def batch(scheme, k, l, t):
    step = k * scheme.local_steps + t
    rows = rows_of_step(SEED, l, step, n_samples=N, shards=scheme.shards, batch_size=scheme.batch_size)
    assert len(rows) == (scheme.batch_size or N // scheme.shards)
    return X[torch.from_numpy(rows)], Y[torch.from_numpy(rows)]


def assert_same(training, tensors):
    assert training.scheme.rounds == K
    assert set(training.entries) == set(tensors)
    assert max(float((tensors[name] - entry).abs().max()) for name, entry in training.entries.items()) < 1e-12


def descend(parameters, loss, lr=LR):
    parameters = list(parameters)
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= lr * gradient


def mean_state(models):
    states = [model.state_dict() for model in models]
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


@with_batches
def test_gradient_descent(batch_size, shards):
    model = perceptron()
    training = trained(model, sl.gradient_descent(K, LR, batch_size=batch_size, shards=shards))
    for k in range(K):
        x, y = batch(training.scheme, k, 0, 0)
        descend(model.parameters(), cross_entropy(model(x), y))
    assert_same(training, model.state_dict())


@with_batches
def test_dropout(batch_size, shards):
    """Inverted dropout with one mask for the batch."""
    model = perceptron()
    training = trained(model, sl.dropout(0.5, K, LR, batch_size=batch_size, shards=shards))
    for k in range(K):
        first, second = (torch.tensor(training.masks(k)[group][0] / 0.5) for group in ("0", "2"))
        x, y = batch(training.scheme, k, 0, 0)
        hidden = torch.relu(model[2](torch.relu(model[0](x)) * first)) * second
        descend(model.parameters(), cross_entropy(model[4](hidden), y))
    assert_same(training, model.state_dict())


@with_batches
def test_multi_sample_dropout(batch_size, shards):
    """Gradients of p dropout masks are added up, and divided for each weight by how many masks keep it."""
    model = perceptron()
    training = trained(model, sl.multi_sample_dropout(P, 0.6, K, LR, batch_size=batch_size, shards=shards))
    for k in range(K):
        first, second = (torch.tensor(training.masks(k)[group] * 1.0) for group in ("0", "2"))  # (p, units)
        losses = []
        for l in range(P):
            x, y = batch(training.scheme, k, l, 0)
            hidden = torch.relu(model[2](torch.relu(model[0](x)) * first[l] / 0.6)) * second[l] / 0.6
            losses.append(cross_entropy(model[4](hidden), y))
        gradients = torch.autograd.grad(sum(losses), list(model.parameters()))
        kept = [
            first.sum(0)[:, None], first.sum(0), second.T @ first, second.sum(0), second.sum(0), torch.tensor(1.0 * P),
        ]  # fmt: skip
        with torch.no_grad():
            for parameter, gradient, count in zip(model.parameters(), gradients, kept, strict=True):
                parameter -= LR * gradient / count.clamp(min=1)
    assert_same(training, model.state_dict())


@with_batches
@pytest.mark.parametrize("balanced", [False, True])
def test_independent_subnets(balanced, batch_size, shards):
    """Hidden neurons are dealt out; every worker trains a small network and writes it back where it came from."""
    model = perceptron()
    scheme = sl.independent_subnets(P, K, TAU, LR, balanced=balanced, batch_size=batch_size, shards=shards)
    training = trained(model, scheme)
    W1, b1, W2, b2, W3, b3 = (parameter.detach() for parameter in model.parameters())
    for k in range(K):
        masks = training.masks(k)
        assert all((M.sum(axis=0) == 1).all() for M in masks.values())
        after, biases = [tensor.clone() for tensor in (W1, b1, W2, b2, W3)], []
        for l in range(P):
            i, j = (torch.from_numpy(np.flatnonzero(masks[group][l])) for group in ("0", "2"))
            assert not balanced or (len(i), len(j)) == (4, 3)
            small = [W1[i], b1[i], W2[j][:, i], b2[j], W3[:, j], b3]
            small = [tensor.clone().requires_grad_() for tensor in small]
            for t in range(TAU):
                x, y = batch(scheme, k, l, t)
                hidden = P * torch.relu(x @ small[0].T + small[1])
                hidden = P * torch.relu(hidden @ small[2].T + small[3])
                descend(small, cross_entropy(hidden @ small[4].T + small[5], y))
            places = [(i,), (i,), (j[:, None], i), (j,), (slice(None), j)]
            for tensor, place, own in zip(after, places, small, strict=False):
                tensor[place] = own.detach()
            biases.append(small[5].detach())
        W1, b1, W2, b2, W3 = after
        b3 = sum(biases) / P
    names = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
    assert_same(training, dict(zip(names, (W1, b1, W2, b2, W3, b3), strict=True)))


@with_batches
def test_local_sgd(batch_size, shards):
    model = perceptron()
    training = trained(model, sl.local_sgd(P, K, TAU, LR, batch_size=batch_size, shards=shards))
    for k in range(K):
        workers = [copy.deepcopy(model) for _ in range(P)]
        for l, worker in enumerate(workers):
            for t in range(TAU):
                x, y = batch(training.scheme, k, l, t)
                descend(worker.parameters(), cross_entropy(worker(x), y))
        model.load_state_dict(mean_state(workers))
    assert_same(training, model.state_dict())


@with_batches
def test_diloco(batch_size, shards):
    """AdamW inside; the mean of the workers' movements is the gradient of an outer Nesterov SGD."""

    def adamw(params):
        return torch.optim.AdamW(params, lr=0.01, weight_decay=0.1)

    model = perceptron()
    training = trained(model, sl.diloco(P, K, TAU, batch_size=batch_size, shards=shards), optimizer=adamw)
    outer = torch.optim.SGD(model.parameters(), lr=0.7, momentum=0.9, nesterov=True)
    for k in range(K):
        workers = [copy.deepcopy(model) for _ in range(P)]
        for l, worker in enumerate(workers):
            inner = adamw(worker.parameters())
            for t in range(TAU):
                x, y = batch(training.scheme, k, l, t)
                inner.zero_grad()
                cross_entropy(worker(x), y).backward()
                inner.step()
        mean = mean_state(workers)
        for name, parameter in model.named_parameters():
            parameter.grad = parameter.detach() - mean[name]
        outer.step()
    assert_same(training, model.state_dict())


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(5, 7), nn.Linear(7, 5)

    def forward(self, x, factor=1.0):
        return x + factor * self.down(torch.relu(self.up(x)))


@pytest.mark.parametrize("scale", [0.0, 1.0])
@with_batches
def test_resist(batch_size, shards, scale):
    """A worker trains a shallower network of its own blocks; the rest of the network is the workers' mean.

    ResIST multiplies nothing (scale 0); by default a block counts p times while it is one of m / p.
    """
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), *(Block() for _ in range(6)), nn.Linear(5, 3)).double()
    scheme = sl.resist(P, K, TAU, 0.05, batch_size=batch_size, shards=shards)
    training = trained(model, scheme, "blocks", scale=scale)
    for k in range(K):
        owned = training.masks(k)["blocks"]
        assert owned.sum(axis=0).tolist() == [1] * 6
        assert owned.sum(axis=1).tolist() == [2] * P
        workers = [copy.deepcopy(model) for _ in range(P)]
        for l, worker in enumerate(workers):
            stem, *blocks, head = worker
            own = [block for block, is_own in zip(blocks, owned[l], strict=True) if is_own]
            for t in range(TAU):
                x, y = batch(scheme, k, l, t)
                hidden = stem(x)
                for block in own:
                    hidden = block(hidden, float(P) ** scale)
                descend(nn.ModuleList([stem, *own, head]).parameters(), cross_entropy(head(hidden), y), 0.05)
        mean = mean_state(workers)
        for i in range(6):
            (owner,) = np.flatnonzero(owned[:, i])
            for name, tensor in workers[owner][i + 1].state_dict().items():
                mean[f"{i + 1}.{name}"] = tensor
        model.load_state_dict(mean)
    assert_same(training, model.state_dict())


@with_batches
@pytest.mark.parametrize("method", ["heterofl", "fedrolex", "fjord"])
def test_federated_dropout(method, batch_size, shards):
    """Each client trains the first units, or a window of them, with outputs over its share; weights take the mean."""
    shares = (1.0, 0.5, 0.34)
    made = getattr(sl, method)(P, K, TAU, 0.05, shares=shares, batch_size=batch_size, shards=shards)
    model = perceptron()
    training = trained(model, made)
    theta = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    sizes = {"0": 12, "2": 9}
    for k in range(K):
        total = {name: torch.zeros_like(tensor) for name, tensor in theta.items()}
        count = {name: torch.zeros_like(tensor) for name, tensor in theta.items()}
        for l in range(P):
            share = shares[l] if method != "fjord" else float(np.mean(shares))
            a, b = (torch.from_numpy(held(method, training, k, l, group, shares, m)) for group, m in sizes.items())
            place = {
                "0.weight": (a,), "0.bias": (a,), "2.weight": (b[:, None], a), "2.bias": (b,),
                "4.weight": (slice(None), b), "4.bias": (slice(None),),
            }  # fmt: skip
            local = {name: theta[name][where].clone().requires_grad_() for name, where in place.items()}
            for t in range(TAU):
                x, y = batch(made, k, l, t)
                h = torch.relu(x @ local["0.weight"].T + local["0.bias"]) / share
                h = torch.relu(h @ local["2.weight"].T + local["2.bias"]) / share
                descend(local.values(), cross_entropy(h @ local["4.weight"].T + local["4.bias"], y), 0.05)
            for name, where in place.items():
                total[name][where] += local[name].detach() - theta[name][where]
                count[name][where] += 1
        theta = {name: theta[name] + total[name] / count[name].clamp(min=1) for name in theta}
    assert_same(training, theta)


def held(method, training, k, l, group, shares, m):
    """Return a client's units, checked: a prefix of its share, a window that moves by one, or a drawn prefix."""
    units = np.flatnonzero(training.masks(k)[group][l])
    sizes = [int(np.ceil(share * m)) for share in shares]
    if method == "heterofl":
        assert units.tolist() == list(range(sizes[l]))
    elif method == "fedrolex":
        assert sorted(units) == sorted((k + i) % m for i in range(sizes[l]))
    else:
        assert units.tolist() in [list(range(size)) for size in sizes]
    return units
