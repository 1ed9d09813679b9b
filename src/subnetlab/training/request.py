"""A request to train: every argument checked, "auto" resolved, before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..core.law_check import check_first_masks
from ..core.network import ShallowReLU
from ..core.scheme import TrainingScheme
from ..engines.base import Problem
from ..engines.choice import Workload, choose_engine
from ..engines.table import ENGINES, check_capabilities, check_place, needed_capabilities
from ..surroundings import undisturbed
from .data import TrainingData, checked_data
from .run import RunSettings
from .run_check import check_settings
from .step_size import resolve_step_size

if TYPE_CHECKING:
    from ..core.losses import LossName
    from ..engines.base import Device, Dtype
    from .run import Diagnostic, Record


@undisturbed()
def resolved(
    network: ShallowReLU,
    X: Any,
    y: Any,
    scheme: TrainingScheme,
    *,
    seed: int,
    engine: str,
    dtype: Dtype,
    threads: int,
    device: Device,
    record: Record,
    diagnostics: tuple[Diagnostic, ...],
    validation: tuple[Any, Any] | None,
    sample_weight: Any,
    loss: LossName,
    learn_signs: bool,
) -> tuple[TrainingData, RunSettings]:
    """Return the data and settings of a run, engine and step size resolved; the arguments are those of `train`.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, or no engine can do what is asked.
    ImportError
        If the engine needs an extra that is not installed.
    """
    checks.instance("train", "network", network, ShallowReLU)
    checks.instance("train", "scheme", scheme, TrainingScheme)
    check_settings(
        "train", record=record, dtype=dtype, device=device, loss=loss, threads=threads, diagnostics=diagnostics
    )
    learn_signs = checks.flag("train", "learn_signs", learn_signs)
    data = checked_data(network, X, y, validation, sample_weight, loss)
    scheme.check(network.width, len(data.X))
    seed = checks.seed_number("train", seed)
    check_first_masks(scheme.masks, seed, network.width)
    problem = make_problem(network, data, scheme, loss, learn_signs, record)
    needed = needed_capabilities(problem, scheme, dtype)
    name = choose_engine(needed) if engine == "auto" else engine
    check_capabilities(name, needed)
    check_place(name, device)
    with undisturbed(threads):  # eta decides bits as much as the rounds do
        step_size = resolve_step_size(network, data, scheme, loss, learn_signs=learn_signs)
    if engine == "auto":
        init_scale = float(np.sqrt(np.mean(network.weights**2)))
        work = Workload.estimate(problem, scheme, init_scale=init_scale, step_size=step_size, dtype=dtype)
        name = choose_engine(needed, work)
    return data, RunSettings(
        seed=seed,
        engine=name,
        engine_version=ENGINES[name].version,
        dtype=dtype,
        threads=int(threads),
        step_size=step_size,
        record=record,
        diagnostics=tuple(diagnostics),
        loss=loss,
        learn_signs=learn_signs,
        device=device,
    )


def make_problem(
    network: ShallowReLU, data: TrainingData, scheme: TrainingScheme, loss: LossName, learn_signs: bool, record: Record
) -> Problem:
    """Return what the engine is told of a run."""
    return Problem(
        X=data.X,
        y=data.y,
        signs=network.signs,
        selection_prob=scheme.masks.selection_prob,
        sample_weight=data.sample_weight,
        loss=loss,
        learn_signs=learn_signs,
        step_errors=record in ("mean", "subnetworks"),
        full_errors=record != "none",
    )
