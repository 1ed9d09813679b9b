"""Cells whose network is a torch module: what their settings mean, which are refused, and how such a cell is trained.

A module cell is `subnetlab.ModuleTraining` with the settings of the cell. Its errors are mean losses, where those of
the paper's network are sums over the rows; of a batch, inside a round with minibatches (`recording.round_errors`).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..history import METRIC, HistoryBuilder
from .networks import NetworkText

if TYPE_CHECKING:
    from ..history import History
    from .cell import Cell
    from .data import StudyData

SETTINGS: dict[str, Any] = {
    "cut_groups": "all",
    "scale": 1.0,
    "state": "reset",
    "optimizer": "sgd",
    "evaluate_every": None,
}
"""The settings that only modules have, with their defaults."""

LOSSES = {"squared": "mse", "cross_entropy": "cross_entropy"}
"""What a cell calls a loss, and what `subnetlab.train` calls it for a module."""

VERSION = 1  # raise when a module cell gets other bits
_OF_THE_SHALLOW: dict[str, Any] = {
    "width": None,
    "init_scale": 1.0,
    "unselected": "keep",
    "learn_output_weights": False,
    "compare": None,
    "diagnostics": (),
}
_ENGINES = ("sliced", "masked")


def check_at_default(cell: Cell, defaults: dict[str, Any]) -> None:
    """Raise ValueError where a setting that the cell's network does not have is not at its default."""
    for name, default in defaults.items():
        if (value := getattr(cell, name)) != default:
            rule = "be absent" if default is None else f"be {default!r}"
            raise ValueError(f"Cell: {name} must {rule} for network {cell.network!r}, got {value!r}")


def check(cell: Cell) -> None:
    """Raise unless the settings are such as a module can be trained with.

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule.
    ImportError
        If torch is not installed.
    """
    NetworkText.parsed(cell.network).factory()
    check_at_default(cell, _OF_THE_SHALLOW)
    checks.one_of("Cell", "engine", cell.engine, ("auto", *_ENGINES))
    checks.one_of("Cell", "cut_groups", cell.cut_groups, ("all", "alternate"))
    checks.one_of("Cell", "state", cell.state, ("reset", "travels"))
    from ..modules.by_name import OPTIMIZERS

    checks.one_of("Cell", "optimizer", cell.optimizer, tuple(OPTIMIZERS))
    if not 0 <= checks.finite_number("Cell", "scale", cell.scale) <= 1:
        raise ValueError(f"Cell: scale must be in [0, 1], got {cell.scale}")
    if isinstance(cell.step_size, str):
        raise ValueError(f"Cell: step_size must be a number for network {cell.network!r}, got {cell.step_size!r}")
    if cell.evaluate_every is not None:
        checks.whole_number("Cell", "evaluate_every", cell.evaluate_every, least=1)


def resolved_engine(cell: Cell, data: StudyData) -> str:
    """Return the engine's name, once the network and the loss fit the data.

    Raises
    ------
    ValueError
        If they do not.
    """
    if cell.loss == "cross_entropy" and not data.classes:
        raise ValueError(
            f"Cell: loss must be 'squared' for data with numbers to predict ({data.name}), got 'cross_entropy'"
        )
    n_parameters(cell, data)
    cell.scheme().check_rows(len(data.X))
    return _engine(cell)


def n_parameters(cell: Cell, data: StudyData) -> int:
    """Return the size of the cell's network on these data."""
    return _size(cell.network, data.X.shape[1], _outputs(data))


