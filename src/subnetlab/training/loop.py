"""train() and resume(): all rounds of a scheme, and beside them, if asked, those of the run with frozen patterns."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..core import checks
from ..core.renamed import renamed_arguments
from ..progress import progress_bar
from ..surroundings import undisturbed
from .errors import DivergenceError, TrainingInterrupted, deferred_interrupt, rounds_kept
from .request import RENAMED, RunRequest
from .run import COMPARISONS, Comparison, TrainingRun
from .session import TrainingSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.losses import LossName
    from ..core.network import ShallowReLU
    from ..core.scheme import TrainingScheme
    from ..engines.base import Device, Dtype
    from ..modules import Cut
    from .module_run import ModuleRun
    from .request import Diagnostic, Record
    from .run import Compare

TRAINERS = {"subnetlab.modules.cutting.Cut": (".fit_module", "train_module")}
"""Kinds of networks besides the shallow one, by the full name of their class: module and function that train them."""


def train_shallow(
    network: ShallowReLU,
    X: Any,
    y: Any,
    scheme: TrainingScheme,
    *,
    seed: int = 0,
    engine: str = "auto",
    dtype: Dtype = "float64",
    threads: int = 1,
    device: Device = "cpu",
    record: Record = "mean",
    diagnostics: tuple[Diagnostic, ...] = (),
    validation: tuple[Any, Any] | None = None,
    sample_weight: Any = None,
    loss: LossName = "squared",
    learn_output_weights: bool = False,
    compare: Compare | None = None,
    progress: bool = False,
    on_round: Callable[[TrainingSession], None] | None = None,
) -> TrainingRun:
    """Train the network by Algorithm 1.

    Parameters
    ----------
    network : ShallowReLU or Cut
        W_0 and a. A `subnetlab.cut` of a PyTorch module has arguments of its own in the place of those below, see
        `subnetlab.training.fit_module.train_module`.
    X : array, shape (n, d)
        Finite, no row of zeros. The theory wants unit rows; training does not need them.
    y : array, shape (n,), or (n, o) for a network with o outputs
    scheme : TrainingScheme
    seed : int, default 0
        Of masks, shards and minibatches. Round k depends on (seed, k) only.
    engine : str, default "auto"
        "auto" or a name in ``subnetlab.engines.table.ENGINES``; all float64 engines agree to 1e-10.
    dtype : {"float64", "float32"}
    threads : int, default 1
        BLAS and engine threads, pinned during the run.
    device : {"cpu", "cuda"}, default "cpu"
        Where the engine runs; only ``engine="torch"`` runs on "cuda".
    record : {"mean", "subnetworks", "rounds", "none"}
        Whether the history keeps each subnetwork's errors, their mean, the full error alone, or nothing. What is not
        asked for is NaN where an engine saves the work; with "none" divergence is noticed at the end only.
    diagnostics : tuple of {"patterns", "movement"}
        Measures of the network's distance from its start, see `History`. Each costs about a pass over the data
        per round.
    validation : (X, y), optional
        Rows that are not trained on; their error goes into the history.
    sample_weight : array, shape (n,), optional
    loss : {"squared", "logistic"}
        "logistic" needs y in [0, 1]; the errors of the history are twice the loss for both.
    learn_output_weights : bool, default False
        Train the output weights too, by the rule and with the step size of W; the paper keeps them fixed.
    compare : {"linearized"}, optional
        Also run the lazy-training model beside it, with the patterns of the start frozen; ``run.comparison`` then
        says how far the run is from it.
    progress : bool, default False
        Show a bar on stderr if that is a terminal, otherwise print a line a minute.
    on_round : callable, optional
        Called with the `TrainingSession` after each round. An error in it, like any other, carries the completed
        rounds as ``error.run``.

    Returns
    -------
    TrainingRun

    Raises
    ------
    TypeError, ValueError
        Before any work, if an argument breaks its rule.
    ImportError
        If the engine needs an extra that is not installed.
    DivergenceError
        If the step size proves too large; carries the completed rounds.
    TrainingInterrupted
        On Ctrl-C, after the round at work; carries the completed rounds.

    Examples
    --------
    >>> import numpy as np, subnetlab as sl
    >>> X = np.eye(4); y = np.array([1.0, -1.0, 0.5, 0.0])
    >>> net = sl.ShallowReLU.initialize(width=500, n_features=4, seed=0)
    >>> run = sl.train(net, X, y, sl.independent_subnets(2, rounds=50, local_steps=5, step_size=0.5), seed=1)
    >>> bool(run.history.full_error[-1] < 0.05 * run.history.full_error[0])
    True
    """
    checks.function("train", "on_round", on_round, optional=True)
    progress = checks.flag("train", "progress", progress)
    request = RunRequest(
        network,
        X,
        y,
        scheme,
        seed=seed,
        engine=engine,
        dtype=dtype,
        threads=threads,
        device=device,
        record=record,
        diagnostics=diagnostics,
        validation=validation,
        sample_weight=sample_weight,
        loss=loss,
        learn_output_weights=learn_output_weights,
    )
    session = TrainingSession.from_request(request)
    twin = None if compare is None else _twin_of(request, session, compare)
    run = complete(session, progress=progress, on_round=on_round)
    return run if twin is None else _compared(run, twin)


@overload
def train(network: ShallowReLU, X: Any, y: Any, scheme: TrainingScheme, **settings: Any) -> TrainingRun: ...
@overload
def train(network: Cut, X: Any, y: Any, scheme: TrainingScheme, **settings: Any) -> ModuleRun: ...
@renamed_arguments(**RENAMED)
@wraps(train_shallow)
def train(network: Any, X: Any, y: Any = None, scheme: Any = None, **settings: Any) -> Any:  # noqa: D103  as train_shallow
    if scheme is None:
        raise TypeError("train: scheme must be given, after X and y; y is None where X is a Dataset")
    for kind in type(network).__mro__:
        if place := TRAINERS.get(f"{kind.__module__}.{kind.__qualname__}"):
            trainer = getattr(import_module(place[0], __package__), place[1])
            return trainer(network, X, y, scheme, **settings)
    if hasattr(network, "named_parameters"):
        raise TypeError(
            f"train: network must be a cut of a module, sl.cut(model, example_input), got {type(network).__name__}"
        )
    return train_shallow(network, X, y, scheme, **settings)


@overload
def resume(run: TrainingRun, **settings: Any) -> TrainingRun: ...
@overload
def resume(run: ModuleRun, **settings: Any) -> ModuleRun: ...
def resume(
    run: Any,
    *,
    rounds: int | None = None,
    progress: bool = False,
    on_round: Callable[[Any], None] | None = None,
    **again: Any,
) -> Any:
    """Go on with a run that was interrupted, or that shall have more rounds, with the same bits.

    Parameters
    ----------
    run : TrainingRun or ModuleRun
        As returned, carried by an error, or loaded by `load_run`.
    rounds : int, optional
        The new total number of rounds; None means the scheme's.
    progress, on_round
        As for `train`.
    **again
        Of a module's run that was loaded: what its file cannot hold, see
        `subnetlab.training.fit_module.resume_module`.

    Returns
    -------
    TrainingRun or ModuleRun
        Of all rounds, the earlier ones included.

    Raises
    ------
    ValueError
        If ``rounds`` is below the number of completed rounds.

    Examples
    --------
    >>> import numpy as np, subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=20, n_features=2)
    >>> run = sl.train(net, np.eye(2), np.ones(2), sl.dropout(0.5, rounds=3))
    >>> resume(run, rounds=5).history.rounds
    5
    """
    checks.function("resume", "on_round", on_round, optional=True)
    if hasattr(run, "cut"):
        from .fit_module import resume_module

        return resume_module(run, rounds=rounds, progress=progress, on_round=on_round, **again)
    if not isinstance(run, TrainingRun):
        raise TypeError(f"resume: run must be a TrainingRun or ModuleRun, got {type(run).__name__}")
    progress = checks.flag("resume", "progress", progress)
    if again:
        raise TypeError(f"resume: {next(iter(again))} must not be given for the run of a shallow network")
    scheme = run.scheme
    if rounds is not None:
        checks.whole_number("resume", "rounds", rounds, least=max(1, run.history.rounds))
        scheme = replace(scheme, rounds=rounds)
        scheme.check(run.network.width, len(run.data.X))
    return complete(TrainingSession.from_run(run, scheme), progress=progress, on_round=on_round)


def complete(
    session: TrainingSession,
    *,
    progress: bool = False,
    on_round: Callable[[TrainingSession], None] | None = None,
) -> TrainingRun:
    """Run the remaining rounds of a session; see `train` for the errors."""
    rounds = session.scheme.rounds
    with (
        rounds_kept(session.run),
        deferred_interrupt() as interrupted,
        progress_bar(rounds, "round", done=session.rounds_done, quiet=not progress) as advance,
    ):
        while session.rounds_done < rounds:
            record = session.advance()
            advance(f"error {record.full_error:.4g}")
            if on_round is not None:
                on_round(session)
            if interrupted():
                raise TrainingInterrupted(session.run())
        if session.settings.record == "none":
            session.measure()
    return session.run()


def _twin_of(request: RunRequest, session: TrainingSession, compare: str) -> TrainingSession:
    """Return a session that starts as ``session`` does, with the engine ``compare``.

    Raises
    ------
    ValueError
        If there is no such comparison, or the engine lacks what the run needs.
    """
    checks.one_of("train", "compare", compare, COMPARISONS)
    scheme = replace(request.scheme, step_size=session.settings.step_size)
    twin = replace(request, engine=compare, scheme=scheme, dtype="float64", device="cpu")
    return TrainingSession.from_request(replace(twin, record="mean", diagnostics=(), validation=None))


def _compared(run: TrainingRun, twin: TrainingSession) -> TrainingRun:
    """Return the run with its `Comparison`: the twin's rounds are run now, as many as the run has."""
    try:
        while twin.rounds_done < run.history.rounds:
            twin.advance()
        other, diverged = twin.run(), False
    except DivergenceError as error:
        other, diverged = error.run, True
    with undisturbed(run.settings.threads):
        moved = np.linalg.norm(run.network.weights - run.initial_network.weights)
        apart = np.linalg.norm(run.network.weights - other.network.weights)
    theirs = other.history.full_error
    comparison = Comparison(
        history=other.history,
        weight_distance=np.inf if diverged else float(apart / moved) if moved else 0.0,
        error_distance=np.abs(run.history.full_error[: len(theirs)] - theirs),
    )
    return replace(run, comparison=comparison)
