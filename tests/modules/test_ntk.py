"""Tangent kernels of modules, against loops of plain autograd over the user's own module, and the shallow kernels."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import subnetlab as sl  # noqa: E402
from subnetlab.modules import ntk  # noqa: E402
from subnetlab.modules.ntk import mean_module_ntk  # noqa: E402


class SmallConvolutions(nn.Module):
    """Batch norm with statistics of its own, and dropout."""

    def __init__(self):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.c2, self.fc = nn.Conv2d(5, 4, 3), nn.Linear(4, 3)
        self.b1.running_mean.normal_()
        self.b1.running_var.uniform_(0.5, 2)

    def forward(self, x):
        h = self.b1(self.c1(x)).tanh()
        return self.fc(nn.functional.dropout(self.c2(h).relu().mean((2, 3)), 0.3, self.training))


class Attention(nn.Module):
    """Fused queries, keys and values by hand, then a hidden layer; two results."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.up, self.down = nn.Linear(8, 6), nn.Linear(6, 2)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        h = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d)
        h = (x + self.out(h)).mean(1)
        return {"of the row": self.down(torch.tanh(self.up(h))), "its mean": h.mean(1)}


# a network, its rows, and by group the weights that sum over its units: (name, dimension, entries of a unit)
NETWORKS = {
    "convolutions": (SmallConvolutions, (4, 2, 5, 5), {"c1": ("c2.weight", 1, 1), "c2": ("fc.weight", 1, 1)}),
    "attention": (Attention, (4, 5, 8), {"qkv": ("out.weight", 1, 4), "up": ("down.weight", 1, 1)}),
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)),
        (5, 3),
        {"0": ("2.weight", 1, 1), "2": ("4.weight", 1, 1)},
    ),
}
MASKS = {
    "convolutions": {"c1": [1, 0, 1, 1, 0], "c2": [0, 1, 1, 0]},
    "attention": {"qkv": [0, 1], "up": [1, 1, 0, 0, 1, 0]},
    "perceptron": {"0": [1, 0, 0, 1, 1, 0], "2": [0, 1, 1, 1, 0]},
}
FACTORS = {"c1": 1.5, "c2": 0.7, "qkv": 2.0, "up": 0.3, "0": 0.9, "2": 1.7}


def made(name):
    torch.manual_seed(5)
    make, shape, consumers = NETWORKS[name]
    model = make().double()
    X = torch.randn(*shape, dtype=torch.float64)
    masks = {group: np.array(mask, dtype=bool) for group, mask in MASKS[name].items()}
    return model, X, sl.cut(model, X), masks, consumers


def rows_of_gradients(model, X, change=lambda weights: weights):
    """d f_a(x_i) / d theta, one row for each i and a: a plain loop over the user's own module in evaluation mode."""
    model = copy.deepcopy(model).eval()
    stored = {name: p.detach().clone().requires_grad_(p.requires_grad) for name, p in model.named_parameters()}
    trained = [p for p in stored.values() if p.requires_grad]
    rows = []
    for i in range(len(X)):
        result = torch.func.functional_call(model, change(stored), (X[i : i + 1],))
        result = list(result.values()) if isinstance(result, dict) else [result]
        for f in torch.cat([part.reshape(-1) for part in result]):
            gradients = torch.autograd.grad(f, trained, retain_graph=True, allow_unused=True, materialize_grads=True)
            rows.append(np.concatenate([g.detach().numpy().ravel() for g in gradients]))
    return np.array(rows)


def with_numbers(consumers, masks, factors):
    """The weights that sum over units, times a number for each unit: 0 where it is left out."""

    def change(weights):
        weights = dict(weights)
        for group, (name, dimension, repeat) in consumers.items():
            numbers = torch.from_numpy(np.repeat(masks[group] * factors[group], repeat))
            weight = weights[name]
            weights[name] = weight * numbers.reshape([-1 if d == dimension else 1 for d in range(weight.ndim)])
        return weights

    return change


def product_by_hand(J):
    G = np.zeros((len(J), len(J)))
    for i, row in enumerate(J):
        for j, other in enumerate(J):
            G[i, j] = np.sum(row * other)
    return G


def shallow(width=40, n_features=5, rows=8):
    """The paper's network, and the same as a module: output weights fixed, 1 / sqrt m in them."""
    X = np.random.default_rng(0).standard_normal((rows, n_features))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    net = sl.ShallowReLU.initialize(width, n_features, seed=1)
    model = nn.Sequential(nn.Linear(n_features, width, bias=False), nn.ReLU(), nn.Linear(width, 1, bias=False))
    model = model.double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(net.weights))
        model[2].weight.copy_(torch.tensor(net.output_weights)[None] / width**0.5)
    model[2].weight.requires_grad_(False)
    return net, sl.cut(model, torch.tensor(X[:2])), X


