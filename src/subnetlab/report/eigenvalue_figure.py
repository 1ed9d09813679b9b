"""The figure of the smallest eigenvalues of masked kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .markup import text
from .page import Key, PageFigure
from .rounding import compact, shown
from .style import LOCAL, SAMPLING
from .theory_charts import eigenvalue_chart

if TYPE_CHECKING:
    from ..theory.run_verdict import RunVerdict


def eigenvalue_figure(verdict: RunVerdict) -> PageFigure:
    """Return the figure."""
    found, lambda_0 = verdict.eigenvalues, verdict.setting.smallest_eigenvalue
    names = [f"weights after round {k}" if k else "initial weights" for k in map(int, found.weight_rounds)]
    rows = [
        {"masks": int(k), "weights": name, "value": compact(value)}
        for name, at_stage in zip(names, found.values, strict=True)
        for k, values in zip(found.mask_rounds, at_stage, strict=True)
        for value in values
    ]
    share = 100 * float(np.mean(found.values >= lambda_0 / 2))
    caption = text(
        f"The smallest eigenvalue of the kernel of each sampled subnetwork, for the masks of {len(found.mask_rounds)} "
        f"rounds. Training contracts the error at a rate that these set, so they must stay away from 0: Theorem 2 "
        f"promises at least λ₀/2 = {shown(lambda_0 / 2)}, and {share:.3g}% of these {found.values.size} have it. "
        f"λ₀ = {shown(lambda_0)} is the eigenvalue of the infinitely wide network, with the factor ξ."
    )
    keys = [Key("triangle", SAMPLING, text(names[0])), *(Key("circle", LOCAL, text(name)) for name in names[1:])]
    levels = {"λ₀": compact(lambda_0), "λ₀/2": compact(lambda_0 / 2)}
    return PageFigure("eigenvalue", "static", {"eigenvalue": eigenvalue_chart(rows, levels)}, {}, caption, keys=keys)
