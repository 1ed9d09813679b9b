"""`subnetlab reproduce`: Section 5 of the paper, from data to figures and verdicts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ..core import checks
from ..datasets import headline
from ..figures.dynamics import MOST_INSET_ROUNDS
from ..reproduction.cells import bernoulli_cells, categorical_cells, dynamics_cells, with_step_size
from ..reproduction.claims import bernoulli_verdicts, categorical_verdicts, dynamics_verdicts
from ..reproduction.outputs import write_bernoulli, write_categorical, write_dynamics, write_verdicts
from ..reproduction.results import CellsMissingError, dynamics, error_grid, read_results
from ..reproduction.settings import ReproductionSettings
from ..reproduction.text import settings_text, verdicts_text
from ..study.data import DatasetSpec
from ..study.execution import execute
from ..study.store import Store
from .data_options import DataOptions
from .folder import open_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ..datasets import Dataset
    from ..reproduction.claims import Verdict
    from ..study.result import CellResult

FIGURES = ("2a", "2b", "2c")
FAILED_CELLS = 3

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


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab reproduce`; a setting that is not given takes its default (docs/reproduction.md)."""

    out: Path = Path("reproduction")
    """Folder for figures, verdicts and all runs; the same command again goes on where it stopped."""
    data: DataOptions = field(default_factory=DataOptions)
    figures: tuple[Literal["2a", "2b", "2c"], ...] = FIGURES
    """Which figures."""
    quick: bool = False
    """A small grid on a small network, for a first look in half a minute."""
    full: bool = False
    """p = 1..10 by xi = 0.1..1, 10 seeds."""
    width: Annotated[int | None, tyro.conf.arg(aliases=["--m"])] = None
    """m (4000)."""
    rounds: int | None = None
    """K (200)."""
    init_scale: Annotated[float | None, tyro.conf.arg(aliases=["--kappa"])] = None
    """kappa (1)."""
    step_size: Annotated[float | Literal["auto"] | None, tyro.conf.arg(aliases=["--eta"])] = None
    """eta of all cells (auto: half of the largest stable step of the whole network)."""
    seeds: int | None = None
    """Repetitions of a heatmap cell (3)."""
    dynamics_seeds: int | None = None
    """Repetitions behind Figure 2a (10)."""
    dynamics_subnetworks: int | None = None
    """p of Figure 2a (10)."""
    dynamics_selection_prob: float | None = None
    """xi of Figure 2a (0.5)."""
    dynamics_local_steps: int | None = None
    """tau of Figure 2a (5)."""
    bernoulli_subnetworks: tuple[int, ...] | None = None
    """p of Figure 2b."""
    bernoulli_selection_probs: tuple[float, ...] | None = None
    """xi of Figure 2b."""
    bernoulli_local_steps: int | None = None
    """tau of Figure 2b (5)."""
    categorical_subnetworks: tuple[int, ...] | None = None
    """p of Figure 2c."""
    categorical_local_steps: tuple[int, ...] | None = None
    """tau of Figure 2c."""
    final_rounds: int | None = None
    """Rounds at the end whose mean error a heatmap shows (10)."""
    shown: Literal["sampled", "local", "full"] = "full"
    """The error that the heatmaps show: after sampling, after local training, or of the aggregated network. The
    others are drawn beside it in a second file."""
    variance: Literal["seeds", "subnetworks"] = "seeds"
    """Over what Figure 2a takes mean and variance."""
    dynamics_rounds: int = 125
    """Rounds that Figure 2a shows."""
    inset_rounds: int = 4
    """Rounds that its detail shows."""
    engine: str | None = None
    """How rounds are computed (auto)."""
    dtype: Literal["float64", "float32"] | None = None
    """Precision (float64)."""
    jobs: int | None = None
    """Runs at a time; one per processor if not given."""
    json: bool = False
    """Print the verdicts as JSON."""
    quiet: bool = False
    """No progress bar."""
    force: bool = False
    """Take over a folder that holds other settings; runs that fit are used again."""

    def settings(self) -> ReproductionSettings:
        """Return the settings: defaults, then --quick or --full, then the flags."""
        if self.quick and self.full:
            raise ValueError("reproduce: --quick and --full must not be given together")
        checks.whole_number("reproduce", "dynamics_rounds", self.dynamics_rounds, least=1)
        checks.whole_number("reproduce", "inset_rounds", self.inset_rounds, least=1)
        if self.inset_rounds > MOST_INSET_ROUNDS:
            raise ValueError(
                f"reproduce: inset_rounds must be at most {MOST_INSET_ROUNDS}, or labels touch, got {self.inset_rounds}"
            )
        chosen = {**(QUICK if self.quick else FULL if self.full else {})}
        for name in ReproductionSettings.__dataclass_fields__:
            given = getattr(self, name, None)
            if given is not None:
                chosen[name] = given
        return ReproductionSettings(dataset=_dataset(self.data), **chosen)


