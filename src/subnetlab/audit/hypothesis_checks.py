"""Theorems 1 and 2 and Hypothesis 1: kernels, and the local steps of small networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.aggregation import aggregation_step
from ..core.masks import Bernoulli, Categorical
from ..core.network import ShallowReLU
from ..core.scheme import TrainingScheme
from ..kernels.certified import certified_smallest_eigenvalue
from ..kernels.eigenvalues import smallest_eigenvalue
from ..kernels.infinite import infinite_ntk, infinite_ntk_entry_error
from ..kernels.masked import masked_ntk
from ..theory.constants import ntk_width
from ..theory.hypothesis1 import local_movement_bound
from ..theory.setting import theory_setting
from ..theory.theorem2 import kernel_radius
from .examples import DATA_SEED, N_FEATURES, N_SAMPLES, random_data
from .finding import Finding

if TYPE_CHECKING:
    from ..core.arrays import BoolArray, FloatArray

WIDTH, ROUNDS = 1000, 40


def theorem1_check() -> Finding:
    """lambda_0 > 0 if no two rows are parallel."""
    lowest = np.inf
    for seed in range(200):
        X, _ = random_data(N_SAMPLES, N_FEATURES, seed)
        lowest = min(lowest, certified_smallest_eigenvalue(infinite_ntk(X), infinite_ntk_entry_error(X)))
    half = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    antipodal = smallest_eigenvalue(infinite_ntk(np.vstack([half, -half])))
    return Finding(
        "lambda_0 > 0 if no two rows are parallel",
        "holds" if lowest > 0 else "false",
        f"Du et al. (2018); 200 random data sets, proven lower bounds of the exact kernel >= {lowest:.4g}. Antipodal "
        f"must count as parallel: rows (1,0), (0,1), (3,4)/5 and their negatives give lambda_0 = {abs(antipodal):.1g}",
        None,
        "no two rows parallel or antipodal",
    )


def theorem2_check() -> Finding:
    """Masked NTKs keep lambda_0 / 2, at a width far below the required one, with every neuron moved to its kink.

    Each neuron goes as far as the theorem allows, against the row whose kink is nearest among those that it is active
    on: no movement of that length switches off more neurons on some row.
    """
    X, y = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    scheme = TrainingScheme(Bernoulli(2, 0.5), rounds=ROUNDS, step_size="theory")
    m = 4000
    setting = theory_setting(X, y, scheme, width=m)
    net = ShallowReLU.initialize(m, N_FEATURES, seed=1)
    z = net.weights @ X.T
    nearest = np.argmin(np.where(z >= 0, z, np.inf), axis=1)
    moved = ShallowReLU(net.weights - kernel_radius(setting) * X[nearest], net.output_weights)
    flipped = int(np.sum((z >= 0) != (moved.weights @ X.T >= 0)))
    half = setting.smallest_eigenvalue / 2
    masks = np.concatenate([scheme.masks.sample(0, k, m) for k in range(ROUNDS)])
    lowest = min(smallest_eigenvalue(K) for K in masked_ntk(moved, X, masks))
    return Finding(
        "lambda_min of every masked NTK >= lambda_0/2",
        "holds" if lowest >= half else "false",
        "Hoeffding's and Bernstein's inequalities (docs/derivations/repairs.md). "
        f"n=6, d=5, m={m}, {ntk_width(setting) / m:.3g} "
        f"times narrower than required, every neuron moved by kappa lambda_0/(12 n) to the nearest kink ({flipped} of "
        f"{z.size} patterns change): 80 masks, lowest {lowest / half:.3f} lambda_0/2",
        half / lowest,
        "m >= max{(8 n^2/lambda_0^2) ln(4 n^2 K p/delta), (120 n/(xi lambda_0)) ln(2 n^2 K p/delta)}",
    )


def hypothesis1_check() -> Finding:
    """Local rates (4) and local movements (5), of every neuron in every local step, at the step size that it allows."""
    X, y = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    worst_rate, worst_move = 0.0, 0.0
    for masks, tau in ((Bernoulli(2, 0.5), 4), (Categorical(3), 4)):
        net = ShallowReLU.initialize(WIDTH, N_FEATURES, seed=1)
        scheme = TrainingScheme(masks, rounds=ROUNDS, local_steps=tau, step_size="theory")
        setting = theory_setting(X, y, scheme, network=net)
        limit = 1 - setting.step_size * setting.smallest_eigenvalue / 2
        for k in range(ROUNDS):
            bound = local_movement_bound(setting, float(np.linalg.norm(y - net.output(X, masks.selection_prob))))
            drawn = masks.sample(0, k, WIDTH)
            total = np.zeros_like(net.weights)
            for mask in drawn:
                here, rate, furthest = _local_training(net, X, y, mask, tau, setting.step_size)
                worst_rate, worst_move = max(worst_rate, rate / limit), max(worst_move, furthest / bound)
                total += here.weights - net.weights
            net = ShallowReLU(net.weights + aggregation_step(drawn)[:, np.newaxis] * total, net.output_weights)
    return Finding(
        "local errors fall by 1 - eta lambda_0/2 in every step (4), local movement is bounded by (5)",
        "proof broken" if max(worst_rate, worst_move) <= 1 else "false",
        f"its proof puts E|y-u| where Markov's inequality for the square gives sqrt(E|y-u|^2). Not violated: largest "
        f"rate / limit {worst_rate:.6f}; largest movement of a neuron within a round / (5) {worst_move:.3g}, E_k being "
        f"the run's own error",
        max(worst_rate, worst_move),
        "E_k = sqrt(E|y-u_k|^2) in (3) and (5), and Theorem 2's kernels in all rounds (docs/derivations/repairs.md)",
    )


def _local_training(
    net: ShallowReLU, X: FloatArray, y: FloatArray, mask: BoolArray, tau: int, eta: float
) -> tuple[ShallowReLU, float, float]:
    """Return the trained network, the worst factor of the error in a step, and the largest movement of a neuron."""
    here, rate, furthest = net, 0.0, 0.0
    error = np.sum((y - net.subnetwork_output(X, mask)) ** 2)
    for _ in range(tau):
        here = ShallowReLU(here.weights - eta * here.subnetwork_gradient(X, y, mask), net.output_weights)
        after = np.sum((y - here.subnetwork_output(X, mask)) ** 2)
        rate, error = max(rate, float(after / error)), after
        furthest = max(furthest, float(np.linalg.norm(here.weights - net.weights, axis=1).max()))
    return here, rate, furthest
