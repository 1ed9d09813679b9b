"""Which rows a subnetwork sees in each of its steps, as a pure function of (seed, subnetwork, step)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.randomness import Purpose, blocks_for, permutation, random_words
from ..core.rows import shard_rows

if TYPE_CHECKING:
    from ..core.arrays import IntArray

DATASET = "Subnet.batches: dataset"  # what messages call it unless told otherwise


def rows_of_step(
    seed: int, subnetwork: int, step: int, *, n_samples: int, shards: int | None, batch_size: int | None
) -> IntArray:
    """Return the rows of one step.

    A subnetwork goes through its rows pass after pass, each pass in a random order of its own, so that within a pass
    every row comes once; a batch at the end of a pass takes its last rows from the next one. Nothing is counted in
    passes: step s = k tau + t takes rows s b to (s + 1) b of that endless stream.

    Parameters
    ----------
    seed, subnetwork, step : int
        ``step`` counts from the start of training.
    n_samples : int
        n.
    shards : int, optional
        The subnetwork sees shard ``subnetwork`` modulo ``shards`` only.
    batch_size : int, optional
        All rows of the shard in every step if None.

    Returns
    -------
    ndarray of int, shape (b,)

    Examples
    --------
    >>> stream = np.concatenate([rows_of_step(0, 1, s, n_samples=6, shards=None, batch_size=4) for s in range(3)])
    >>> sorted(stream[:6].tolist()), sorted(stream[6:].tolist())
    ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])
    """
    own = n_samples if shards is None else len(_shard(seed, n_samples, shards, subnetwork % shards))
    if batch_size is None or batch_size >= own:
        places = np.arange(own)
    else:
        first = step * batch_size
        places = np.concatenate(
            [
                _order(seed, subnetwork, number, own)[max(0, first - number * own) : first + batch_size - number * own]
                for number in range(first // own, (first + batch_size - 1) // own + 1)
            ]
        )
    return places if shards is None else _shard(seed, n_samples, shards, subnetwork % shards)[places]


def step_seed(seed: int, round: int, subnetwork: int, step: int) -> int:
    """Return the seed of everything random inside a step: dropout in the module, augmentation in the data."""
    words = random_words(seed, Purpose.MODULE_STEPS, round, step // 4, blocks_for(1), lane=subnetwork)
    return int(words[step % 4])


def n_samples(dataset: Any, name: str = DATASET) -> int:
    """Return the number of rows of a pair (X, y) or of a map-style Dataset.

    Raises
    ------
    TypeError, ValueError
        If it is neither; ``name`` is what the message calls it.
    """
    kind = type(dataset).__name__
    if isinstance(dataset, tuple | list):
        if len(dataset) != 2 or len(dataset[0]) != len(dataset[1]):
            lengths = ", ".join(str(len(part)) if hasattr(part, "__len__") else type(part).__name__ for part in dataset)
            raise ValueError(f"{name} must be two of equal length, rows and targets, got {kind} of {lengths}")
        return len(dataset[0])
    if isinstance(dataset, torch.utils.data.DataLoader):
        raise TypeError(f"{name} must be a map-style Dataset, got {kind}: pass its .dataset")
    if isinstance(dataset, torch.Tensor | np.ndarray) or not (
        hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    ):
        raise TypeError(f"{name} must be rows and targets, or a map-style Dataset, got {kind}")
    return len(dataset)


def as_tensor(values: Any, precision: torch.dtype, name: str) -> torch.Tensor:
    """Return an array, list or table as a tensor; floating numbers in the given precision.

    Raises
    ------
    TypeError
        If it does not hold numbers; ``name`` is what the message calls it.
    ValueError
        If some of them are missing: of a masked array, or a tensor on the meta device; or a tensor is not dense.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{name} must not have missing values, got {np.ma.count_masked(values)} masked")
    if not isinstance(values, torch.Tensor):
        try:
            values = torch.from_numpy(np.require(values, requirements=("C", "W")))
        except (TypeError, ValueError) as error:
            kind = type(values).__name__
            raise TypeError(f"{name} must be tensors or arrays of numbers, got {kind} ({error})") from error
    check_dense(values, name)
    return values.detach().to(precision) if values.is_floating_point() else values.detach()


def check_dense(values: torch.Tensor, name: str) -> None:
    """Raise ValueError unless a tensor is dense and has numbers; ``name`` is what the message calls it."""
    if values.layout != torch.strided:
        raise ValueError(f"{name} must be dense tensors, got the layout {values.layout}: call to_dense()")
    if values.is_meta:
        raise ValueError(f"{name} must hold numbers, got a tensor on the meta device")


def precision_of(model: torch.nn.Module) -> torch.dtype:
    """Return the type of a network's floating parameters."""
    return next((t.dtype for t in model.parameters() if t.is_floating_point()), torch.get_default_dtype())


def rows_of(dataset: Any, rows: IntArray, device: torch.device | str, name: str = DATASET) -> tuple[Any, Any]:
    """Return the inputs and targets of these rows, on the device.

    Parameters
    ----------
    dataset : pair of tensors or arrays, or a map-style Dataset
    rows : ndarray of int
    device : torch.device or str
    name : str
        What messages call the dataset.

    Raises
    ------
    TypeError
        If an item of a Dataset holds something else than tensors, arrays and numbers.
    """
    if isinstance(dataset, tuple | list) and len(dataset) == 2:
        index = torch.from_numpy(np.ascontiguousarray(rows))
        return tuple(torch.as_tensor(part)[index].to(device) for part in dataset)  # pyright: ignore[reportReturnType]
    fetch = getattr(dataset, "__getitems__", None)
    samples = fetch(rows.tolist()) if fetch is not None else [dataset[i] for i in rows.tolist()]
    try:
        return _moved(torch.utils.data.default_collate(samples), device)
    except (RuntimeError, TypeError, ValueError):
        for row, sample in zip(rows.tolist(), samples, strict=True):
            if (kind := _other_kind(sample)) is not None:
                raise TypeError(
                    f"{name} must have items of tensors, arrays and numbers alone, got {kind} in item {row}"
                ) from None
        raise


def _moved(batch: Any, device: torch.device | str) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: _moved(value, device) for key, value in batch.items()}
    if not isinstance(batch, tuple | list):
        raise TypeError(type(batch).__name__)  # of text, torch makes a list of texts
    return tuple(_moved(part, device) for part in batch)


def _other_kind(sample: Any) -> str | None:
    """Return the type of what torch cannot put into a batch, if there is such a thing in an item."""
    if isinstance(sample, Mapping):
        sample = tuple(sample.values())
    if isinstance(sample, tuple | list):
        return next(filter(None, map(_other_kind, sample)), None)
    if isinstance(sample, np.ndarray | np.generic):
        return None if sample.dtype.kind in "biufc" else f"an array of {sample.dtype}"
    return None if isinstance(sample, torch.Tensor | int | float) else type(sample).__name__


@lru_cache(maxsize=64)
def _order(seed: int, subnetwork: int, number: int, rows: int) -> IntArray:
    return permutation(seed, Purpose.PASSES, number, subnetwork, rows)


@lru_cache(maxsize=64)
def _shard(seed: int, n_samples: int, shards: int, shard: int) -> IntArray:
    return shard_rows(seed, n_samples, shards)[shard]
