"""`subnetlab reproduce`: Section 5 of the paper, from data to figures and verdicts."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core import checks
from ..datasets import headline, notes
from ..reproduction.claims import write_verdicts
from ..reproduction.figure import Material, View
from ..reproduction.results import CellsMissingError, read_results
from ..reproduction.settings import ReproductionSettings, reasons
from ..reproduction.table import FIGURES, arranged, figure_plan, resolved
from ..study.data import DatasetSpec
from ..study.execution import execute
from ..study.store import Store
from .folder import output_folder, write_json
from .options import DataOptions
from .study_folder import FAILED_CELLS, telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..datasets import Dataset
    from ..reproduction.claims import ClaimVerdict
    from ..study.plan import StudyPlan

# What --quick and --full put in place of the defaults; a flag that is given wins over both.
QUICK: dict[str, Any] = {
    "width": 1000,
    "rounds": 60,
    "seeds": 2,
    "dynamics_seeds": 4,
    "bernoulli_subnetworks": (1, 4, 10),
    "bernoulli_selection_probs": (0.2, 0.6, 1.0),
    "categorical_subnetworks": (2, 6, 10),
    "categorical_local_steps": (1, 5, 10),
}
FULL: dict[str, Any] = {
    "seeds": 10,
    "bernoulli_subnetworks": tuple(range(1, 11)),
    "bernoulli_selection_probs": tuple(i / 10 for i in range(1, 11)),
    "categorical_subnetworks": tuple(range(2, 11)),
    "categorical_local_steps": (1, 2, 3, 5, 7, 10, 15, 20),
}
_PREPROCESSING = "rows to norm 1: the least that the theory's unit rows ask for"
_VIEW = {
    "shown": "the error of a heatmap: Algorithm 1 returns the aggregated network; the others are drawn beside it",
    "variance": "over what Figure 2a takes mean and variance",
    "inset_rounds": "rounds of the detail of Figure 2a",
}


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab reproduce`; defaults are those without --quick and --full."""

    out: Path = Path("reproduction")
    """Folder for figures, verdicts and all runs; the same command again resumes. With --depth it is depth."""
    depth: bool = False
    """Ask the claims of perceptrons with 1, 2 and 4 hidden layers, a CNN and a ResNet on Fashion-MNIST, and compare
    coverage, scale, state and the small network; --quick, --seeds and --rounds are the settings that it takes."""
    data: DataOptions = field(default_factory=DataOptions)
    figures: tuple[str, ...] = tuple(FIGURES)
    """Which figures: 2a, 2b, 2c."""
    quick: bool = False
    """A small grid on a small network, for a first look in half a minute."""
    full: bool = False
    """p = 1..10 by xi = 0.1..1, 10 seeds."""
    width: int | None = None
    """m, the hidden neurons."""
    rounds: int | None = None
    """K, the rounds."""
    init_scale: float | None = None
    """kappa, the standard deviation of the initial weights."""
    step_size: float | Literal["auto"] | None = None
    """eta of all cells: a number, or auto (half of the largest stable step of the whole network)."""
    seeds: int | None = None
    """Repetitions of each heatmap cell, each with its own initial network and masks."""
    dynamics_seeds: int | None = None
    """Repetitions behind Figure 2a."""
    dynamics_subnetworks: int | None = None
    """p of Figure 2a."""
    dynamics_selection_prob: float | None = None
    """xi of Figure 2a."""
    dynamics_local_steps: int | None = None
    """tau of Figure 2a."""
    bernoulli_subnetworks: tuple[int, ...] | None = None
    """p of Figure 2b."""
    bernoulli_selection_probs: tuple[float, ...] | None = None
    """xi of Figure 2b."""
    bernoulli_local_steps: int | None = None
    """tau of Figure 2b."""
    categorical_subnetworks: tuple[int, ...] | None = None
    """p of Figure 2c."""
    categorical_local_steps: tuple[int, ...] | None = None
    """tau of Figure 2c."""
    final_rounds: int | None = None
    """Rounds at the end whose mean error a heatmap shows."""
    view: View = field(default_factory=View)
    engine: str | None = None
    """How rounds are computed."""
    dtype: Literal["float64", "float32"] | None = None
    """Precision."""
    jobs: int | None = None
    """Runs at a time; one per processor if not given."""
    print_plan: str | None = None
    """Print the plan of a figure (2a, 2b, 2c) under these options as TOML, for `subnetlab study`; do nothing else."""
    json: bool = False
    """Print the verdicts as JSON."""
    quiet: bool = False
    """Print no progress."""
    force: bool = False
    """Take over a folder that holds other settings; runs that fit are used again."""

    @classmethod
    def decided_later(cls) -> dict[str, Any]:
        """Return what the settings are without --quick, --full and flags, for the help."""
        return vars(ReproductionSettings(DatasetSpec("auto")))

    def settings(self) -> ReproductionSettings:
        """Return the settings: defaults, then --quick or --full, then the flags."""
        if self.quick and self.full:
            raise ValueError("reproduce: --quick and --full must not be given together")
        self.view.check()
        chosen = {**(QUICK if self.quick else FULL if self.full else {})}
        for name in ReproductionSettings.__dataclass_fields__:
            given = getattr(self, name, None)
            if given is not None:
                chosen[name] = given
        return ReproductionSettings(dataset=_dataset(self.data), **chosen)


