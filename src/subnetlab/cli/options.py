"""The options that several commands share: which data, which network and scheme."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.masks.naming import import_law
from ..core.scheme import TrainingScheme

if TYPE_CHECKING:
    from ..datasets import Dataset, Preprocessing


@dataclass(frozen=True)
class DataOptions:
    """Which data, and how it is prepared."""

    dataset: str = "auto"
    """auto (crime where it is available, otherwise the embedded diabetes data), crime, diabetes, synthetic, or a
    CSV, TSV, Parquet, NPY or NPZ file; fashion_mnist and digits have class labels, which `subnetlab data`
    and `subnetlab explore --model` take."""
    path: Path | None = None
    """Where the file of the crime data is, or the folder of fashion_mnist; otherwise SUBNETLAB_DATA, the cache, a
    download."""
    target: str | None = None
    """Name or number of the target column of a file of yours."""
    drop: tuple[str, ...] = ()
    """Columns of a file of yours that are left out, whatever they hold."""
    categorical: tuple[str, ...] = ()
    """Columns of a file of yours that hold names, such as a city: a column of zeros and ones stands for each name."""
    n_samples: int | Literal["all"] | None = None
    """Rows, drawn by --data-seed: a number or all. The default is 100, as in the paper, and all of images and of a file
    of yours."""
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
            drop=self.drop,
            categorical=self.categorical,
            preprocessing=None if self.preprocessing == Preprocessing() else self.preprocessing,
            n_validation=n_validation,
        )


@dataclass(frozen=True)
class SchemeOptions:
    """The network and the training scheme."""

    masks: str = "bernoulli"
    """Law of the masks: bernoulli, categorical (each neuron in one subnetwork), all (gradient descent, or local SGD
    with --shards), or one of your own as module:Class."""
    n_subnetworks: int | None = None
    """p, the subnetworks per round; without --shards, masks all take 1."""
    selection_prob: float | None = None
    """xi, the chance that a subnetwork holds a neuron; laws that fix it by themselves refuse it."""
    rounds: int = 200
    """K, the rounds."""
    local_steps: int = 10
    """tau, the gradient steps of each subnetwork in a round."""
    step_size: float | Literal["auto", "theory"] = "auto"
    """eta: a number, auto (half of the largest stable step), or theory (the theorem's limit)."""
    width: int = 4000
    """m, the hidden neurons."""
    init_scale: float = 1.0
    """kappa, the standard deviation of the initial weights."""
    unselected: Literal["keep", "zero"] = "keep"
    """What becomes of neurons that no subnetwork holds: keep (the paper), zero (the authors' released code)."""
    shards: int | None = None
    """Split the rows into this many shards, one per subnetwork; by default every subnetwork sees all rows."""
    batch_size: int | None = None
    """Rows per local step; by default all of them."""

    @classmethod
    def decided_later(cls) -> dict[str, Any]:
        """Return what p and xi are where they are not given and the law has them."""
        return {"n_subnetworks": 10, "selection_prob": 0.5}

    def settings(self) -> dict[str, Any]:
        """Return the options with p and xi as numbers: what a folder remembers."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {**asdict(self), **self.decided_later(), **given}

    def scheme(self) -> TrainingScheme:
        """Return the training scheme; a law named ``module:Class`` is imported, as the user wrote it here."""
        import_law(self.masks)
        alone = self.masks == "all" and not self.shards  # whole networks on the same rows would all do the same
        defaults = {**self.decided_later(), **({"n_subnetworks": 1} if alone else {})}
        settings = {name: value for name, value in vars(self).items() if name not in ("width", "init_scale")}
        return TrainingScheme.from_settings(**settings, defaults=defaults)
