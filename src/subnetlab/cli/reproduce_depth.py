"""`subnetlab reproduce --depth`: the claims of Section 5 asked of deep networks, and what depth adds."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import DatasetNotFoundError, headline, load_dataset
from ..reproduction.claims import write_verdicts
from ..reproduction.depth.drawing import draw_depth, verdict_table
from ..reproduction.depth.settings import HELD_OUT, QUICK, ROWS, DepthSettings
from ..reproduction.depth.training import train_depth
from ..reproduction.results import CellsMissingError
from ..study.store import Store
from .folder import output_folder, write_json
from .study_folder import FAILED_CELLS, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..datasets import Dataset
    from ..reproduction.depth.claims import DepthVerdict

_OUT = Path("depth")  # where no other folder is named
_TAKEN = ("depth", "out", "quick", "seeds", "rounds", "jobs", "json", "quiet", "force", "data")
_DATA = ("auto", "fashion_mnist", "digits")


def run_depth(options: Any) -> int:
    """Train what is missing, draw, judge; ``options`` are those of `subnetlab reproduce`."""
    _refuse_others(options)
    data = _data(options.data.dataset)
    chosen = {name: value for name in ("seeds", "rounds") if (value := getattr(options, name)) is not None}
    settings = DepthSettings(data.name, **{**(QUICK if options.quick else {}), **chosen})
    folder = _OUT if options.out == type(options)().out else options.out
    print(headline(data), file=sys.stderr if options.json else sys.stdout, flush=True)
    kept = {"settings": {"depth": True, **asdict(settings)}, "data": {"name": data.name, "sha256": data.digest}}
    code, verdicts = 0, []
    with output_folder(folder, "reproduce", kept, provenance=data.provenance, force=options.force):
        try:
            with Store(folder, tell=telling(folder)) as store:
                trained = train_depth(settings, store, jobs=options.jobs, progress=not options.quiet)
            verdicts = draw_depth(trained, settings, folder)
            rows = [verdict.as_row() for verdict in verdicts]
            write_verdicts(folder / "verdicts.csv", rows)
            write_json(folder / "verdicts.json", rows)
        except CellsMissingError as error:
            print(f"depth: {error}", file=sys.stderr)
            code = FAILED_CELLS
    if options.json:
        print(json.dumps([verdict.as_row() for verdict in verdicts], sort_keys=True))
    elif verdicts:
        print(f"\n{depth_text(verdicts)}\n\nfigures, verdicts and runs: {folder}")
    return code


def depth_text(verdicts: Sequence[DepthVerdict]) -> str:
    """Return the verdicts as tables of letters, a row per claim and a column per network and loss."""
    lines = [
        "H: holds, F: fails, U: undecided; all verdicts on a figure are adjusted by Holm's method together, so that",
        "with probability 95% none is wrong by chance",
    ]
    for parts in (False, True):
        outcomes, rows, columns = verdict_table([v for v in verdicts if (v.verdict.figure == "methods") == parts])
        lines += ["", *(f"  {number}: {column}" for number, column in enumerate(columns, 1))]
        width = max(map(len, rows))
        lines.append(" " * width + "  " + " ".join(f"{number:>2}" for number in range(1, len(columns) + 1)))
        for row, own in zip(rows, outcomes, strict=True):
            lines.append(f"{row:<{width}}  " + " ".join(f"{outcome[:1]:>2}" for outcome in own))
    return "\n".join(lines)


def _refuse_others(options: Any) -> None:
    """Raise unless all options that --depth has no use for are left alone."""
    plain = type(options)()
    for f in fields(options):
        value = getattr(options, f.name)
        if f.name not in _TAKEN and value != getattr(plain, f.name):
            raise ValueError(f"reproduce: {f.name} must be absent with --depth, got {value!r}")
    for f in fields(options.data):
        value = getattr(options.data, f.name)
        if f.name != "dataset" and value != getattr(plain.data, f.name):
            raise ValueError(f"reproduce: {f.name} must be absent with --depth, got {value!r}")


def _data(name: str) -> Dataset:
    """Return the rows of the paper's figures; digits, with a note, where "auto" finds no Fashion-MNIST."""
    if name not in _DATA:
        raise ValueError(f"reproduce: dataset must be one of {', '.join(_DATA)} with --depth, got {name!r}")
    try:
        return load_dataset("fashion_mnist" if name == "auto" else name, n_samples=ROWS, n_validation=HELD_OUT)
    except DatasetNotFoundError as error:
        if name != "auto":
            raise
        print(f"note: the embedded digits take the place of Fashion-MNIST: {error}", file=sys.stderr)
        return load_dataset("digits", n_samples=ROWS, n_validation=HELD_OUT)