def run(options: Options) -> int:
    """Train what is missing, draw, judge."""
    if options.depth:
        from .reproduce_depth import run_depth

        if options.jobs is not None:
            checks.whole_number("reproduce", "jobs", options.jobs, least=1)
        return run_depth(options)
    for figure in options.figures:
        checks.one_of("reproduce", "figures", figure, tuple(FIGURES))
    if options.jobs is not None:
        checks.whole_number("reproduce", "jobs", options.jobs, least=1)
    settings = options.settings()
    if options.print_plan is not None:
        checks.one_of("reproduce", "print_plan", options.print_plan, tuple(FIGURES))
        print(figure_plan(options.print_plan, resolved(settings)).to_toml(), end="")
        return 0
    out = sys.stderr if options.json else sys.stdout
    data = options.data.load()
    print(headline(data), file=out)
    for note in notes(data):
        print(f"note: {note}", file=sys.stderr)
    settings = resolved(settings)
    print(settings_text(settings, options.view), file=out, flush=True)
    plans = {figure: figure_plan(figure, settings) for figure in options.figures}
    kept = _kept(settings, data)
    with output_folder(options.out, "reproduce", kept, provenance=data.provenance, force=options.force):
        verdicts, code = _reproduce(options, settings, plans)
    if options.json:
        print(json.dumps([verdict.as_row() for verdict in verdicts], sort_keys=True))
    else:
        print(f"\n{verdicts_text(verdicts)}\n\nfigures, verdicts and runs: {options.out}")
    return code


def _reproduce(
    options: Options, settings: ReproductionSettings, plans: Mapping[str, StudyPlan]
) -> tuple[list[ClaimVerdict], int]:
    """Train what is missing, draw and judge; return the verdicts and the exit code."""
    folder = options.out
    write_json(folder / "view.json", asdict(options.view))
    with Store(folder, tell=telling(folder)) as store:
        every = [cell for plan in plans.values() for cell in plan.cells]
        execute(every, store, jobs=options.jobs, progress=not options.quiet)
        results = read_results(store.path)
    verdicts: list[ClaimVerdict] = []
    code = 0
    for name, plan in plans.items():
        figure = FIGURES[name]
        try:
            verdicts += figure.draw(
                Material(arranged(plan.cells, figure.axes), results, settings, options.view, folder)
            )
        except CellsMissingError as error:
            print(f"Figure {name}: {error}", file=sys.stderr)
            code = FAILED_CELLS
    if verdicts:
        rows = [verdict.as_row() for verdict in verdicts]
        every = _with_earlier(rows, folder / "verdicts.json", plans)
        write_verdicts(folder / "verdicts.csv", every)
        write_json(folder / "verdicts.json", every)
    return verdicts, code


def _with_earlier(rows: list[dict[str, Any]], file: Path, drawn: Iterable[str]) -> list[dict[str, Any]]:
    """Return the verdicts with those in the file on figures that were not drawn now, in the order of figures."""
    earlier = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    every = rows + [row for row in earlier if row["figure"] not in drawn]
    return sorted(every, key=lambda row: list(FIGURES).index(row["figure"]))


def _kept(settings: ReproductionSettings, data: Dataset) -> dict[str, Any]:
    """Return what decides the results; where the data lie does not."""
    own = {name: value for name, value in asdict(settings).items() if name != "dataset"}
    return {"settings": own, "data": {"name": data.name, "sha256": data.digest}}


def _dataset(data: DataOptions) -> DatasetSpec:
    """Return what the workers load; a file of the user's is both name and path."""
    return DatasetSpec.from_settings({**asdict(data), "path": None if data.path is None else str(data.path)})


def settings_text(settings: ReproductionSettings, view: View) -> str:
    """Return the settings, each that the paper leaves open with the reason of its default."""
    lines = ["settings (those with a reason are not in the paper):"]
    shown = {f.name: getattr(part, f.name) for part in (settings, view) for f in fields(part)}
    why = {"preprocessing": _PREPROCESSING, **reasons(), **_VIEW}
    for name, value in {"preprocessing": _preprocessing(shown.pop("dataset")), **shown}.items():
        text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        lines.append(f"  {name:<26}{text:<26}{why.get(name, '')}".rstrip())
    return "\n".join(lines)


def _preprocessing(dataset: DatasetSpec) -> tuple[str, ...]:
    added = ("centre_target", "intercept", "impute")
    return (dataset.scaling, *(name for name in added if getattr(dataset, name)))


def verdicts_text(verdicts: Sequence[ClaimVerdict]) -> str:
    """Return the table of verdicts; claims once, and under each a line per measure and protocol."""
    lines = [
        "claims of Section 5. effect: log ratio of errors, mean [95% interval] over seeds, positive as claimed;",
        "agreement: share of single comparisons as claimed minus share the other way round [95% interval];",
        "decided by Holm's method: with probability 95% no verdict is wrong by chance",
    ]
    said = None
    for verdict in verdicts:
        claim = f"Figure {verdict.figure}: {verdict.claim}"
        if claim != said:
            lines += ["", claim]
            said = claim
        effect, agreement = (
            f"{name} {value.mean:+.2f} [{value.low:+.2f}, {value.high:+.2f}]"
            for name, value in (("effect", verdict.effect), ("agreement", verdict.agreement))
        )
        found = "nothing to compare" if math.isnan(verdict.effect.mean) else f"{effect:<30}{agreement}"
        lines.append(f"  {verdict.outcome:<10}{found:<64}{verdict.protocol:<18}{verdict.measure}")
    return "\n".join(lines)
