"""`subnetlab theory`: a run of `subnetlab train` held against the theory."""

from __future__ import annotations

import hashlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..atomic import refuse_foreign
from ..training import load_run
from ..training.reading import is_module_run, run_file
from ..training.run import Certify
from .folder import output_folder
from .json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..theory.certificate import Certificate
    from ..theory.record import Promise
    from ..theory.run_verdict import RunVerdict


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab theory`."""

    run: Annotated[Path, tyro.conf.Positional] = Path("run")
    """The folder of a run, or its file run.npz."""
    failure_prob: Annotated[float, tyro.conf.arg(aliases=["--delta"])] = 0.1
    """delta, the probability with which the theorems may fail."""
    init_scale: float | None = None
    """kappa; estimated from the initial weights if not given."""
    out: Path | None = None
    """The folder for the figure (theory.pdf, .svg, .png and its numbers, .csv); the folder of the run if not given."""
    certificate: Certify = "auto"
    """Whether to run all rounds again for a bound that this run has earned; auto: where that takes a minute at most."""
    json: bool = False
    """Print JSON."""
    force: bool = False
    """Take over a folder that holds the figure of another run, or files that are no figure of this command."""


def run(options: Options) -> int:
    """Judge, print and draw."""
    file = run_file(options.run)
    if is_module_run(file, owner="theory", argument="run"):
        raise ValueError(
            f"theory: run must be of a network with one hidden layer, got {str(file)!r}, the run of a module: no "
            f"theorem of the paper covers it; `subnetlab report {file}` shows what was measured of it, and "
            f"diagnostics=('ntk', 'movement') in sl.train measures what the theorems are about"
        )
    run = load_run(file)
    with _figure_folder(options, file) as folder:
        verdict = run.theory(
            failure_prob=options.failure_prob, init_scale=options.init_scale, certificate=options.certificate
        )
        print(json_text(verdict_record(verdict)) if options.json else verdict)
        print(f"figure: {draw_verdict(verdict, folder)[0]}", file=sys.stderr)
    return 0


@contextmanager
def _figure_folder(options: Options, file: Path) -> Iterator[Path]:
    """Give the folder of the figure: beside the run, or one of its own that remembers which run it shows."""
    beside = file.parent
    if options.out is None or options.out.resolve() == beside.resolve():
        _refuse_foreign_figure(beside, force=options.force)
        yield beside
        return
    with file.open("rb") as content:
        run = {"file": file.name, "sha256": hashlib.file_digest(content, "sha256").hexdigest()}
    names = ("failure_prob", "init_scale", "certificate")
    settings = {"run": run, **{name: getattr(options, name) for name in names}}
    with output_folder(options.out, "theory", settings, force=options.force):
        yield options.out


def _refuse_foreign_figure(folder: Path, *, force: bool) -> None:
    """Raise if files in a folder that may be the user's have the figure's names; its numbers tell an earlier figure."""
    numbers = folder / "theory.csv"
    refuse_foreign(numbers, lambda head: head.startswith(b"round,measured"), force=force)
    if not numbers.exists():
        for ending in ("pdf", "svg", "png"):
            refuse_foreign(folder / f"theory.{ending}", lambda _: False, force=force)


def draw_verdict(verdict: RunVerdict, folder: Path) -> list[Path]:
    """Draw the measured error, the prediction, the bounds as printed and repaired, and those of own statements."""
    from ..figures.files import save_figure
    from ..figures.promise import MOST_OWN_BOUNDS, draw_promise

    rounds = len(verdict.measured)
    own = [paper for paper, _ in verdict.own_promises.values() if paper.bound is not None][:MOST_OWN_BOUNDS]
    bounds = {
        _label(promise): promise.bound[:rounds]
        for promise in (*verdict.promises[verdict.theorem], *own)
        if promise.bound is not None
    }
    prediction = verdict.prediction
    figure, table = draw_promise(
        verdict.measured,
        predicted=None if prediction is None else prediction.full_error[:rounds],
        floor=None if prediction is None else prediction.floor,
        bounds=bounds,
        certified=None if verdict.certificate is None else verdict.certificate.bound,
    )
    return save_figure(figure, folder, "theory", table)


def _label(promise: Promise) -> str:
    constants = {"paper": "as printed", "repaired": "repaired"}[promise.constants]
    said = promise.statement if promise.proven is None else f"{promise.statement}, {constants}"
    return f"{said}{'' if promise.met else ' (hypotheses not met)'}"


def verdict_record(verdict: RunVerdict) -> dict[str, Any]:
    """Return a verdict as plain data."""
    prediction = verdict.prediction
    return {
        "theorem": verdict.theorem,
        "promises": {name: [_promise_record(p) for p in pair] for name, pair in verdict.promises.items()},
        "measured": verdict.measured.tolist(),
        "predicted": None if prediction is None else prediction.full_error.tolist(),
        "predicted_floor": None if prediction is None else prediction.floor,
        "predicted_plateau": None if prediction is None else prediction.plateau,
        "bound_kept": verdict.bound_kept,
        "lambda_0": verdict.setting.smallest_eigenvalue,
        "smallest_masked_eigenvalue": float(verdict.eigenvalues.values.min()),
        "kernels_kept": verdict.kernels_kept,
        "movement": verdict.movement,
        "radius": verdict.radius,
        "local_rate_limit": verdict.local_rate_limit,
        "local_rates_kept": verdict.local_rates_kept,
        "certificate": None if verdict.certificate is None else _certificate_record(verdict.certificate),
    }


def _certificate_record(certificate: Certificate) -> dict[str, Any]:
    curves = {name: values.tolist() for name, values in vars(certificate).items()}
    return {**curves, "ratio": certificate.ratio, "vacuous": certificate.vacuous}


def _promise_record(promise: Promise) -> dict[str, Any]:
    return {
        **vars(promise),
        "met": promise.met,
        "conditions": [{**vars(condition), "met": condition.met} for condition in promise.conditions],
        "bound": None if promise.bound is None else promise.bound.tolist(),
        "vacuous": promise.vacuous,
    }
