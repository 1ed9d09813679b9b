"""`subnetlab data`: which datasets there are, where they are, what one of them holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..datasets import crime_places, describe, fashion_mnist_places, list_datasets
from .json_text import json_text
from .options import DataOptions


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab data`."""

    data: DataOptions = field(default_factory=DataOptions)
    list: bool = False
    """List the datasets and where their files were looked for, and load none."""
    json: bool = False
    """Print JSON."""


def run(options: Options) -> int:
    """Print."""
    if options.list:
        images = options.data.dataset == "fashion_mnist"
        listing = {
            "datasets": list_datasets(),
            "crime_file": crime_places(None if images else options.data.path),
            "fashion_mnist_files": fashion_mnist_places(options.data.path if images else None),
        }
        if options.json:
            print(json_text(listing, sort_keys=True))
            return 0
        for entry in listing["datasets"]:
            print(f"{entry['name']:<15}{entry['summary']}")
        for title, places in (("the crime file", "crime_file"), ("the files of fashion_mnist", "fashion_mnist_files")):
            print(f"\n{title}:")
            for place in listing[places]:
                print(f"  {place['kind']:<14}{place['file'] or ''}  {place['note']}")
        return 0
    data = options.data.load_any()
    print(json_text(data.provenance, sort_keys=True) if options.json else describe(data))
    return 0
