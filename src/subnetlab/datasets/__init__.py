"""Data to train on: Communities and Crime, embedded data, made data and the user's own files.

One dataset is one file here and one line in `table`. Imports nothing of ours but core and the leaf modules.
"""

from .collinear import CollinearRows, collinear_rows
from .dataset import Dataset
from .describe import crime_places, describe, headline, list_datasets, notes
from .errors import DatasetNotFoundError
from .load import load_dataset
from .preprocessing import Preprocessing

__all__ = [
    "CollinearRows",
    "Dataset",
    "DatasetNotFoundError",
    "Preprocessing",
    "collinear_rows",
    "crime_places",
    "describe",
    "headline",
    "list_datasets",
    "load_dataset",
    "notes",
]
