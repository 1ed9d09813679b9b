"""The options that choose and prepare data, the same in every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..datasets import Dataset, Preprocessing


@dataclass(frozen=True)
class DataOptions:
    """Which data, and how it is prepared."""

    dataset: str = "auto"
    """auto (crime where it can be had, otherwise the embedded diabetes data), crime, diabetes, synthetic, or a
    CSV, TSV, Parquet, NPY or NPZ file."""
    path: Path | None = None
    """Where the file of the crime data is; otherwise SUBNETLAB_DATA, the cache, a download."""
    target: str | None = None
    """Name or number of the target column of a file of yours."""
    n_samples: int | Literal["all"] | None = None
    """Rows, drawn by --data-seed: a number or all. If not given, 100 as in the paper, and all of a file of yours."""
    data_seed: int = 0
    """Seed of the drawn rows."""
    scaling: Literal["raw", "centred", "standardised"] = "raw"
    """What is done to the columns before every row is scaled to norm 1."""
    centre_target: bool = False
    """Subtract the mean of the target."""
    intercept: bool = False
    """Append a column of ones before rows are scaled; the network has no bias."""
    impute: bool = False
    """Fill missing values with the mean of their column."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The treatment of the columns."""
        from ..datasets import Preprocessing

        return Preprocessing(self.scaling, self.centre_target, self.intercept, self.impute)

    def load(self, n_validation: int = 0) -> Dataset:
        """Load the data; see `subnetlab.load_dataset` for the errors."""
        from ..datasets import load_dataset

        return load_dataset(
            self.dataset,
            n_samples=self.n_samples,
            seed=self.data_seed,
            path=self.path,
            target=self.target,
            preprocessing=self.preprocessing,
            n_validation=n_validation,
        )
