"""train() and resume() for modules: all rounds of a scheme on a data set, with a history."""

from __future__ import annotations

import warnings
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import checks
from ..history import METRIC, HistoryBuilder
from ..modules.batches import n_samples
from ..modules.evaluation import called, check_classes, evaluate, loss_function, metric_functions, recalibrate
from ..modules.measures import DIAGNOSTICS
from ..modules.recalibration import rows_to_recalibrate
from ..modules.subnet import random_state_kept
from ..modules.training import ModuleTraining
from ..progress import progress_bar
from .errors import DivergenceError, TrainingInterrupted, deferred_interrupt, rounds_kept
from .module_reading import unmeasured
from .module_request import ModuleRecord, ModuleRequest
from .module_run import ModuleRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..core.arrays import FloatArray
    from ..core.scheme import TrainingScheme
    from ..modules.cutting import Cut
    from ..modules.evaluation import Loss, Metric
    from ..modules.round import Round
    from ..modules.subnet import Subnet


def train_module(
    cut: Cut,
    X: Any,
    y: Any,
    scheme: TrainingScheme,
    *,
    loss: str | Loss = "cross_entropy",
    record: ModuleRecord = "mean",
    validation: Any = None,
    metrics: Mapping[str, Metric] | tuple[str, ...] = (),
    evaluate_every: int | None = None,
    diagnostics: tuple[str, ...] = (),
    recalibrate: bool | int = False,
    verify: bool = True,
    progress: bool = False,
    on_round: Callable[[ModuleTraining], None] | None = None,
    **training: Any,
) -> ModuleRun:
    """Train a module by Algorithm 1; `subnetlab.train` calls this for a `Cut`.

    Parameters
    ----------
    cut : Cut
        From `subnetlab.cut`.
    X, y : tensors or arrays, or X a map-style Dataset and y None
        Floating numbers are taken in the network's precision. Items of a Dataset are pairs (input, target), where an
        input may be a tuple or dict of the network's arguments.
    scheme : TrainingScheme
    loss : str or callable, default "cross_entropy"
        "cross_entropy", "mse", "bce", or a function of (output, target) that takes the mean over rows.
    record : {"mean", "subnetworks", "rounds", "none"}, default "mean"
        Whether the history keeps the loss of each local step's batch in the mean over the subnetworks, or of each of
        them, which costs nothing; the loss of the whole network after every round, which costs a pass over the data; or
        nothing.
    validation : pair (X, y) or Dataset, optional
        Rows that are not trained on; their loss and ``metrics`` go into the history.
    metrics : tuple of {"accuracy"}, or mapping from name to function of (output, target)
        Measured on the validation rows; no name may be "loss", which is theirs already.
    evaluate_every : int, optional
        Measure the whole network before round 0, after every so many rounds and after the last. None means before
        round 0 and after the last, on the validation rows alone; and every round with ``record="rounds"``.
    diagnostics : tuple of {"movement", "reduction", "ntk", "masked_ntk"}, default ()
        Measurements for the history's ``metrics``, as often as ``evaluate_every`` says, or after every round; no
        theorem covers them. "movement": how far the unit of each group that moved most is from its start. "reduction":
        how far the mean output of the subnetworks is from that of the whole network, which costs p + 1 passes over 256
        rows. "ntk": ``ntk.smallest`` and ``ntk.largest``, the extreme eigenvalues of the whole network's tangent kernel
        on the first 32 rows, as `ModuleNTK.eigenvalues` finds them; it costs a derivative of every output of every row.
        "masked_ntk": ``masked_ntk.smallest``, the smallest eigenvalue among the kernels of the next round's
        subnetworks, which costs the same p times.
    recalibrate : bool or int, default False
        Measure the losses and metrics of the whole network with statistics of batch norm that are estimated anew, on
        all training rows (True) or the first so many: those that subnetworks leave behind are not the whole network's.
        Training is the same, bit by bit, and `ModuleRun.model` keeps the statistics that it has.
    verify : bool, default True
        Compare the sliced engine with the masked one before training, see `Cut.verify`.
    progress : bool, default False
    on_round : callable, optional
        Called with the training after each round. An error in it, or in the data, carries the completed rounds as
        ``error.run``.
    **training
        Everything else that `ModuleTraining` takes: ``optimizer``, ``seed``, ``state``, ``scale``, ``outer``,
        ``schedule``, ``clip_norm``, ``engine``, ``device``, ``threads``, ``autocast``, ``checkpoint``,
        ``checkpoint_every``, ``rates``. Training goes on from a ``checkpoint`` that is there already.

    Returns
    -------
    ModuleRun

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, or a checkpoint is damaged or of another scheme, other settings, another network
        or other rows, as far as `resume_module` tells them apart; before any work.
    DivergenceError
        If a loss or an entry is not finite; it carries the completed rounds.
    TrainingInterrupted
        On Ctrl-C, after the local step at work; it carries the completed rounds, and a checkpoint is written if there
        is to be one.
    """
    if record == "batches":
        warnings.warn("train: record='batches' is called 'mean'", DeprecationWarning, stacklevel=3)
        record = "mean"
    if record == "rounds" and evaluate_every is None:
        evaluate_every = 1
    dataset = X if y is None else (X, y)
    checks.function("train", "on_round", on_round, optional=True)
    checks.instance("train", "diagnostics", diagnostics, tuple | list)
    verify, progress = checks.flag("train", "verify", verify), checks.flag("train", "progress", progress)
    request = ModuleRequest(
        dataset, loss, record, validation, metrics, evaluate_every, tuple(diagnostics), training, recalibrate
    )
    request.check()
    session = ModuleTraining(cut, scheme, **training)
    request = request.with_checked_data(session)
    if verify and session.engine == "sliced":
        cut.verify()
    return _complete(session, request, progress=progress, on_round=on_round)


