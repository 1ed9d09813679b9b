"""train() for modules: all rounds of a scheme on a data set, with a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from ..core import checks
from ..history import HistoryBuilder
from ..modules.evaluation import evaluate, loss_function, metric_functions, n_samples
from ..modules.training import ModuleTraining
from ..progress import progress_bar
from .errors import DivergenceError
from .module_run import ModuleRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..core.scheme import TrainingScheme
    from ..modules.cutting import Cut
    from ..modules.evaluation import Loss, Metric
    from ..modules.training import EngineName, OptimizerFactory, State

ModuleRecord: TypeAlias = Literal["batches", "none"]


def train_module(
    cut: Cut,
    X: Any,
    y: Any,
    scheme: TrainingScheme,
    *,
    loss: str | Loss = "cross_entropy",
    optimizer: OptimizerFactory | None = None,
    seed: int = 0,
    state: State = "reset",
    scale: float = 1.0,
    outer: OptimizerFactory | None = None,
    schedule: Callable[[Any], Any] | None = None,
    clip_norm: float | None = None,
    engine: EngineName = "sliced",
    device: str = "cpu",
    threads: int = 1,
    autocast: str | None = None,
    record: ModuleRecord = "batches",
    validation: Any = None,
    metrics: Mapping[str, Metric] | tuple[str, ...] = (),
    evaluate_every: int | None = None,
    verify: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
    progress: bool = False,
    on_round: Callable[[ModuleTraining], None] | None = None,
) -> ModuleRun:
    """Train a module by Algorithm 1; `subnetlab.train` calls this for a `Cut`.

    Parameters
    ----------
    cut : Cut
        From `subnetlab.cut`.
    X, y : tensors or arrays, or X a map-style Dataset and y None
    scheme : TrainingScheme
    loss : str or callable, default "cross_entropy"
        "cross_entropy", "mse", "bce", or a function of (output, target) that takes the mean over rows.
    optimizer, seed, state, scale, outer, schedule, clip_norm, engine, device
        See `ModuleTraining`.
    threads : int, default 1
        Of torch, while training.
    autocast : str, optional
        "bfloat16" runs forward passes under torch's autocast.
    record : {"batches", "none"}, default "batches"
        Whether the history keeps the losses of the local steps. They cost nothing; the whole network is measured in
        extra passes, and only where ``evaluate_every`` says so.
    validation : pair (X, y) or Dataset, optional
        Rows that are not trained on; their loss and ``metrics`` go into the history.
    metrics : tuple of {"accuracy"}, or mapping from name to function of (output, target)
    evaluate_every : int, optional
        Measure the whole network before round 0, after every so many rounds and after the last. Never if None.
    verify : bool, default True
        Compare the sliced engine with the masked one before training, see `Cut.verify`.
    checkpoint : path, optional
        A file that is written every ``checkpoint_every`` rounds and at the end; if it is there already, training goes
        on from it.
    progress : bool, default False
    on_round : callable, optional
        Called with the training after each round.

    Returns
    -------
    ModuleRun

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, before any work.
    DivergenceError
        If a loss is not finite; it carries the run up to the round before.
    """
    dataset = (X, y) if y is not None else X
    measured_loss, functions = loss_function(loss), metric_functions(metrics)
    checks.one_of("train", "record", record, get_args(ModuleRecord))
    if evaluate_every is not None:
        checks.whole_number("train", "evaluate_every", evaluate_every, least=1)
    if y is not None and len(X) != len(y):
        raise ValueError(f"train: y must have as many rows as X, {len(X)}, got {len(y)}")
    scheme.check_rows(n_samples(dataset))
    training = ModuleTraining(
        cut,
        scheme,
        optimizer=optimizer,
        seed=seed,
        state=state,
        scale=scale,
        outer=outer,
        schedule=schedule,
        clip_norm=clip_norm,
        engine=engine,
        device=device,
        threads=threads,
        autocast=autocast,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    if verify and engine == "sliced":
        cut.verify()
    shape = {"n_subnetworks": scheme.masks.n_subnetworks, "local_steps": scheme.local_steps}
    history = HistoryBuilder(keep_subnetworks=False, **shape)

    def note(k: int) -> None:
        wanted = evaluate_every is not None and (k % evaluate_every == 0 or k == scheme.rounds)
        measures = {"full_error": np.nan}
        if wanted:
            measures["full_error"] = evaluate(training.model, dataset, loss)["loss"]
        if validation is not None:
            found = evaluate(training.model, validation, loss, functions) if wanted else {}
            measures["validation_error"] = found.get("loss", np.nan)
            measures.update({f"metric.{name}": found.get(name, np.nan) for name in functions})
        history.add_state(**measures)

    def run() -> ModuleRun:
        status = "finished" if training.rounds_done >= scheme.rounds else "unfinished"
        return ModuleRun(training, history.build(), loss, status)

    if training.history is None:
        note(0)
    else:
        history = HistoryBuilder.continuing(training.history, **shape)
    with progress_bar(scheme.rounds, "round", done=training.rounds_done, quiet=not progress) as advance:
        for round in training.rounds():
            for subnet in round:
                for x, target in subnet.batches(dataset):
                    subnet.step(measured_loss(subnet(x), target))
            losses = round.loss_array()
            if not np.isfinite(losses).all():
                k = round.index
                raise DivergenceError(
                    f"train: diverged in round {k} (a loss is not finite); lower the learning rate or use scale=0.5; "
                    f"the {k} completed rounds are kept",
                    run(),
                    k,
                )
            round.finish()
            history.add_losses(losses if record == "batches" else np.full_like(losses, np.nan))
            note(round.index + 1)
            training.history = history.build()
            advance(f"loss {losses[-1].mean():.4g}")
            if on_round is not None:
                on_round(training)
    return run()
