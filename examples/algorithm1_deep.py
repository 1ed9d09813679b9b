"""Algorithm 1 for deep networks: masks for every hidden layer of a perceptron, and for the channels of a small CNN.

Plain PyTorch, nothing of subnetlab: the tests hold the engines for modules to it. The axes of a network say for each
dimension of each parameter which group of units it carries, and how many consecutive entries belong to one unit.
"""

import torch
from torch.nn.functional import conv2d, cross_entropy, relu

CNN = {"K1": [("c1", 1), None, None, None], "b1": [("c1", 1)], "K2": [("c2", 1), ("c1", 1), None, None]}
CNN |= {"b2": [("c2", 1)], "W3": [None, ("c2", 16)], "b3": [None]}  # a channel is 4 x 4 pixels once it is flattened


def perceptron_axes(depth):
    """Return the axes of W1, b1, ..., for hidden layers h1, ..., h_depth; inputs and outputs carry no group."""
    group = [None, *((f"h{i}", 1) for i in range(1, depth + 1)), None]
    axes = {f"W{i}": [group[i], group[i - 1]] for i in range(1, depth + 2)}
    return axes | {f"b{i}": [group[i]] for i in range(1, depth + 2)}


def perceptron(theta, x, unit):
    """Return the logits; ``unit[g]`` multiplies the outputs of the units of group g where they are consumed."""
    for i in range(1, len(unit) + 1):
        x = relu(x @ theta[f"W{i}"].T + theta[f"b{i}"]) * unit[f"h{i}"]
    return x @ theta[f"W{len(unit) + 1}"].T + theta[f"b{len(unit) + 1}"]


def cnn(theta, x, unit):
    """Return the logits for images of 8 x 8 pixels, given as rows of 64."""
    h = relu(conv2d(x.reshape(-1, 1, 8, 8), theta["K1"], theta["b1"], padding=1)) * unit["c1"][:, None, None]
    h = relu(conv2d(h, theta["K2"], theta["b2"], padding=1, stride=2)) * unit["c2"][:, None, None]
    return h.flatten(1) @ theta["W3"].T + theta["b3"]


def held(axes, shape, mask):
    """Return which entries of one parameter a subnetwork holds: those whose units it has on every dimension."""
    entries = torch.ones(shape, dtype=torch.bool)
    for dimension, axis in enumerate(axes):
        if axis is not None:
            group, repeat = axis
            along = mask[group].repeat_interleave(repeat)
            entries &= along.reshape([-1 if d == dimension else 1 for d in range(len(shape))])
    return entries


def train_round(network, axes, theta, masks, batches, eta, xi, scale=1.0):
    """Return theta_{k+1}. ``masks[g]`` has shape (p, m_g); ``batches[l][t]`` is a pair (x, y) for subnetwork l."""
    p, kind = len(next(iter(masks.values()))), next(iter(theta.values())).dtype
    total = {name: torch.zeros_like(value) for name, value in theta.items()}
    holders = {name: torch.zeros_like(value) for name, value in theta.items()}
    for l in range(p):
        mask = {group: M[l] for group, M in masks.items()}
        unit = {group: m.to(kind) * xi**-scale for group, m in mask.items()}
        holds = {name: held(axes[name], value.shape, mask) for name, value in theta.items()}
        local = {name: value.clone() for name, value in theta.items()}  # line 5
        for x, y in batches[l]:
            leaves = {name: value.requires_grad_() for name, value in local.items()}
            loss = cross_entropy(network(leaves, x, unit), y)
            gradients = torch.autograd.grad(loss, list(leaves.values()))
            steps = {name: eta * g * holds[name] for name, g in zip(theta, gradients, strict=True)}
            local = {name: leaves[name].detach() - steps[name] for name in theta}  # line 7
        for name in theta:
            total[name] += local[name] - theta[name]  # line 9
            holders[name] += holds[name]
    return {name: theta[name] + total[name] / holders[name].clamp(min=1) for name in theta}  # lines 11 to 13


if __name__ == "__main__":
    torch.manual_seed(0)
    p, K, tau, eta, m = 2, 60, 5, 0.1, 32
    y = torch.randint(4, (500,))  # which quarter of the picture is a little brighter
    x = (torch.randn(500, 4, 16) + 0.5 * torch.eye(4)[y][:, :, None]).reshape(500, 64)
    shapes = {
        "perceptron": {"W1": (m, 64), "b1": (m,), "W2": (m, m), "b2": (m,), "W3": (4, m), "b3": (4,)},
        "CNN": {"K1": (m, 1, 3, 3), "b1": (m,), "K2": (m, m, 3, 3), "b2": (m,), "W3": (4, 16 * m), "b3": (4,)},
    }
    networks = (("perceptron", perceptron, perceptron_axes(2), "h1 h2"), ("CNN", cnn, CNN, "c1 c2"))
    for name, network, axes, groups in networks:
        fan_in = {k: max(1, torch.Size(s[1:]).numel()) for k, s in shapes[name].items()}
        theta = {k: torch.randn(s) * (k[0] != "b") * (2 / fan_in[k]) ** 0.5 for k, s in shapes[name].items()}
        everyone = {g: torch.ones(m) for g in groups.split()}  # scale 1: the whole network needs no factor
        before = cross_entropy(network(theta, x, everyone), y).item()
        for _ in range(K):
            owners = {g: torch.randperm(m) % p for g in everyone}  # Independent Subnet Training: equal parts
            masks = {g: owner == torch.arange(p)[:, None] for g, owner in owners.items()}
            rows = torch.randint(len(x), (p, tau, 50))
            batches = [[(x[i], y[i]) for i in rows[l]] for l in range(p)]
            theta = train_round(network, axes, theta, masks, batches, eta, xi=1 / p)
        print(f"{name}: loss {before:.3f} -> {cross_entropy(network(theta, x, everyone), y).item():.3f}")
