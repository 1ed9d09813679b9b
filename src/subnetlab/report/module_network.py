"""The network of a module's run on its page: its groups and parameters, and with the module what is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.masks.groups import group_masks, law_of_group
from ..figures.inline import svg_element
from ..modules.overview import table as cut_table
from ..training.module_run import ModuleRun
from .layers import bars_figure, layers_figure
from .parts import Folded, Paragraph, Part, Picture, Preformatted, Table
from .rounding import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from ..core.masks import MaskLaw
    from ..training.module_reading import StoredModuleRun

_MOST_ROWS = 400
_MOST_ROUNDS = 64  # whose masks are drawn
_MOST_DRAWN = 10**8  # units in all masks that are drawn


def network_parts(run: StoredModuleRun) -> list[Part]:
    """Return the groups and parameters of a network; its cut and its coverage, too, where the module is known."""
    shares = units_held(run, _rounds_drawn(run))
    parts: list[Part] = [_groups(run, shares)]
    if any((held < 1).any() for held in shares.values()):
        caption = "The share of each group's units that some subnetwork holds in a round that cuts the group: measured."
        parts.append(layers_figure("held", "held", shares, caption))
    if isinstance(run, ModuleRun):
        caption = (
            "The layers from top to bottom: in colour the units of a group, from the weights that make them to those "
            "that use them; in grey what is left whole, and why."
        )
        parts += [Picture("cut", svg_element(run.cut.plot), caption), Preformatted(cut_table(run.cut))]
    else:
        note = "What is left whole and why, the coverage of each parameter and a picture need the module: --model."
        parts.append(Paragraph(note, "note"))
    return [*parts, *_entries(run)]


def _rounds_drawn(run: StoredModuleRun) -> int:
    """Return how many rounds' masks are drawn again; none if even one is too large for a page to wait for."""
    size = run.scheme.masks.n_subnetworks * sum(run.settings["groups"].values())
    return min(max(1, run.rounds_done), run.scheme.rounds, _MOST_ROUNDS, _MOST_DRAWN // max(1, size))


def _law(run: StoredModuleRun, group: str) -> MaskLaw | None:
    """Return the law of a group that some round cuts."""
    ever = isinstance(run.scheme.cut_groups, str) or group in run.scheme.cut_groups
    return law_of_group(run.scheme.masks, group) if ever else None


def units_held(run: StoredModuleRun, rounds: int) -> dict[str, FloatArray]:
    """Return the share of each group's units that some subnetwork holds where the group is cut, in each round.

    It follows from the file alone: masks are a function of seed, group and round.
    """
    masks, groups = run.scheme.masks, run.settings["groups"]
    cut = {group for group in groups if _law(run, group) is not None}
    drawn = [group_masks(masks, run.settings["seed"], k, groups, cut) for k in range(rounds)]
    return {group: np.array([M[group].any(axis=0).mean() for M in drawn]) for group in groups}


def _groups(run: StoredModuleRun, shares: Mapping[str, FloatArray]) -> Part:
    groups, rounds = run.settings["groups"], _rounds_drawn(run)
    if not groups:
        return Paragraph("This network has no units that are cut: every subnetwork is the whole.", "note")
    rows: list[list[str]] = []
    for group in list(groups)[:_MOST_ROWS]:
        law = _law(run, group)
        when = "never" if law is None else "in turns" if run.scheme.cut_groups == "alternate" else "in every round"
        xi = 1.0 if law is None else float(law.selection_prob)
        share = shown(float(shares[group].mean())) if rounds else "not drawn"
        rows.append([group, f"{groups[group]:,}", shown(xi), when, share])
    more = f" {len(groups) - len(rows)} more are not listed." if len(rows) < len(groups) else ""
    caption = (
        f"The groups of units.{more} The last column is the share of units that some subnetwork holds in a round that "
        f"cuts the group, from the masks of {rounds} round{'s' * (rounds != 1)}: measured; no theorem covers it."
    )
    header = ["group", "units", "selection probability ξ", "cut", "held by some subnetwork"]
    return Table(caption, header, rows)


def _entries(run: StoredModuleRun) -> list[Part]:
    """Return the parameters and buffers with their shapes; with coverage where the module is known."""
    entries, rounds = run.snapshot.below("entry"), max(1, _rounds_drawn(run))
    coverage = run.coverage(rounds=rounds) if isinstance(run, ModuleRun) else None
    names = list(run.cut.state()) if isinstance(run, ModuleRun) else sorted(entries)
    kept = [(name, entries[name]) for name in names[:_MOST_ROWS]]
    rows = [
        [name, " × ".join(map(str, tensor.shape)) or "1", str(tensor.dtype).removeprefix("torch.")]
        + ([shown(coverage[name]) if name in coverage else "buffer"] if coverage is not None else [])
        for name, tensor in kept
    ]
    header = ["name", "shape", "kept as", *(["coverage"] if coverage is not None else [])]
    said = "Parameters and buffers of the whole network."
    if coverage is not None:
        said += (
            f" Coverage is the share of a parameter's entries that some subnetwork holds, in the mean over {rounds} "
            f"round{'s' * (rounds != 1)} of this run: measured; no theorem covers it."
        )
    which = f"all {len(entries)}" if len(kept) == len(entries) else f"the first {len(kept)} of {len(entries)}"
    table = Folded(f"Parameters and buffers as a table ({which})", [Table(said, header, rows)])
    if coverage is None:
        return [table]
    caption = "The share of each parameter's entries that some subnetwork holds, from the input to the output."
    return [bars_figure("coverage", coverage, "coverage", caption), table]
