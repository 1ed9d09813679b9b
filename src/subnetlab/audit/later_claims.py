"""Unnumbered claims of contributions, challenges, remarks and the Reproducibility Statement, R13 to R19."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..core.aggregation import aggregation_step
from ..core.masks import Bernoulli
from ..core.network import ShallowReLU
from ..core.scheme import TrainingScheme
from ..kernels.finite import largest_ntk_eigenvalue
from ..theory.moments import bernoulli_moments
from ..theory.setting import theory_setting
from ..theory.theorem3 import theorem3
from .examples import DATA_SEED, N_FEATURES, N_SAMPLES, TinyNetwork, bernoulli_masks, random_data
from .finding import Finding

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray

HALF = Fraction(1, 2)


def later_gradients() -> Finding:
    """R13: the aggregated gradient of later local steps stays close to that of the first."""
    X, y = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    net = ShallowReLU.initialize(1000, N_FEATURES, seed=1)
    masks, tau = Bernoulli(2, 0.5), 20
    scheme = TrainingScheme(masks, rounds=1, local_steps=tau, step_size="theory")
    small = theory_setting(X, y, scheme, network=net).step_size
    large = 1 / largest_ntk_eigenvalue(net, X)
    changes = [_change_of_gradient(net, X, y, masks.sample(0, 0, 1000), tau, eta) for eta in (small, large)]
    return Finding(
        "contributions: the aggregated gradient of later local steps stays close to that of the first",
        "holds" if changes[0] < 0.05 else "false",
        f"a step changes f^l by at most eta n |y - f^l|, and gradients in proportion. n=6, tau=20: by "
        f"{100 * changes[0]:.2g}% "
        f"at the largest step that Theorem 3 allows, by {100 * changes[1]:.2g}% at eta = 1/lambda_max",
        changes[0],
        "for eta tau n much smaller than 1",
    )


def _change_of_gradient(
    net: ShallowReLU, X: FloatArray, y: FloatArray, masks: BoolArray, tau: int, eta: float
) -> float:
    """Return |last - first aggregated gradient| / |first|."""
    first, last = np.zeros_like(net.weights), np.zeros_like(net.weights)
    for mask in masks:
        here = net
        for t in range(tau):
            gradient = here.subnetwork_gradient(X, y, mask)
            first += gradient if t == 0 else 0
            last += gradient if t == tau - 1 else 0
            here = ShallowReLU(here.weights - eta * gradient, net.output_weights)
    share = aggregation_step(masks)[:, np.newaxis]
    return float(np.linalg.norm(share * (last - first)) / np.linalg.norm(share * first))


def tight_bounds() -> Finding:
    """R14: the bounds for categorical masks, on sampling and on combining, are tight."""
    net = ShallowReLU.initialize(100_000, 2, seed=0)
    ratio = (
        float(np.mean(np.maximum(net.weights, 0) ** 2)) / 4
    )  # of Lemma 25's sides, per row and unit of xi (1-xi) kappa^2
    return Finding(
        "contributions: tight bounds on the loss increase by sampling and on the loss decrease by combining",
        "proof broken",
        f"Lemmas 13 and 14 are identities, as tight as can be. Lemma 25, on sampling, is {1 / ratio:.3g} times too "
        f"large "
        f"at Gaussian weights. On combining there is Lemma 15, which is false",
        ratio,
    )


def biased_gradients() -> Finding:
    """R15: a subnetwork's gradient is a biased estimator of the whole network's, even in the first local step."""
    net, r, c = TinyNetwork(), 1, 0
    bias = Fraction(0)
    for i in range(2):
        slope = net.signs[r] * net.rows[i][c] * net.active[r][i]
        mean = sum(w * M[0][r] * (net.output(M[0], i) - net.targets[i]) for w, M in bernoulli_masks(1, 3, HALF))
        bias += slope * (mean - HALF * (net.full_output(HALF, i) - net.targets[i]))
    lemma2 = HALF * HALF * sum(net.rows[i][c] * net.activations[r][i] for i in range(2))
    return Finding(
        "challenge ii: a subnetwork's gradient is a biased estimator of the whole network's, even in the first step",
        "exact" if bias == lemma2 != 0 else "false",
        f"Lemma 2 with p = 1: the bias is xi (1-xi)/m sum_i x_i s_ri, which is 0 at xi = 1 only. All masks of 3 "
        f"neurons, "
        f"xi=1/2: m times the bias is {bias} in one coordinate",
    )


def no_linear_combination() -> Finding:
    """R16: the updated whole network is not necessarily a linear combination of the updated subnetworks."""
    after = (
        0.5  # one neuron w = a = x = 1, y = 0, xi = 1/2, p = 1, eta = 1/2: a step halves the weight if it is selected
    )
    selected, not_selected = (0.5 * after, after), (0.5 * 1.0, 0.0)  # (u_1, f_1)
    fails = not_selected[1] == 0 and not_selected[0] != 0
    return Finding(
        "challenge iii: the updated whole network is not necessarily a linear combination of the updated subnetworks",
        "holds" if fails else "false",
        f"one neuron w=a=x=1, y=0, p=1, xi=1/2, eta=1/2: selected, u_1 = {selected[0]} and f = {selected[1]}; not "
        f"selected, "
        f"u_1 = {not_selected[0]} and f = {not_selected[1]}: no factor fits. With categorical masks u_1 is the mean "
        f"of the "
        f"f^l in every draw",
    )


def last_term_grows_with_p() -> Finding:
    """R17: with tau > 1 the last error term of Corollary 3 increases with the number of workers."""
    moments = [bernoulli_moments(p, HALF) for p in (1, 2, 4)]
    squares = [m.coverage**2 for m in moments]
    true = [m.n_subnetworks * m.mean_step for m in moments]
    return Finding(
        "Corollary 3: for tau > 1 the last term, (tau-1)^2 theta^2 (1-xi)/tau^2, increases with the number of workers",
        "holds" if squares[0] < squares[1] < squares[2] else "false",
        f"theta rises with p: theta^2 = {', '.join(map(str, squares))} at xi=1/2, p = 1, 2, 4; with the true moments p "
        f"E[eta_r] stands for it, {', '.join(map(str, true))}. It contradicts the abstract (R1)",
    )


def rounds_needed() -> Finding:
    """R18: an error of eps above the floor takes K = Omega(log(n/eps) / log(1/(1 - eta theta tau lambda_0/4)))."""
    X, y = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    scheme = TrainingScheme(Bernoulli(2, 0.5), rounds=10, step_size="theory")
    promise = theorem3(theory_setting(X, y, scheme, width=4000), "repaired")
    eps = 0.01
    K = promise.rounds_needed(eps)
    assert promise.rate is not None
    assert promise.initial_error is not None
    excess = promise.rate**K * promise.initial_error
    return Finding(
        "Reproducibility Statement: an error of eps above the floor takes K = Omega(log(n/eps)/log(1/(1-eta theta tau "
        "lambda_0/4))) rounds",
        "proof broken" if excess <= eps * (1 + 1e-6) else "false",
        f"the bound is eps above its floor after so many rounds (n=6: {K:.3g} for eps = {eps}), as |y-u_0|^2 is of "
        f"order n. They suffice where Theorem 3 holds, as repaired; that fewer do not, as Omega says, an upper bound "
        f"cannot show",
        excess / eps,
        "K = O(...)",
    )


def width_and_rounds() -> Finding:
    """R19: K typically does not affect the overparameterisation much."""
    n, p, tau, xi, lam0, eps = 100, 4, 1, 0.5, 0.05, 0.01
    theta, kappa = float(bernoulli_moments(p, xi).coverage), n**-0.5
    alpha = lam0 / (48 * n * tau * max(n, p)) * theta * tau * lam0 / 4
    K = math.log(n / eps) / -math.log1p(-alpha)
    first, third = n**4 / (kappa**2 * xi * theta * lam0**4), K**2 * p
    return Finding(
        "Reproducibility Statement: the number of rounds K typically does not affect the overparameterization much",
        "false" if K > 1e4 else "holds",
        f"(6) is K times a maximum, and the allowed step makes K of order n^2 log(n/eps)/lambda_0^2: n=100, p=4, "
        f"xi=1/2, "
        f"lambda_0=0.05, kappa=n^(-1/2), eps=0.01 take K = {K:.3g} rounds, so that many times the width; K^2 p in "
        f"the maximum "
        f"is {third / first:.2g} times its first term",
        K,
        "the width grows like K at least, and like K^3 where K^2 p is the largest term",
    )
