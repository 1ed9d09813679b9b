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
    CSV, TSV, Parquet, NPY or NPZ file; fashion_mnist and digits have class labels, which `subnetlab data` alone
    takes."""
    path: Path | None = None
    """Where the file of the crime data is, or the folder of fashion_mnist; otherwise SUBNETLAB_DATA, the cache, a
    download."""
    target: str | None = None
    """Name or number of the target column of a file of yours."""
    n_samples: int | Literal["all"] | None = None
    """Rows, drawn by --data-seed: a number or all. If not given, 100 as in the paper, and all of images or a file of
    yours."""
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
        """Load data with numbers to predict; see `subnetlab.load_dataset` for the errors."""
        from ..datasets import check_numeric_targets

        check_numeric_targets("subnetlab", self.dataset)
        return self.load_any(n_validation)

    def load_any(self, n_validation: int = 0) -> Dataset:
        """Load data with numbers or with class labels, only to look at."""
        from ..datasets import Preprocessing, load_dataset

        return load_dataset(
            self.dataset,
            n_samples=self.n_samples,
            seed=self.data_seed,
            path=self.path,
            target=self.target,
            preprocessing=None if self.preprocessing == Preprocessing() else self.preprocessing,
            n_validation=n_validation,
        )
