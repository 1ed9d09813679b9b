"""`subnetlab data`: which datasets there are, where they are, what one of them holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ..datasets import crime_places, describe, list_datasets
from .data_options import DataOptions


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab data`."""

    data: DataOptions = field(default_factory=DataOptions)
    list: bool = False
    """List the datasets and where the crime file was looked for, and load none."""
    json: bool = False
    """Print JSON."""


def run(options: Options) -> int:
    """Print."""
    if options.list:
        listing = {"datasets": list_datasets(), "crime_file": crime_places(options.data.path)}
        if options.json:
            print(json.dumps(listing, sort_keys=True))
            return 0
        for entry in listing["datasets"]:
            print(f"{entry['name']:<12}{entry['summary']}")
        print("\nthe crime file:")
        for place in listing["crime_file"]:
            print(f"  {place['kind']:<14}{place['file'] or ''}  {place['note']}")
        return 0
    data = options.data.load()
    print(json.dumps(data.provenance, sort_keys=True) if options.json else describe(data))
    return 0
