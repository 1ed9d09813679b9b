"""Algorithm 1 of "On the Convergence of Shallow Neural Network Training with Randomly Masked Neurons".

Plain NumPy, nothing of subnetlab: read it beside the paper. The tests hold every engine to it.
"""

import numpy as np


def subnetwork_output(W, a, mask, X):
    """f(x) = (1 / sqrt m) sum_r a_r m_r relu(<w_r, x>) for every row x of X."""
    return np.maximum(X @ W.T, 0) @ (a * mask) / np.sqrt(len(a))


def local_gradient(W, a, mask, X, y):
    """dL/dw_r = (1 / sqrt m) sum_i a_r m_r (f(x_i) - y_i) x_i 1{<w_r, x_i> >= 0}."""
    residual = subnetwork_output(W, a, mask, X) - y
    active = (X @ W.T >= 0) * residual[:, None]
    return (a * mask)[:, None] * (active.T @ X) / np.sqrt(len(a))


def train(W, a, X, y, masks, eta, tau):
    """Run Algorithm 1 with the given masks, an array (K, p, m); return W_K and all errors."""
    sampled, local = [], []
    for M in masks:  # one round
        updates = np.zeros_like(W)
        errors = np.zeros((len(M), tau + 1))
        for l, mask in enumerate(M):  # every subnetwork starts from W_k
            W_l = W.copy()
            errors[l, 0] = np.sum((y - subnetwork_output(W_l, a, mask, X)) ** 2)
            for t in range(tau):
                W_l -= eta * local_gradient(W_l, a, mask, X, y)
                errors[l, t + 1] = np.sum((y - subnetwork_output(W_l, a, mask, X)) ** 2)
            updates += W_l - W
        X_r = M.sum(axis=0)  # how many subnetworks hold neuron r
        W = W + (np.minimum(X_r, 1) / np.maximum(X_r, 1))[:, None] * updates
        sampled.append(errors[:, 0].mean())
        local.append(errors[:, 1:].mean(axis=0))
    return W, np.array(sampled), np.array(local)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    n, d, m, p, K, tau, xi, eta = 20, 10, 500, 4, 100, 5, 0.5, 0.1
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.uniform(-1, 1, n)
    W, a = rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
    masks = rng.random((K, p, m)) < xi
    W, sampled, local = train(W, a, X, y, masks, eta, tau)
    u = xi * subnetwork_output(W, a, np.ones(m), X)
    print(f"after sampling {sampled[0]:.4f} -> {sampled[-1]:.4f}")
    print(f"after local steps {local[0, -1]:.4f} -> {local[-1, -1]:.4f}")
    print(f"whole network {np.sum((y - u) ** 2):.4f}")