def resume_module(
    run: ModuleRun,
    *,
    rounds: int | None = None,
    verify: bool = False,
    progress: bool = False,
    on_round: Callable[[ModuleTraining], None] | None = None,
    **again: Any,
) -> ModuleRun:
    """Go on with a module's run, with the same bits; `subnetlab.resume` calls this for a `ModuleRun`.

    Parameters
    ----------
    run : ModuleRun
        As returned, carried by an error, or loaded by `subnetlab.load_run`; it stays as it is.
    rounds : int, optional
        The new total number of rounds; None means the scheme's.
    verify : bool, default False
        Compare the sliced engine with the masked one once more, see `Cut.verify`.
    progress, on_round
        As for `train_module`.
    **again
        Arguments of `train_module` that no file can hold, for a run that was loaded: ``X`` and ``y``, ``optimizer``,
        and whatever else was a function. ``loss``, ``validation``, ``metrics`` and ``evaluate_every`` take the place of
        the run's; ``record`` and ``diagnostics`` stay as the run was made with.

    Returns
    -------
    ModuleRun
        Of all rounds, the earlier ones included.

    Raises
    ------
    TypeError, ValueError
        If ``rounds`` is below the number of completed rounds, something is missing that the run was made with, or
        settings, network or rows are others. Networks of the same parameters are told apart by the operations of their
        graphs, where the same version of torch made them; arrays and tensors by the number of rows, their form and 64
        of the rows; Datasets by their length alone. Files of earlier versions may know less, and functions cannot be
        compared.
    """
    scheme = run.scheme
    verify, progress = checks.flag("resume", "verify", verify), checks.flag("resume", "progress", progress)
    if rounds is not None:
        least = max(1, run.rounds_done)
        scheme = replace(scheme, rounds=checks.whole_number("resume", "rounds", rounds, least=least))
    request = run.request.with_arguments(again)
    request.check()
    session = run.continued(scheme, request)
    request = request.with_checked_data(session)
    if verify and session.engine == "sliced":
        run.cut.verify()
    return _complete(session, request, progress=progress, on_round=on_round)


def _complete(
    training: ModuleTraining,
    request: ModuleRequest,
    *,
    progress: bool,
    on_round: Callable[[ModuleTraining], None] | None,
) -> ModuleRun:
    """Run the remaining rounds; see `train_module` for the errors."""
    rounds = training.scheme.rounds
    training.asked = request.plain()
    notes = _Notes(training, request)
    loss = loss_function(request.loss)
    among_others = training.workers.size > 1  # what all must do together cannot be done after an error of one
    quiet = not progress or training.workers.rank > 0
    with (
        nullcontext() if among_others else rounds_kept(lambda: ModuleRun.of(training, request)),
        deferred_interrupt() as interrupted,
        closing(training.rounds()) as todo,  # an error that is kept would keep torch's threads as they are inside
        progress_bar(rounds, "round", done=training.rounds_done, quiet=quiet) as advance,
    ):
        try:
            for round in todo:
                for subnet in round:
                    for x, target in subnet.batches(request.dataset):
                        output = called(subnet, x)
                        with _classes_named(request, subnet, target, output):
                            value = loss(output, target)
                        subnet.step(value)
                        if interrupted():
                            raise KeyboardInterrupt
                losses = round.loss_array()
                if not (np.isfinite(losses).all() and round.is_finite()):
                    raise _divergence(ModuleRun.of(training, request, "diverged"))
                notes.add(round, losses)
                advance(f"loss {losses[-1].mean():.4g}")
                if on_round is not None:
                    on_round(training)
                if interrupted():
                    raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            if among_others:
                raise
            training.save_checkpoint()
            raise TrainingInterrupted(ModuleRun.of(training, request)) from error
    return ModuleRun.of(training, request)


