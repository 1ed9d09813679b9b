"""Data to train on: Communities and Crime, images with labels, embedded data, made data and the user's own files.

One dataset is one file here and one line in `table`. Imports nothing of ours but core and the leaf modules.
"""

from .collinear import CollinearRows, collinear_rows
from .dataset import Dataset
from .describe import crime_places, describe, fashion_mnist_places, headline, list_datasets, notes
from .load import DatasetWarning, default_rows, load_dataset
from .preprocessing import Preprocessing
from .search import DatasetNotFoundError
from .table import check_numeric_targets, has_labels

__all__ = [
    "CollinearRows",
    "Dataset",
    "DatasetNotFoundError",
    "DatasetWarning",
    "Preprocessing",
    "check_numeric_targets",
    "collinear_rows",
    "crime_places",
    "default_rows",
    "describe",
    "fashion_mnist_places",
    "has_labels",
    "headline",
    "list_datasets",
    "load_dataset",
    "notes",
]