def run(options: Options) -> int:
    """Train what is missing, draw, judge."""
    settings = options.settings()
    out = sys.stderr if options.json else sys.stdout
    data = options.data.load()
    print(headline(data), file=out)
    settings = with_step_size(settings)
    print(settings_text(settings), file=out, flush=True)
    folder = open_folder(options.out, _kept(settings, data), force=options.force)
    write_json(folder / "provenance.json", data.provenance)
    grids = {"2a": dynamics_cells, "2b": bernoulli_cells, "2c": categorical_cells}
    cells = {figure: grids[figure](settings) for figure in options.figures}
    with Store(folder) as store:
        for notice in store.notices:
            print(f"{folder}: {notice}", file=sys.stderr)
        every = [cell for grid in cells.values() for cell in grid.flat]
        execute(every, store, jobs=options.jobs, progress=not options.quiet)
        results = read_results(store.path)
    verdicts: list[Verdict] = []
    code = 0
    for figure in options.figures:
        try:
            verdicts += _FIGURES[figure](options, settings, cells[figure], results, folder)
        except CellsMissingError as error:
            print(f"Figure {figure}: {error}", file=sys.stderr)
            code = FAILED_CELLS
    if verdicts:
        write_verdicts(folder / "verdicts.csv", verdicts)
        write_json(folder / "verdicts.json", [verdict.as_row() for verdict in verdicts])
    if options.json:
        print(json.dumps([verdict.as_row() for verdict in verdicts], sort_keys=True))
    else:
        print(f"\n{verdicts_text(verdicts)}\n\nfigures, verdicts and runs: {folder}")
    return code


def _figure_2a(
    options: Options,
    settings: ReproductionSettings,
    cells: np.ndarray,
    results: Mapping[str, CellResult],
    folder: Path,
) -> list[Verdict]:
    """Draw the error inside the rounds, and judge the claims made of it."""
    errors = dynamics(cells, results)
    write_dynamics(
        folder, errors, over=options.variance, rounds=options.dynamics_rounds, inset_rounds=options.inset_rounds
    )
    means = errors.subnetworks.mean(axis=-1)
    shown = min(options.dynamics_rounds, settings.rounds)
    return dynamics_verdicts(means[:, :shown, 0], means[:, :shown, 1:], errors.full[:, : shown + 1])


def _figure_2b(
    options: Options,
    settings: ReproductionSettings,
    cells: np.ndarray,
    results: Mapping[str, CellResult],
    folder: Path,
) -> list[Verdict]:
    """Draw the heatmap of Bernoulli masks, and judge the claims made of it."""
    grid = error_grid(cells, results, settings.bernoulli_subnetworks, settings.bernoulli_selection_probs)
    title = rf"Bernoulli masks, $\tau = {settings.bernoulli_local_steps}$"
    write_bernoulli(folder, grid, shown=options.shown, rounds=settings.final_rounds, title=title)
    return bernoulli_verdicts(grid, rounds=settings.final_rounds)


def _figure_2c(
    options: Options,
    settings: ReproductionSettings,
    cells: np.ndarray,
    results: Mapping[str, CellResult],
    folder: Path,
) -> list[Verdict]:
    """Draw the heatmap of categorical masks, and judge the claims made of it."""
    grid = error_grid(cells, results, settings.categorical_subnetworks, settings.categorical_local_steps)
    write_categorical(folder, grid, shown=options.shown, rounds=settings.final_rounds, title="Categorical masks")
    return categorical_verdicts(grid, rounds=settings.final_rounds)


_FIGURES = {"2a": _figure_2a, "2b": _figure_2b, "2c": _figure_2c}


def _kept(settings: ReproductionSettings, data: Dataset) -> dict[str, Any]:
    """Return what decides the results; where the data lie does not."""
    own = {name: value for name, value in asdict(settings).items() if name != "dataset"}
    return {"settings": own, "data": {"name": data.name, "sha256": data.digest}}


def _dataset(data: DataOptions) -> DatasetSpec:
    """Return what the workers load; a file of the user's is both name and path."""
    return DatasetSpec(
        name=data.dataset,
        n_samples=data.n_samples,
        seed=data.data_seed,
        path=None if data.path is None else str(data.path),
        target=data.target,
        scaling=data.scaling,
        centre_target=data.centre_target,
        intercept=data.intercept,
        impute=data.impute,
    )
