"""What the text prints unlike its proofs: Theorem 3's width and first term, Theorem 4, Theorem 5, and equation (1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.masks import Bernoulli, Categorical
from ..core.network import ShallowReLU
from ..core.scheme import TrainingScheme
from ..kernels.finite import finite_ntk
from ..kernels.infinite import infinite_ntk
from ..theory.constants import categorical_floor, local_shrinkage
from ..theory.setting import theory_setting
from ..theory.theorem3 import theorem3
from ..theory.theorem4 import theorem4
from .examples import DATA_SEED, N_FEATURES, N_SAMPLES, random_data
from .finding import Finding

if TYPE_CHECKING:
    from ..core.masks import MaskLaw
    from ..theory.setting import TheorySetting

_WHERE = "n=6, d=5, m=4000, K=200, delta=0.1"


def _setting(masks: MaskLaw, local_steps: int = 1) -> TheorySetting:
    X, y = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    scheme = TrainingScheme(masks, rounds=200, local_steps=local_steps, step_size="theory")
    return theory_setting(X, y, scheme, width=4000)


def theorem3_width() -> Finding:
    """Show how far the constants of (6) are from practice."""
    promise = theorem3(_setting(Bernoulli(2, 0.5)), "paper")
    needed = promise.conditions[-1].limit
    return Finding(
        "Theorem 3's width m = Omega((K/delta) max{n^4/(kappa^2 xi theta lambda_0^4), n K^2 B1/(kappa^2 theta "
        "lambda_0^2), K^2 p})",
        "not checkable",
        f"an order; its proof needs m >= {needed:.3g} for {_WHERE}, where B1 is {promise.floor:.3g}",
    )


def theorem3_bias_term() -> Finding:
    """Compare the first term of B1 with that of Lemma 6, whose kappa^2 it has lost."""
    kappa = N_SAMPLES**-0.5
    return Finding(
        "the first term of B1 is 64 (1-xi)^2 n^3 d/(m lambda_0^2), without kappa^2",
        "holds" if kappa**2 <= 1 else "false",
        f"Lemma 6 has the factor kappa^2, which is lost where the proof puts the lemmas together. For kappa <= 1, "
        f"which "
        f"Lemmas 22 and 23 assume, the term is too large only: at kappa = n^(-1/2) and n = {N_SAMPLES} by the factor "
        f"{1 / kappa**2:.3g}",
        kappa**2,
        "64 (1-xi)^2 kappa^2 n^3 d/(m lambda_0^2), as computed here",
    )


def theorem4_exponents() -> Finding:
    """Say which exponents of Theorem 4's rate are lost."""
    return Finding(
        "Theorem 4's rate is 1/2 + (1/2)(1 - eta lambda_0/2), without exponents",
        "not checkable",
        "tau and k are lost, in the scan or in print; the proof ends with (gamma + (1-gamma)(1-eta lambda_0/2)^tau)^k, "
        "which is what is judged as Theorem 4",
    )


def theorem4_width_of_the_text() -> Finding:
    """Show that the text's width depends on lambda_0 otherwise than what its proof needs."""
    setting = replace(_setting(Categorical(2), 4), rounds=5)
    half = setting.smallest_eigenvalue / 2
    smaller = replace(setting, smallest_eigenvalue=half, step_size=half / (4 * setting.n_samples**2))
    widths = [theorem4(s, "paper").conditions[-1].limit for s in (setting, smaller)]
    growth = widths[1] / widths[0]
    return Finding(
        "Theorem 4's width in the text, m = Omega(tau^2 n^2 K max{n^2, d}/(lambda_0 delta))",
        "proof broken" if growth > 2.1 else "not checkable",
        f"with half of lambda_0, and of the step, its proof needs {growth:.3g} times the width ((3), n=6, d=5, K=5), "
        f"the "
        f"text twice. It also lacks kappa and the p K^2 of the proof; exponents may be lost in the scan",
        growth / 2,
        "the width of the proof, or (3) itself, which `theorem4` tests",
    )


def theorem4_width_of_the_proof() -> Finding:
    """Show how far the constants of the proof's width are from practice."""
    promise = theorem4(_setting(Categorical(2), 4), "paper")
    return Finding(
        "Theorem 4's width at the end of its proof, m = Omega(tau^2 K max{n^4, n^2 d, p K^2}/((1-gamma)^2 kappa^2 "
        "lambda_0^4 delta sqrt gamma))",
        "not checkable",
        f"an order, and another one than in the text; (3) needs m >= {promise.conditions[-1].limit:.3g} for {_WHERE}, "
        f"tau=4, p=2",
    )


