"""The default prediction against Algorithm 1: a thinned grid of settings on four data sets, over mask seeds.

    SUBNETLAB_DATA=... python benchmarks/prediction.py measure FOLDER    # trains; goes on where it was stopped
    SUBNETLAB_DATA=... python benchmarks/prediction.py compare           # trains nothing: reads prediction_measured.npz

`measure` writes one file per cell, the error curve of every seed, and after each what `compare` needs of them into
FOLDER/prediction_measured.npz. A copy of that file lies beside this one; cells that are in it are not trained again.
A cell is a point of a Latin hypercube: each value of each setting occurs equally often, and which values meet is
drawn with a fixed seed. `compare` predicts each cell and prints a table. A round passes if the mean curve is within
10 per cent or some standard errors of the prediction; what counts is the last third of the rounds. Shards follow from
the seed, so that with shards the prediction is the mean of one for each seed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import subnetlab as sl
from subnetlab.atomic import atomic_file

STORED = "prediction_measured.npz"
DATA = {  # name: how to make it; the numbers of rows are small, as every cell is trained several times
    "random rows": lambda: random_rows(8, 6),
    "diabetes": lambda: loaded("diabetes", 20),
    "synthetic": lambda: loaded("synthetic", 16),
    "crime": lambda: loaded("crime", 30),
}
GRID = {
    "data": tuple(DATA),
    "kappa": (0.1, 0.3, 1.0, 2.0),
    "tau": (1, 3, 8, 20),
    "m": (2000, 8000, 16_384),
    "p": (2, 3, 8),
    "xi": (0.2, 0.35, 0.5, 0.8),
}
ROWS_GRID = {  # every combination: K = 200, m = 2,000, kappa = 1; "rows" is what a subnetwork sees
    "data": ("diabetes", "crime"),
    "tau": (1, 5),
    "p": (2, 4),
    "xi": (0.35, 0.5),
    "rows": ("a shard each", "batches of 8"),
}
CELLS = {300: 24, 3000: 6}  # rounds: how many cells of each law
SEEDS = {200: 8, 300: 40, 3000: 24}


@dataclass(frozen=True)
class Cell:
    """One setting; xi is that of Bernoulli masks, None for categorical ones."""

    data: str
    kappa: float
    tau: int
    m: int
    p: int
    xi: float | None
    rounds: int
    rows: str = "all"

    @property
    def name(self) -> str:
        law = "categorical" if self.xi is None else f"bernoulli-xi{self.xi}"
        rows = "" if self.rows == "all" else f"-{self.rows}"
        name = f"{self.data}-kappa{self.kappa}-tau{self.tau}-m{self.m}-p{self.p}-{law}-K{self.rounds}{rows}"
        return name.replace(" ", "_")

    @property
    def scheme(self) -> sl.TrainingScheme:
        masks = sl.Categorical(self.p) if self.xi is None else sl.Bernoulli(self.p, self.xi)
        rows = {"a shard each": {"shards": self.p}, "batches of 8": {"batch_size": 8}}.get(self.rows, {})
        return sl.TrainingScheme(masks, rounds=self.rounds, local_steps=self.tau, **rows)

    @property
    def seeds(self) -> range:
        """Those whose predictions differ."""
        return range(SEEDS[self.rounds] if "shard" in self.rows else 1)

    def network(self, X) -> sl.ShallowReLU:
        return sl.ShallowReLU.initialize(self.m, X.shape[1], init_scale=self.kappa, seed=0)


def random_rows(n, d):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True), rng.uniform(-1, 1, size=n)


def loaded(name, n):
    data = sl.load_dataset(name, n_samples=n, seed=0)
    return data.X, data.y


def cells() -> list[Cell]:
    """Return all cells, the short runs first."""
    chosen = []
    for rounds, count in CELLS.items():
        rng = np.random.default_rng(rounds)
        for categorical in (False, True):
            columns = {name: rng.permutation(np.resize(np.arange(len(v)), count)) for name, v in GRID.items()}
            for i in range(count):
                point = {name: values[columns[name][i]] for name, values in GRID.items()}
                if categorical:
                    point["xi"] = None
                chosen.append(Cell(**point, rounds=rounds))
    combined = (dict(zip(ROWS_GRID, values, strict=True)) for values in itertools.product(*ROWS_GRID.values()))
    return chosen + [Cell(**values, kappa=1.0, m=2000, rounds=200) for values in combined]


def measure(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = already_measured()
    for cell in cells():
        file = folder / f"{cell.name}.npz"
        if file.exists() or f"{cell.name}/curve" in known:
            continue
        start = time.perf_counter()
        X, y = DATA[cell.data]()
        network = cell.network(X)
        curves = []
        for seed in range(SEEDS[cell.rounds]):
            run = sl.train(network, X, y, cell.scheme, seed=seed, engine="event", record="rounds", threads=1)
            curves.append(run.history.full_error)
        changed = np.mean((X @ run.network.weights.T >= 0) != (X @ network.weights.T >= 0))
        with atomic_file(file) as stream:
            np.savez(stream, curves=np.array(curves), step_size=run.settings.step_size, changed=changed)
        print(f"{file.name}: {time.perf_counter() - start:.0f} s", flush=True)
        summarise(folder)


def already_measured() -> dict[str, np.ndarray]:
    """Return the summaries of the cells that are stored beside this file."""
    with np.load(Path(__file__).with_name(STORED)) as stored:
        return dict(stored)


def summarise(folder: Path) -> None:
    """Write per cell that was measured: mean and standard error of each round, step size, share of changed patterns."""
    summary = already_measured()
    for cell in cells():
        file = folder / f"{cell.name}.npz"
        if not file.exists():
            continue
        with np.load(file) as stored:
            curves = stored["curves"]
            error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
            summary[f"{cell.name}/curve"] = np.array([curves.mean(axis=0), error], np.float32)
            summary[f"{cell.name}/rest"] = np.array([stored["step_size"], stored["changed"]])
    with atomic_file(folder / STORED) as stream:
        np.savez_compressed(stream, **summary)


def passing(mean, error, predicted) -> np.ndarray:
    """Return the shares of rounds within 10 per cent, or three standard errors, or two."""
    away = np.abs(mean - predicted)
    return np.array([np.mean(away <= np.maximum(0.1 * predicted, errors * error)) for errors in (3, 2)])


def early(ratios: np.ndarray) -> str:
    """Return measured over predicted after 1, 2, 3 and 5 rounds, and the range of rounds 10 to 150."""
    first = " ".join(f"{ratio:.2f}" for ratio in ratios[[1, 2, 3, 5]])
    return f"{first}, {ratios[10:151].min():.2f} to {ratios[10:151].max():.2f}"


def compare(stored: Path, rounds: list[int]) -> None:
    """Print, for each cell that was measured, how the prediction fares in the last third, and the shares by law.

    Two shares of rounds: within three and within two standard errors. "Scaled" is the prediction with the right mean
    over the last third: what chance alone lets pass of a right one. Then measured over predicted in early rounds.
    """
    print("| data | kappa | tau | m | p | xi | K | changed | measured, end | predicted | ratio ", end="")
    print("| moving | scaled | frozen | early rounds |", "|---" * 15 + "|", sep="\n")
    shares: dict[tuple[str, int], list[np.ndarray]] = {}
    with np.load(stored) as measured:
        for cell in cells():
            if f"{cell.name}/curve" not in measured or cell.rounds not in rounds:
                continue
            step_size, changed = measured[f"{cell.name}/rest"]
            X, y = DATA[cell.data]()
            model = sl.lazy_model(cell.network(X), X, y)
            moving, frozen = (predicted(cell, model, float(step_size), patterns) for patterns in (None, "frozen"))
            mean, error = measured[f"{cell.name}/curve"]
            late = slice(cell.rounds - cell.rounds // 3 + 1, None)
            ratio = mean[late].mean() / moving[late].mean()
            curves = moving, ratio * moving, frozen
            found = np.array([passing(mean[late], error[late], curve[late]) for curve in curves])
            law = "categorical" if cell.xi is None else "Bernoulli"
            shares.setdefault((law if cell.rows == "all" else f"{law}, {cell.rows},", cell.rounds), []).append(found)
            data = cell.data if cell.rows == "all" else f"{cell.data}, {cell.rows}"
            print(
                f"| {data} | {cell.kappa} | {cell.tau} | {cell.m:,} | {cell.p} | {cell.xi or 'categorical'} | "
                f"{cell.rounds} | {changed:.1%} | {mean[-1]:.3g} | {moving[-1]:.3g} | {ratio:.2f} | "
                f"{' | '.join(' '.join(f'{share:.0%}' for share in pair) for pair in found)} | "
                f"{early(mean / moving)} |",
                flush=True,
            )
    for (law, K), found in shares.items():
        (three, two), (scaled, scaled_two), _ = np.mean(found, axis=0)
        print(
            f"{law} masks, K = {K}: of the rounds of {len(found)} cells {three:.1%} pass within three standard errors "
            f"and {two:.1%} within two, scaled {scaled:.1%} and {scaled_two:.1%}"
        )


def predicted(cell: Cell, model, step_size: float, patterns) -> np.ndarray:
    """Return the predicted curve, the mean over those of seeds that differ."""
    found = [sl.predict(model, cell.scheme, step_size, patterns=patterns, seed=seed).full_error for seed in cell.seeds]
    return np.mean(found, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["measure", "summarise", "compare"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("prediction_cells"))
    parser.add_argument("--stored", type=Path, default=Path(__file__).with_name(STORED))
    parser.add_argument("--rounds", type=int, nargs="+", choices=SEEDS, default=list(SEEDS), help="200: the small grid")
    options = parser.parse_args()
    if options.action == "measure":
        measure(options.folder)
    elif options.action == "summarise":
        summarise(options.folder)
    else:
        compare(options.stored, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