@pytest.mark.parametrize("name", NETWORKS)
def test_the_whole_kernel_is_that_of_plain_autograd(name):
    model, X, cut, _, _ = made(name)
    kernel = sl.module_ntk(cut, X)
    G = kernel.matrix()
    assert (kernel.n_samples, kernel.n_parameters) == (len(X), sum(p.numel() for p in model.parameters()))
    np.testing.assert_allclose(G, product_by_hand(rows_of_gradients(model, X)), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(G, G.T)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_masked_kernel_is_that_of_zeros_and_factors_where_units_are_consumed(name):
    model, X, cut, masks, consumers = made(name)
    own = {group: FACTORS[group] for group in masks}
    J = rows_of_gradients(model, X, with_numbers(consumers, masks, own))
    kernel = sl.module_ntk(cut, X, masks=masks, factors=own)
    np.testing.assert_allclose(kernel.matrix(), product_by_hand(J), rtol=1e-10, atol=1e-12)
    held = cut.units.held(masks)  # what is not held adds nothing, and is not counted
    sizes = {
        n: np.prod([s if h is None else len(h) for s, h in zip(p.shape, held[n], strict=True)])
        for n, p in model.named_parameters()
    }
    assert kernel.n_parameters == sum(sizes.values())


def test_a_masked_kernel_is_that_of_the_subnetworks_own_parameters():
    """Oracle: autograd over the sliced module as training hands it out."""
    _, X, cut, masks, _ = made("perceptron")
    subnet = cut.subnetwork(masks, {"0": 2.0, "2": 0.5})
    rows = []
    for i in range(len(X)):
        for f in subnet(X[i : i + 1])[0]:
            gradients = torch.autograd.grad(f, list(subnet.parameters()), retain_graph=True)
            rows.append(torch.cat([g.flatten() for g in gradients]).numpy())
    G = sl.module_ntk(cut, X, masks=masks, factors={"0": 2.0, "2": 0.5}).matrix()
    np.testing.assert_allclose(G, product_by_hand(np.array(rows)), rtol=1e-10, atol=1e-13)


def test_a_group_of_which_nothing_is_selected():
    """Nothing but the last bias is left of the derivatives: f is that bias."""
    _, X, cut, masks, _ = made("perceptron")
    G = sl.module_ntk(cut, X, masks={**masks, "2": np.zeros(5, dtype=bool)}).matrix()
    np.testing.assert_allclose(G.reshape(5, 2, 5, 2), np.broadcast_to(np.eye(2)[None, :, None], (5, 2, 5, 2)))


def test_one_hidden_layer_has_the_shallow_kernels():
    net, cut, X = shallow()
    np.testing.assert_allclose(sl.module_ntk(cut, X).matrix(), sl.finite_ntk(net, X), atol=1e-14)
    mask = np.random.default_rng(2).random(40) < 0.4
    kernel = sl.module_ntk(cut, X, masks={"0": mask}, factors={"0": 2.5})
    np.testing.assert_allclose(kernel.matrix(), 2.5**2 * sl.masked_ntk(net, X, mask), atol=1e-13)
    assert kernel.eigenvalues().smallest == pytest.approx(np.linalg.eigvalsh(kernel.matrix())[0], abs=1e-14)


def test_the_mean_over_masks_is_the_papers_kernel():
    """Equal to H for masks that share the neurons out, in every round; else within its standard error."""
    net, cut, X = shallow()
    shared = mean_module_ntk(cut, X, sl.Categorical(4), rounds=3, scale=0.0)
    np.testing.assert_allclose(shared.matrix, sl.finite_ntk(net, X, 0.25), atol=1e-14)
    assert shared.standard_error < 1e-8
    law = sl.Bernoulli(3, 0.5)
    drawn = mean_module_ntk(cut, X, law, rounds=12, seed=4, scale=1.0)
    kernels = [sl.masked_ntk(net, X, law.sample(4, k, 40)).mean(axis=0) / 0.5**2 for k in range(12)]
    np.testing.assert_allclose(drawn.matrix, np.mean(kernels, axis=0), atol=1e-13)
    error = np.sqrt(np.var(kernels, axis=0, ddof=1).sum() / 12)
    assert drawn.standard_error == pytest.approx(error)
    assert np.linalg.norm(drawn.matrix - sl.finite_ntk(net, X) / 0.5) < 4 * error
    assert np.isnan(mean_module_ntk(cut, X, law, rounds=1).standard_error)


@pytest.mark.parametrize("name", NETWORKS)
def test_products_and_blocks_of_any_size_give_the_same_kernel(name, monkeypatch):
    _, X, cut, masks, _ = made(name)
    G = sl.module_ntk(cut, X, masks=masks).matrix()
    v = np.random.default_rng(0).standard_normal(len(G))
    for batch_size in (1, 3, 100):
        kernel = sl.module_ntk(cut, X, masks=masks, batch_size=batch_size)
        np.testing.assert_allclose(kernel.product(v), G @ v, rtol=1e-10, atol=1e-12)
    for block, part in ((1, 1), (3.5 * kernel.n_parameters, 2 * kernel.n_parameters)):
        monkeypatch.setattr(ntk, "_BLOCK_ENTRIES", int(block))
        monkeypatch.setattr(ntk, "_PART_ENTRIES", int(part))
        np.testing.assert_allclose(kernel.matrix(), G, rtol=1e-12, atol=1e-14)


def test_lanczos_finds_the_ends_of_the_exact_spectrum():
    _, _, cut, _, _ = made("convolutions")
    X = torch.randn(12, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    kernel = sl.module_ntk(cut, X)
    exact, fast = kernel.eigenvalues(), kernel.eigenvalues(method="lanczos", accuracy=1e-8, seed=3)
    assert (exact.products, kernel.size) == (None, 36)
    assert fast.smallest == pytest.approx(exact.smallest, abs=fast.smallest_residual + 1e-12 * exact.largest)
    assert fast.largest == pytest.approx(exact.largest, rel=1e-8)
    cut_short = kernel.eigenvalues(method="lanczos", most_products=6)
    assert cut_short.smallest >= exact.smallest
    assert cut_short.smallest_residual > exact.smallest
    assert kernel.eigenvalues(method="lanczos", most_products=6) == cut_short
    values = np.linalg.eigvalsh(product_by_hand(rows_of_gradients(cut.model, X.double())))
    np.testing.assert_allclose([exact.smallest, exact.largest], values[[0, -1]], rtol=1e-8)


def test_large_kernels_are_not_formed(monkeypatch):
    _, X, cut, _, _ = made("perceptron")
    monkeypatch.setattr(ntk, "_EXACT", 9)
    monkeypatch.setattr(ntk.ModuleNTK, "matrix", lambda self: pytest.fail("formed"))
    assert sl.module_ntk(cut, X).eigenvalues().products is not None


def test_the_same_bits_twice_and_nothing_is_left_behind():
    model, X, cut, masks, _ = made("convolutions")
    model.eval()
    before, random = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    first, second = (sl.module_ntk(cut, X, masks=masks) for _ in range(2))
    np.testing.assert_array_equal(first.matrix(), second.matrix())
    np.testing.assert_array_equal(first.matrix(), first.matrix())
    np.testing.assert_array_equal(first.product(np.ones(12)), second.product(np.ones(12)))
    assert not model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(random, torch.random.get_rng_state())
    assert "a measurement, no theorem covers it" in repr(first)


def test_single_precision_networks_and_arrays_are_computed_in_double():
    model, X, _, _, _ = made("convolutions")
    single = copy.deepcopy(model).float()
    G = sl.module_ntk(sl.cut(single, X.float()), X.numpy()).matrix()
    np.testing.assert_allclose(G, product_by_hand(rows_of_gradients(single.double(), X)), rtol=1e-10, atol=1e-12)


def test_a_network_that_refuses_single_rows():
    """torch's own attention takes another way for a batch of one: each row is computed beside itself."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True).double()
    X = torch.randn(3, 2, 8, dtype=torch.float64)
    kernel = sl.module_ntk(sl.cut(layer, X), X)
    J = rows_of_gradients(nn.Sequential(layer), X)
    np.testing.assert_allclose(kernel.matrix(), J @ J.T, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(kernel.product(J[:, 0]), J @ (J.T @ J[:, 0]), rtol=1e-9, atol=1e-11)


class OfTheBatch(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.a, self.b, self.kind = nn.Linear(3, 4), nn.Linear(4, 2), kind
        self.norm = nn.BatchNorm1d(4, track_running_stats=False)

    def forward(self, x):
        h = self.a(x)
        if self.kind == "statistics":
            h = self.norm(h)
        if self.kind == "mean":
            return self.b(h.relu()).mean(0)
        if self.kind == "random":
            h = h * torch.rand_like(h)
        if self.kind == "classes":
            return self.b(h).argmax(1)
        return self.b(h / (h > 1e9).sum() if self.kind == "infinite" else h)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("statistics", r"every row must have outputs of its own, but those of row 0 depend on the other rows"),
        (
            "mean",
            r"every output must hold real numbers and one row for each row of X, got torch.float64 of shape \(2,\)",
        ),
        ("random", r"the forward draws random numbers in evaluation mode, too \(rand_like\)"),
        ("classes", r"every output must hold real numbers and one row for each row of X, got torch.int64"),
        ("infinite", r"outputs must be finite"),
    ],
)
def test_networks_without_such_a_kernel_are_refused(kind, message):
    cut = sl.cut(OfTheBatch(kind), torch.randn(5, 3))
    with pytest.raises(sl.CutError, match=message):
        sl.module_ntk(cut, torch.randn(5, 3))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"cut": nn.Linear(3, 2)}, TypeError, "module_ntk: cut must be a Cut, got Linear"),
        ({"X": torch.zeros(4, 7)}, sl.CutError, r"an input must have the shape \(n, 3\)"),
        ({"X": torch.zeros(0, 3)}, sl.CutError, "X must have at least one row"),
        ({"masks": {"0": np.ones(6, dtype=bool)}}, sl.CutError, "masks must have one for every group"),
        ({"batch_size": 0}, ValueError, "module_ntk: batch_size must be at least 1, got 0"),
    ],
)
def test_arguments_that_break_a_rule_are_refused(change, error, message):
    _, X, cut, _, _ = made("perceptron")
    arguments = {"cut": cut, "X": X, **change}
    with pytest.raises(error, match=message):
        sl.module_ntk(arguments.pop("cut"), arguments.pop("X"), **arguments)


def test_what_cannot_be_computed_is_refused_before_memory_is_taken():
    model, X, cut, _, _ = made("perceptron")
    kernel = sl.module_ntk(cut, X)
    with pytest.raises(ValueError, match=r"module_ntk: v must have shape \(10,\), got \(3,\)"):
        kernel.product(np.ones(3))
    with pytest.raises(ValueError, match="module_ntk: method must be one of 'auto', 'exact', 'lanczos', got 'power'"):
        kernel.eigenvalues(method="power")
    kernel.n_samples = 10**7
    with pytest.raises(ValueError, match="module_ntk: X must give kernels that fit into the memory"):
        kernel.matrix()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(sl.CutError, match="the network must have real parameters that require gradients"):
        sl.module_ntk(cut, X)
    bent = nn.Sequential(nn.Linear(3, 4), nn.Hardsigmoid(), nn.Linear(4, 2))  # torch has no second derivative
    other = sl.module_ntk(sl.cut(bent, X.float()), X)
    with pytest.raises(sl.CutError, match="torch cannot differentiate this network's operations: derivative for"):
        other.product(np.ones(10))
    assert other.eigenvalues(method="exact").largest > 0


def test_diagnostics_of_a_run_are_these_kernels():
    """Oracle: the loop over the user's own module, before and after, with the scheme's masks and factors."""
    model, X, cut, _, consumers = made("perceptron")
    y = torch.arange(5) % 2
    scheme = sl.independent_subnets(2, 3, 2, 0.1, balanced=True)
    asked = {"diagnostics": ("masked_ntk", "ntk"), "seed": 6, "scale": 0.25}
    run = sl.train(cut, X, y, scheme, **asked)
    found = run.history.metrics
    assert list(found) == ["ntk.smallest", "ntk.largest", "masked_ntk.smallest"]

    def ends(change, of):
        J = rows_of_gradients(of, X, change)
        return np.linalg.eigvalsh(J @ J.T)[[0, -1]]

    trained = copy.deepcopy(model)
    trained.load_state_dict(run.snapshot.below("entry"))
    for k, network in ((0, model), (3, trained)):
        factors = dict.fromkeys(consumers, 0.5**0.75)
        change = with_numbers(consumers, {"0": np.ones(6), "2": np.ones(5)}, factors)
        want = ends(change, network)
        np.testing.assert_allclose([found["ntk.smallest"][k], found["ntk.largest"][k]], want, rtol=1e-7)
    np.testing.assert_allclose(run.ntk(X).eigenvalues().largest, found["ntk.largest"][-1], rtol=1e-12)
    masks, inner = run.training.masks(0), dict.fromkeys(consumers, 0.5**-0.25)
    of_masks = [ends(with_numbers(consumers, {g: M[l] for g, M in masks.items()}, inner), model)[0] for l in range(2)]
    assert found["masked_ntk.smallest"][0] == pytest.approx(min(of_masks), abs=1e-10)
    assert np.isnan(found["masked_ntk.smallest"]).tolist() == [False, False, False, True]
    without = sl.train(cut, X, y, scheme, seed=6, scale=0.25)
    np.testing.assert_array_equal(run.history.local_loss, without.history.local_loss)
