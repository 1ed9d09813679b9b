"""The data of a cell: what to load, loaded once per process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..core import checks
from ..datasets import Preprocessing, has_labels, load_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray
    from ..datasets.preprocessing import Scaling

_RENAMED = {"name": "dataset", "seed": "data_seed"}  # in the settings of a cell
COLUMNS: dict[str, Any] = {"drop": [], "categorical": []}
"""Settings that only a file of the user's has, with what they are of any other data: then no study speaks of them."""
_KEPT = 8  # datasets in memory per process

_PREPROCESSING: tuple[str, ...] = tuple(f.name for f in fields(Preprocessing))


@dataclass(frozen=True)
class DatasetSpec:
    """Which data to train on, as plain values; each is explained at `subnetlab.load_dataset`.

    Parameters
    ----------
    name : str
        "crime", "diabetes", "synthetic", "auto", or the path of the user's own file; for networks of torch also
        "fashion_mnist" and "digits", whose images keep their pixels unless they are treated otherwise.
    n_samples : int or "all", optional
    seed : int, default 0
        Of the draw of the rows.
    n_validation : int, default 0
    path : str, optional
        Of the crime file.
    target : str or int, optional
    drop, categorical : tuple of str
        Columns of the user's own file.
    smallest_eigenvalue, n_features : optional
        Of "synthetic".
    scaling, centre_target, intercept, impute
        As in `subnetlab.datasets.Preprocessing`.

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule.
    """

    name: str
    n_samples: int | str | None = None
    seed: int = 0
    n_validation: int = 0
    path: str | None = None
    target: str | int | None = None
    smallest_eigenvalue: float | None = None
    n_features: int | None = None
    scaling: Scaling = "raw"
    centre_target: bool = False
    intercept: bool = False
    impute: bool = False
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"DatasetSpec: name must be the name or path of a dataset, got {self.name!r}")
        if self.path is not None and not isinstance(self.path, str):
            raise TypeError(f"DatasetSpec: path must be a text, got {self.path!r}")
        if self.n_samples not in (None, "all"):
            checks.whole_number("DatasetSpec", "n_samples", self.n_samples, least=1)
        checks.whole_number("DatasetSpec", "seed", self.seed, least=0)
        for name in COLUMNS:
            checks.instance("DatasetSpec", name, getattr(self, name), tuple | list)
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self.preprocessing()

    def __str__(self) -> str:
        given = (f.name for f in fields(self) if f.name not in COLUMNS or getattr(self, f.name))
        return f"DatasetSpec({', '.join(f'{name}={getattr(self, name)!r}' for name in given)})"

    def preprocessing(self) -> Preprocessing:
        """Return how the rows are treated."""
        return Preprocessing(**{name: getattr(self, name) for name in _PREPROCESSING})

    def settings(self) -> dict[str, Any]:
        """Return the settings by the names they have in a study: ``dataset``, ``data_seed`` and so on."""
        own = {_RENAMED.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        columns = {name: list(own.pop(name)) for name in COLUMNS}
        return own | {name: given for name, given in columns.items() if given}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> DatasetSpec:
        """Return the spec that `settings` described; what else is there is left alone."""
        names = ((f.name, _RENAMED.get(f.name, f.name)) for f in fields(cls))
        return cls(**{own: settings[name] for own, name in names if name in settings})

    def load(self) -> StudyData:
        """Return the data, read once per process or handed over by `give`.

        Raises
        ------
        TypeError, ValueError, OSError, ImportError
            If the data are not available or break a rule, see `subnetlab.load_dataset`.
        """
        return _given[self] if self in _given else _load(self)


@dataclass(frozen=True, eq=False)
class StudyData:
    """Loaded data.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,) or (n, o)
        Of data with classes the labels, whole numbers.
    validation : (X, y), optional
        Rows held out; of data with classes, those that the source keeps for testing if none are asked for.
    name : str
        The dataset that it is, where "auto" was asked for.
    digest : str
        SHA-256 of shapes and bits.
    classes : int
        How many there are; 0 where there are numbers to predict.
    """

    X: FloatArray
    y: FloatArray
    validation: tuple[FloatArray, FloatArray] | None
    name: str
    digest: str
    classes: int = 0

    @property
    def nbytes(self) -> int:
        """The size in memory."""
        return sum(array.nbytes for array in (self.X, self.y, *(self.validation or ())))


_given: dict[DatasetSpec, StudyData] = {}


def give(data: Mapping[DatasetSpec, StudyData]) -> None:
    """Let this process use data that another process has loaded."""
    _given.update(data)


@lru_cache(maxsize=_KEPT)
def _load(spec: DatasetSpec) -> StudyData:
    own = {f.name: getattr(spec, f.name) for f in fields(spec) if f.name not in _PREPROCESSING}
    preprocessing = spec.preprocessing()
    as_is = has_labels(spec.name) and preprocessing == Preprocessing()  # images keep their pixels
    data = load_dataset(**own, preprocessing=None if as_is else preprocessing)
    held_out = None
    if data.X_validation is not None and data.y_validation is not None:
        held_out = (data.X_validation, data.y_validation)
    elif data.test_X is not None and data.test_y is not None:
        held_out = (data.test_X, data.test_y)
    return StudyData(data.X, data.y, held_out, data.name, data.digest, len(data.classes))
