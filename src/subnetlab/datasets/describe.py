"""What a person wants to know of the data: which there are, where they are, what was made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .crime.source import CRIME
from .fashion_mnist import FASHION_MNIST
from .search import look_at_environment, look_at_path, other_places
from .table import DATASETS, OWN_FILE

if TYPE_CHECKING:
    import os

    from .dataset import Dataset
    from .search import Files


_SHOWN = 8  # categories of a column


def list_datasets() -> list[dict[str, Any]]:
    """Return name, default number of rows and a line of text for each dataset.

    Examples
    --------
    >>> [entry["name"] for entry in list_datasets()]
    ['crime', 'diabetes', 'synthetic', 'fashion_mnist', 'digits', 'auto', 'FILE']
    """
    return [
        {"name": name, "default_rows": entry.default_rows or "all", "summary": entry.summary}
        for name, entry in {**DATASETS, "FILE": OWN_FILE}.items()
    ]


def dataset_places(files: Files[Any], path: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Return where the files of a dataset are looked for, in order, and what is there; downloads nothing.

    Parameters
    ----------
    files : Files
        `CRIME` or `FASHION_MNIST`.
    path : path, optional
        What ``path=`` would name.

    Returns
    -------
    list of dict
        With keys "kind", "file" (a path or None), "usable" (bool) and "note": why not, or "verified".
    """
    places = [look_at_environment(files), *other_places(files)]
    if path is not None:
        places.insert(0, look_at_path(path, files))
    report: list[dict[str, Any]] = []
    for place in places:
        note = place.why_not
        if place.found is not None:
            try:
                files.read(place.found)
                note = "verified"
            except (OSError, ValueError) as error:
                note = str(error)
        file = None if place.found is None else str(place.found)
        report.append({"kind": place.kind, "file": file, "usable": note == "verified", "note": note})
    return report


def crime_places(path: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Return `dataset_places` of the paper's data."""
    return dataset_places(CRIME, path)


def fashion_mnist_places(path: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Return `dataset_places` of Fashion-MNIST."""
    return dataset_places(FASHION_MNIST, path)


def headline(dataset: Dataset) -> str:
    """Return the one line that a command prints first: which data, from where and, for "auto", why."""
    facts = dataset.provenance
    n, d = dataset.X.shape
    where = facts["source"]["where"]
    line = f"data: {dataset.name}, {n} of {facts['source']['n_rows']:,} rows, {d} features, from {where}"
    return f"{line} ({facts['why']})" if facts["why"] else line


def describe(dataset: Dataset) -> str:
    """Return several lines: source, rows, features, treatment, and everything that deserves a note."""
    facts = dataset.provenance
    drawn = "all" if facts["rows"] == "all" else f"drawn with seed {facts['seed']}"
    treatment = "none; rows keep their norm"
    if facts["preprocessing"] is not None:
        treatment = ", ".join(f"{key} {value}" for key, value in facts["preprocessing"].items()) + "; rows to norm 1"
    lines = [
        headline(dataset),
        f"  target         {facts['target']['name']}, minus {facts['target']['subtracted']}",
        f"  preprocessing  {treatment}",
        f"  content        sha256 {facts['source']['sha256']}",
        f"  rows           {drawn}; {len(facts['validation_rows'])} others for validation",
    ]
    for name, categories in facts["categorical"].items():
        shown = ", ".join(categories[:_SHOWN]) + (", ..." if len(categories) > _SHOWN else "")
        lines.append(f"  categorical    {name}, a column for each of {len(categories)}: {shown}")
    reasons: dict[str, int] = {}
    for reason in facts["left_out"].values():
        reasons[reason] = reasons.get(reason, 0) + 1
    lines += [f"  left out       {count} columns: {reason}" for reason, count in reasons.items()]
    return "\n".join(lines + [f"  note           {note}" for note in notes(dataset)])


def notes(dataset: Dataset) -> list[str]:
    """Return what a reader must not overlook: values imputed, constant columns, rows on one line."""
    facts = dataset.provenance
    found = [
        f"{len(item['rows'])} missing values of {item['column']} set to {item['value']:.6g}, {item['how']}"
        for item in facts["imputed"]
    ]
    if facts["preprocessing"] and facts["preprocessing"]["impute"] and not found:
        found.append("no row drawn lacks a value: nothing was imputed")
    if facts["constant_columns"]:
        found.append(f"columns with one value in all training rows: {', '.join(facts['constant_columns'])}")
    lines = facts["collinear_rows"]
    if lines and lines["n_groups"]:
        first = lines["first_groups"][0]
        found.append(
            f"{lines['n_rows']} rows lie on {lines['n_groups']} shared lines ({lines['n_antipodal']} with "
            f"antipodal rows), the first: rows {first['rows'][:5]} of X; Theorem 1 (lambda_0 > 0) needs none"
        )
    if "not_cached" in facts["source"]:
        found.append(f"the downloaded file could not be kept: {facts['source']['not_cached']}")
    return found