def theorem4_recursion() -> Finding:
    """Compare what a round adds in Theorem 4's proof, alpha B1 in (2), with what it takes for B1."""
    setting, gamma = _setting(Categorical(2), 4), 0.5
    alpha = (1 - gamma) * local_shrinkage(setting)
    n, d, m = setting.n_samples, setting.n_features, setting.width
    added = 32 * setting.step_size * 4 * n**3 * d / (gamma * setting.smallest_eigenvalue * m)
    return Finding(
        "Theorem 4's proof: B1 = 32 eta tau (p-1)^2 kappa^2 n^3 d/(gamma lambda_0 m) in (2) and (3)",
        "false" if added < 0.99 * added / alpha else "holds",
        f"that is what a round adds, alpha B1 in (2). So B1 is 1/alpha = {1 / alpha:.3g} times as large ({_WHERE}, "
        f"tau=4, "
        f"p=2), {added / alpha:.3g}, not {added:.3g}; the theorem's own floor, "
        f"{categorical_floor(setting, gamma):.3g}, has "
        f"it",
        1 / alpha,
        "B1 = 64 tau (p-1)^2 kappa^2 n^3 d/(gamma (1-gamma) lambda_0^2 m), as computed here",
    )


def equation1_rate() -> Finding:
    """Take a small step of gradient descent: it lowers L_k = |y - u_k|^2 by twice what the line below (1) says."""
    X, y = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    xi, eta, m = 0.5, 1e-7, 200
    net = ShallowReLU.initialize(m, N_FEATURES, seed=1)
    r = y - net.output(X, xi)
    gradient = -xi / np.sqrt(m) * (net.output_weights[:, np.newaxis] * (net.weights @ X.T >= 0) * r) @ X
    after = y - ShallowReLU(net.weights - eta * gradient, net.output_weights).output(X, xi)
    ratio = float((r @ r - after @ after) / (xi * eta * r @ finite_ntk(net, X, xi) @ r))
    return Finding(
        "(1) and below: L_{k+1} = L_k - xi eta <u_k-y, H(k)(u_k-y)> to first order, L_k = |y-u_k|^2",
        "false" if abs(ratio - 2) < 1e-3 else "holds",
        f"(1) itself is right; but a step of eta = 1e-7 lowers L_k by {ratio:.4f} times that (m=200, n=6)",
        ratio,
        "L_k - 2 xi eta <...>, so at most (1 - xi eta lambda_0) L_k where H(k) keeps lambda_0/2",
    )


def theorem5_check() -> Finding:
    """Say why Theorem 5, on generalisation, cannot be checked."""
    return Finding(
        "population loss <= O(sqrt(y' H_inf^-1 y / (n delta)) + sqrt(log(n/(lambda_0 delta))/n))",
        "not checkable",
        "an order without constant whose conditions on m, kappa and eta cannot be read from the scan; the complexity "
        "measure can be computed: subnetlab.theory.theorem5.complexity",
    )


def theorem5_steps() -> Finding:
    """Check the linear algebra of Theorem 5's proof (Q_1, Q_2), and name what the rest uses."""
    X, _ = random_data(N_SAMPLES, N_FEATURES, DATA_SEED)
    xi, m = 0.5, 300
    net = ShallowReLU.initialize(m, N_FEATURES, seed=1)
    slopes = net.output_weights[:, np.newaxis] * (net.weights @ X.T >= 0)  # (m, n)
    Z = (slopes[:, np.newaxis, :] * X.T / np.sqrt(m)).reshape(-1, len(X))  # mat_3(Z(0))
    gap = float(np.max(np.abs(Z.T @ Z - finite_ntk(net, X, xi) / xi)))
    h = np.linalg.eigvalsh(infinite_ntk(X, xi))
    largest = max(float(np.max(1 - (1 - a * h / h.max()) ** k)) for a in (0.01, 0.5, 1.0) for k in (1, 10, 1000))
    return Finding(
        "the steps of Theorem 5's proof, |W_k - W_0|_F <= Q_1 + ... + Q_5",
        "proof broken" if gap < 1e-12 and largest <= 1 else "false",
        f"Q_1 and Q_2 are right: mat(Z)' mat(Z) = H(0)/xi (largest difference {gap:.1g}), |Z|_F <= sqrt n, and T <= "
        f"H_inf^-1 (largest share {largest:.4g}), so Q_1 has xi^(-1/2) where xi^-1 is printed. Q_3 and Q_4 use "
        f"Lemmas 3 and 9, "
        f"which are false or rest on false ones; in the unrolled recursion (I - ...)^(k-k'+1) should be (I - "
        f"...)^(k-1-k'), "
        f"which u_1 shows",
    )
