"""Corollaries 1 to 3: dropout, multi-sample dropout and Independent Subnet Training with Bernoulli masks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from .record import Condition, Constants, Promise, not_applicable
from .theorem3 import theorem3

if TYPE_CHECKING:
    from .setting import TheorySetting


def corollary1(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return Corollary 1, dropout (p = 1, tau = 1): rate 1 - eta xi lambda_0 / 4, floor O(1 - xi)."""
    if setting.moments.n_subnetworks != 1 or setting.local_steps != 1:
        return not_applicable("Corollary 1", constants, "it is about dropout: p = 1 and tau = 1")
    return _corollary("Corollary 1", setting, constants, 1 - setting.selection_prob, with_p=False)


def corollary2(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return Corollary 2, multi-sample dropout (tau = 1): floor O((1-xi)^2 / (n K) + (theta - xi^2) / p)."""
    if setting.local_steps != 1:
        return not_applicable("Corollary 2", constants, "it is about multi-sample dropout: tau = 1")
    return _corollary("Corollary 2", setting, constants, _sampling_order(setting), with_p=False)


def corollary3(setting: TheorySetting, constants: Constants = "paper") -> Promise:
    """Return Corollary 3, IST with Bernoulli masks: the floor of Corollary 2 + (tau-1)^2 theta^2 (1-xi) / tau^2."""
    tau, xi, theta = setting.local_steps, setting.selection_prob, setting.coverage
    order = _sampling_order(setting) + (tau - 1) ** 2 * theta**2 * (1 - xi) / tau**2
    return _corollary("Corollary 3", setting, constants, order, with_p=True)


def _sampling_order(setting: TheorySetting) -> float:
    n, K, p = setting.n_samples, setting.rounds, setting.moments.n_subnetworks
    xi, theta = setting.selection_prob, setting.coverage
    return (1 - xi) ** 2 / (n * K) + (theta - xi**2) / p


def _corollary(name: str, setting: TheorySetting, constants: Constants, order: float, *, with_p: bool) -> Promise:
    """Theorem 3 under the corollary's own assumptions, of which the printed kappa = n^-2 or n^-1 must read n^(-1/2)."""
    theorem = theorem3(setting, constants)
    if not theorem.applies:
        return replace(theorem, statement=name)
    n = setting.n_samples
    largest = max(setting.rounds, setting.n_features, setting.moments.n_subnetworks if with_p else 0)
    conditions = (
        Condition("kappa (n^(-1/2))", setting.init_scale, 1 / math.sqrt(n), "<="),
        Condition("max{K, d, p} <= n" if with_p else "max{K, d} <= n", largest, n, "<="),
        *theorem.conditions,
    )
    note = f"floor of order {order:.6g}; its constant is that of Theorem 3, whose floor here is {theorem.floor:.6g}"
    return replace(theorem, statement=name, conditions=conditions, notes=(*theorem.notes, note))
