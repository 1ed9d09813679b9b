"""`subnetlab predict`: what a trained network says of the rows of a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from ..atomic import atomic_file, refuse_foreign
from ..datasets.new_rows import load_new_rows
from ..input_file import FileContentError, read_input_text
from ..training import load_run
from ..training.reading import is_module_run, run_file
from ..training.scores import predicted
from .folder import PROVENANCE

_HEADERS = {"squared": "prediction", "logistic": "probability"}


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab predict`."""

    run: tyro.conf.Positional[Path]
    """The folder of a run that train or launch made."""
    rows: tyro.conf.Positional[Path]
    """A CSV, TSV, Parquet or NPY file with the columns of the run's data, in any order; the target may be missing."""
    out: Path | None = None
    """The CSV file of the predictions, one line per row; printed if not given."""
    force: bool = False
    """Write over a file that holds no earlier predictions."""


def run(options: Options) -> int:
    """Treat the rows as those of the training data were, predict, and write."""
    if options.out is not None:
        ours = tuple(header.encode() for header in _HEADERS.values())
        refuse_foreign(options.out, lambda head: head.startswith(ours), force=options.force)
    file = run_file(options.run)
    if is_module_run(file, owner="predict", argument="run"):
        raise ValueError(f"predict: run must be of a shallow network, got {str(file)!r}, the run of a module")
    run, origin = load_run(file), file.parent / PROVENANCE
    try:
        provenance = _provenance(origin)
        X = load_new_rows(options.rows, provenance, owner="predict", argument="rows")
        subtracted = np.asarray(provenance["target"]["subtracted"], np.float64)
    except (AttributeError, LookupError, TypeError) as error:
        raise FileContentError(f"{origin}: must be what subnetlab wrote beside a run") from error
    guess = predicted(run.predict(X), run.settings.loss)
    text = _csv(guess + subtracted if run.settings.loss == "squared" else guess, _HEADERS[run.settings.loss])
    if options.out is None:
        print(text, end="")
        return 0
    with atomic_file(options.out) as out:
        out.write(text.encode())
    print(options.out)
    return 0


def _provenance(file: Path) -> dict[str, Any]:
    """Return what is known of the data of a run."""
    if not file.exists():
        raise FileNotFoundError(
            f"predict: run must be in the folder of train or launch, whose {PROVENANCE} says how data were treated, "
            f"got {str(file.parent)!r}; in Python, run.predict takes rows that you treat yourself"
        )
    try:
        found = json.loads(read_input_text(file, owner="predict", argument="run"))
    except (ValueError, RecursionError) as error:
        raise FileContentError(f"{file}: must be JSON, got: {error}") from error
    return found


def _csv(u: np.ndarray, header: str) -> str:
    """Return a line per row; several outputs are columns with numbers."""
    if u.ndim == 1:
        return "\n".join([header, *map(repr, u.tolist())]) + "\n"
    names = ",".join(f"{header}_{j}" for j in range(u.shape[1]))
    return "\n".join([names, *(",".join(map(repr, row)) for row in u.tolist())]) + "\n"
