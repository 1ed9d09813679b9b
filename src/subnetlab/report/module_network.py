"""The network of a module's run on its page: its groups and parameters, and with the module what is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.masks.groups import group_masks, law_of_group
from ..figures.inline import svg_element
from ..modules.overview import table as cut_table
from ..training.module_run import ModuleRun
from .markup import Markup, folded, joined, paragraph, table, text
from .rounding import shown

if TYPE_CHECKING:
    from ..training.module_reading import StoredModuleRun

_MOST_ROWS = 400
_MOST_ROUNDS = 64  # whose masks are drawn


def network_part(run: StoredModuleRun) -> Markup:
    """Return the groups and parameters of a network; its cut and its coverage, too, where the module is known."""
    parts = [_groups(run)]
    if isinstance(run, ModuleRun):
        caption = (
            "The layers from top to bottom: in colour the units of a group, from the weights that make them to those "
            "that use them; in grey what is left whole, and why."
        )
        picture = svg_element(run.cut.plot)
        parts += [
            Markup(
                f'<figure id="cut"><div class="paper" role="img" aria-labelledby="cut-caption" tabindex="0">{picture}'
                f'</div><figcaption id="cut-caption">{text(caption)}</figcaption></figure>'
            ),
            Markup(f'<pre tabindex="0">{text(cut_table(run.cut))}</pre>'),
        ]
    else:
        note = "What is left whole and why, the coverage of each parameter and a picture need the module: --model."
        parts.append(paragraph(text(note), "note"))
    return joined([*parts, _entries(run)])


def _rounds_drawn(run: StoredModuleRun) -> int:
    return min(max(1, run.rounds_done), run.scheme.rounds, _MOST_ROUNDS)


def unit_coverage(run: StoredModuleRun, group: str, rounds: int) -> float:
    """Return the share of a group's units that some subnetwork holds where the group is cut, in the mean over rounds.

    It follows from the file alone: masks are a function of seed, group and round.
    """
    masks, seed, groups = run.scheme.masks, run.settings["seed"], run.settings["groups"]
    drawn = (group_masks(masks, seed, k, groups, {group})[group] for k in range(rounds))
    return float(np.mean([M.any(axis=0).mean() for M in drawn]))


def _groups(run: StoredModuleRun) -> Markup:
    masks, cut_groups, rounds = run.scheme.masks, run.scheme.cut_groups, _rounds_drawn(run)
    rows: list[list[Markup]] = []
    for group, size in run.settings["groups"].items():
        law = law_of_group(masks, group)
        ever = law is not None and (isinstance(cut_groups, str) or group in cut_groups)
        when = "never" if not ever else "in turns" if cut_groups == "alternate" else "in every round"
        xi = 1.0 if law is None or not ever else float(law.selection_prob)
        share = unit_coverage(run, group, rounds) if ever else 1.0
        rows.append([text(group), text(f"{size:,}"), text(shown(xi)), text(when), text(shown(share))])
    if not rows:
        return paragraph(text("This network has no units that are cut: every subnetwork is the whole."), "note")
    caption = text(
        f"The groups of units. The last column is the share of units that some subnetwork holds in a round that cuts "
        f"the group, drawn from the masks of {rounds} round{'s' * (rounds != 1)}: measured; no theorem covers it."
    )
    header = ["group", "units", "selection probability ξ", "cut", "held by some subnetwork"]
    return table(caption, list(map(text, header)), rows)


def _entries(run: StoredModuleRun) -> Markup:
    """Return the parameters and buffers with their shapes; with coverage where the module is known."""
    entries, rounds = run.snapshot.below("entry"), _rounds_drawn(run)
    coverage = run.coverage(rounds=rounds) if isinstance(run, ModuleRun) else None
    names = list(run.cut.state()) if isinstance(run, ModuleRun) else sorted(entries)
    kept = [(name, entries[name]) for name in names[:_MOST_ROWS]]
    rows = [
        [text(name), text(" × ".join(map(str, tensor.shape)) or "1"), text(str(tensor.dtype).removeprefix("torch."))]
        + ([text(shown(coverage[name]) if name in coverage else "buffer")] if coverage is not None else [])
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
    return folded(f"Parameters and buffers as a table ({which})", table(text(said), list(map(text, header)), rows))