@contextmanager
def _classes_named(request: ModuleRequest, subnet: Subnet, target: Any, output: Any) -> Iterator[None]:
    """Say which row of a Dataset has a class that there is not; to look before is too slow for every step."""
    try:
        yield
    except IndexError:
        if request.loss == "cross_entropy":
            rows = subnet.rows(subnet.steps_done, n_samples(request.dataset))
            check_classes("train: X and y", target, output, rows)
        raise


def _divergence(run: ModuleRun) -> DivergenceError:
    k = run.rounds_done
    remedy = "lower the learning rate" + " or use scale=0.5" * (run.settings["scale"] == 1)
    return DivergenceError(
        f"train: diverged in round {k} (a loss or an entry is not finite); {remedy}; the {k} completed rounds are kept",
        run,
        k,
    )


class _Notes:
    """The history of a training as it grows; kept by the training, so that checkpoints hold it."""

    def __init__(self, training: ModuleTraining, request: ModuleRequest) -> None:
        self._training, self._request = training, request
        scheme = training.scheme
        shape = {"n_subnetworks": scheme.masks.n_subnetworks, "local_steps": scheme.local_steps}
        if training.rounds_done:
            history = training.history or unmeasured(scheme, training.rounds_done)
            self._history = HistoryBuilder.continuing(history, **shape)
        else:
            self._history = HistoryBuilder(keep_subnetworks=request.record == "subnetworks", **shape)
            self._history.add_state(**self._measures(0))
        training.history = self._history.build()

    def add(self, round: Round, losses: FloatArray) -> None:
        """Aggregate a round, and note its losses and the network after it."""
        round.finish()
        measures = self._measures(round.index + 1)
        kept = self._request.record in ("mean", "subnetworks")
        self._history.add_losses(losses if kept else np.full_like(losses, np.nan))
        self._history.add_state(**measures)
        self._training.history = self._history.build()

    def _measures(self, k: int) -> dict[str, float]:
        """Return what is measured of the whole network after k rounds; NaN where that is not asked for.

        A Dataset may draw its rows: they are the same in every round, however often training was interrupted, and the
        user's random numbers stay as they are.
        """
        with random_state_kept(seed=0):
            return self._measured(k)

    def _measured(self, k: int) -> dict[str, float]:
        every, request = self._request.evaluate_every, self._request
        ends = k in (0, self._training.scheme.rounds)
        wanted = every is not None and (k % every == 0 or ends)
        functions = metric_functions(request.metrics)
        measures = {"full_error": np.nan}
        model = self._training.model if wanted or (ends and request.validation is not None) else None
        if model is not None and request.recalibrate:  # a copy: what is trained keeps its statistics
            recalibrate(model, rows_to_recalibrate("train", request.dataset, request.recalibrate))
        if model is not None and wanted:
            measures["full_error"] = evaluate(model, request.dataset, request.loss)["loss"]
        if request.validation is not None:
            found = {} if model is None else evaluate(model, request.validation, request.loss, functions)
            measures["validation_error"] = found.get("loss", np.nan)
            measures.update({METRIC + name: found.get(name, np.nan) for name in functions})
        return measures | self._diagnostics(k, wanted or every is None)

    def _diagnostics(self, k: int, wanted: bool) -> dict[str, float]:
        training, measures = self._training, {}
        groups = training.cut.units.groups
        for name, diagnostic in DIAGNOSTICS.items():
            if name in self._request.diagnostics:
                known = wanted and not (diagnostic.of_masks and k >= training.scheme.rounds)
                found = diagnostic.measure(training, self._request.dataset, k) if known else {}
                measures |= {METRIC + own: found.get(own, np.nan) for own in diagnostic.names(groups)}
        return measures
