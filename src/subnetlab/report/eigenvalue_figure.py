"""The figure of the smallest eigenvalues of the kernels of sampled subnetworks, which Theorem 2 is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from .parts import Key, PageFigure
from .rounding import compact, shown
from .style import LOCAL, PREDICTED, QUIET, SAMPLING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    share = 100 * verdict.kernel_share
    caption = (
        f"The smallest eigenvalue of the kernel of each sampled subnetwork, for the masks of {len(found.mask_rounds)} "
        f"rounds. Training contracts the error at a rate that these set, so they must stay away from 0: Theorem 2 "
        f"promises at least λ₀/2 = {shown(lambda_0 / 2)}, and {share:.3g}% of these {found.values.size} have it. "
        f"λ₀ = {shown(lambda_0)} is the eigenvalue of the infinitely wide network, with the factor ξ."
    )
    keys = [Key("triangle", SAMPLING, names[0]), *(Key("circle", LOCAL, name) for name in names[1:])]
    levels = {"λ₀": compact(lambda_0), "λ₀/2": compact(lambda_0 / 2)}
    return PageFigure("eigenvalue", "static", {"eigenvalue": eigenvalue_chart(rows, levels)}, {}, caption, keys=keys)


def eigenvalue_chart(rows: Sequence[Mapping[str, Any]], levels: Mapping[str, float]) -> alt.TopLevelMixin:
    """Return the chart of the smallest eigenvalue of masked NTKs.

    Parameters
    ----------
    rows : sequence of mapping
        With masks (the round whose masks they are), weights ("first" or another name) and value.
    levels : mapping of str to float
        Values to mark, with their names.
    """
    stages = list(dict.fromkeys(row["weights"] for row in rows))
    colours = [SAMPLING, LOCAL, PREDICTED][: len(stages)]
    points = (
        alt.Chart(alt.InlineData(values=list(rows)))
        .mark_point(filled=True, size=22, opacity=0.75)
        .encode(
            x=alt.X("masks:O", title="round whose masks are used", axis=alt.Axis(labelAngle=0, grid=False)),
            xOffset=alt.XOffset("weights:N", sort=stages, scale=alt.Scale(paddingOuter=0.6)),
            y=alt.Y("value:Q", title="smallest eigenvalue", scale=alt.Scale(zero=True, nice=True)),
            fill=alt.Fill("weights:N", legend=None, scale=alt.Scale(domain=stages, range=colours)),
            shape=alt.Shape(
                "weights:N", legend=None, scale=alt.Scale(domain=stages, range=["triangle-up", "circle", "square"])
            ),
            tooltip=[
                alt.Tooltip("weights:N"),
                alt.Tooltip("masks:O", title="masks of round"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
    )
    marks = alt.Chart(alt.InlineData(values=[{"value": value, "name": name} for name, value in levels.items()]))
    rules = marks.mark_rule(color=QUIET, strokeDash=[4, 3]).encode(y="value:Q")
    names = marks.mark_text(align="left", baseline="bottom", dx=4, dy=-3, color=QUIET, fontSize=11).encode(
        x=alt.value(0), y="value:Q", text="name:N"
    )
    return alt.layer(rules, points, names).properties(width="container", height=300)