def train_module_cell(cell: Cell) -> tuple[History, str]:
    """Train the cell on one thread; return its history, and why it diverged or an empty text.

    The history of a run that diverges holds the completed rounds.
    """
    from ..modules.by_name import OPTIMIZERS
    from ..modules.evaluation import accuracy, loss_function
    from ..modules.recording import round_errors, whole_errors
    from ..modules.training import ModuleTraining

    data = cell.dataset.load()
    rows = _pair(cell, data, data.X, data.y)
    held_out = None if data.validation is None else _pair(cell, data, *data.validation)
    scheme = replace(cell.scheme(), step_size="auto")  # the optimiser has it
    training = ModuleTraining(
        initial_cut(cell, data),
        scheme,
        optimizer=OPTIMIZERS[cell.optimizer](float(cell.step_size)),
        seed=cell.seed,
        state=cell.state,  # pyright: ignore[reportArgumentType]
        scale=cell.scale,
        engine=_engine(cell),  # pyright: ignore[reportArgumentType]
        device=cell.device,
    )
    loss = loss_function(LOSSES[cell.loss])
    metrics = {METRIC + "accuracy": lambda output, target: accuracy(output, _labels(target))} if data.classes else {}
    names = ["full_error", *([] if held_out is None else ["validation_error", *metrics])]

    def state(k: int) -> dict[str, float]:
        ends = k in (0, cell.rounds)
        every = cell.evaluate_every
        found = {}
        if ends or k % (every or 1) == 0:
            found = whole_errors(training, rows, held_out if ends or every else None, loss, metrics)
        return {name: found.get(name, np.nan) for name in names}

    shape = {"n_subnetworks": scheme.masks.n_subnetworks, "local_steps": cell.local_steps}
    history = HistoryBuilder(keep_subnetworks=cell.record == "subnetworks", **shape)
    history.add_state(**state(0))
    with closing(training.rounds()) as rounds:
        for round in rounds:
            errors = round_errors(round, rows, loss)
            if not (np.isfinite(errors).all() and round.is_finite()):
                return history.build(), f"diverged in round {round.index} (a loss or an entry is not finite)"
            round.finish()
            measured = state(round.index + 1)
            history.add_errors(np.full_like(errors, np.nan) if cell.record == "rounds" else errors)
            history.add_state(**measured)
    return history.build(), ""


def _engine(cell: Cell) -> str:
    return _ENGINES[0] if cell.engine == "auto" else cell.engine


def _labels(target: Any) -> Any:
    """Return the classes of targets, which for the squared loss are rows with a one in the place of the class."""
    return target if target.ndim == 1 else target.argmax(dim=1)


def _outputs(data: StudyData) -> int:
    return data.classes or (data.y.shape[1] if data.y.ndim == 2 else 1)


def _pair(cell: Cell, data: StudyData, X: Any, y: Any) -> tuple[Any, Any]:
    """Return rows and targets as torch takes them."""
    from ..modules.batches import as_tensor
    from ..modules.by_name import precision

    if data.classes and cell.loss == "squared":
        y = np.eye(data.classes)[y]
    elif not data.classes:
        y = np.asarray(y).reshape(len(y), -1)
    return as_tensor(X, precision(cell.dtype), "Cell: X"), as_tensor(y, precision(cell.dtype), "Cell: y")


def initial_cut(cell: Cell, data: StudyData) -> Any:
    """Return the cell's initial network, cut and verified; a network of this package's is cut once per process."""
    from ..modules.by_name import cut_of, drawn

    text, inputs, outputs = NetworkText.parsed(cell.network), data.X.shape[1], _outputs(data)
    model = drawn(lambda: text.make(inputs, outputs), cell.own_network_seed, cell.dtype)
    if text.own:
        return cut_of(model, inputs)
    cut = _cut_of_ours(cell.network, inputs, outputs, cell.dtype)
    cut.model.load_state_dict(model.state_dict())
    return cut


@lru_cache(maxsize=8)
def _cut_of_ours(network: str, inputs: int, outputs: int, dtype: str) -> Any:
    from ..modules.by_name import cut_of, drawn

    return cut_of(drawn(lambda: NetworkText.parsed(network).make(inputs, outputs), 0, dtype), inputs)


@lru_cache(maxsize=256)
def _size(network: str, inputs: int, outputs: int) -> int:
    from ..modules.by_name import drawn

    model = drawn(lambda: NetworkText.parsed(network).make(inputs, outputs), 0, "float32")
    return sum(parameter.numel() for parameter in model.parameters())
