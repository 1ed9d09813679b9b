"""Training one round at a time, for whoever wants to look or stop in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..core.network import ShallowReLU
from ..core.renamed import renamed_arguments
from ..core.rows import local_rows
from ..engines.table import ENGINES, create
from ..history import HistoryBuilder
from ..surroundings import undisturbed
from .diagnostics import StateMeasures, divergence_limit, has_diverged, starting_scale
from .errors import DivergenceError
from .request import RENAMED, RunRequest
from .run import TrainingRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from ..core.arrays import FloatArray
    from ..core.record import RoundRecord
    from ..core.scheme import TrainingScheme
    from ..engines.base import SignLearningEngine
    from .request import RunSettings, TrainingData
    from .run import Status


class TrainingSession:
    """A run in progress; the arguments are those of `subnetlab.train`, or of a `RunRequest`.

    Examples
    --------
    >>> import numpy as np, subnetlab as sl
    >>> net = sl.ShallowReLU.initialize(width=50, n_features=2)
    >>> session = TrainingSession(net, np.eye(2), np.ones(2), sl.gradient_descent(rounds=3))
    >>> record = session.advance()
    >>> session.rounds_done, session.run().status
    (1, 'unfinished')
    """

    @renamed_arguments(**RENAMED)
    def __init__(self, network: ShallowReLU, X: Any, y: Any, scheme: TrainingScheme, **settings: Any) -> None:
        self._start(RunRequest(network, X, y, scheme, **settings))

    @classmethod
    def from_request(cls, request: RunRequest) -> TrainingSession:
        """Return the session that a request describes, at its first round."""
        session = cls.__new__(cls)
        session._start(request)
        return session

    def _start(self, request: RunRequest) -> None:
        self._prepare(request.network, request.data, request.scheme, request.resolve())
        with self._surroundings():
            self._begin()

    @classmethod
    def from_run(cls, run: TrainingRun, scheme: TrainingScheme | None = None) -> TrainingSession:
        """Return a session that goes on after ``run`` with the bits of an uninterrupted one.

        ``scheme`` may differ from the run's in its number of rounds only.

        Raises
        ------
        ValueError
            If the engine has changed since, so that the bits would not be those of an uninterrupted run.
        """
        made_by, engine = run.settings.engine_version, run.settings.engine
        if engine in ENGINES and ENGINES[engine].version != made_by:
            raise ValueError(
                f"resume: the run must come from version {ENGINES[engine].version} of engine {engine!r}, got version "
                f"{made_by}: further rounds would have other bits; train again"
            )
        session = cls.__new__(cls)
        session._prepare(run.initial_network, run.data, scheme or run.scheme, run.settings)
        session._base = run
        with session._surroundings():
            session._begin()
        return session

    def _prepare(self, network: ShallowReLU, data: TrainingData, scheme: TrainingScheme, settings: RunSettings) -> None:
        self._initial = network
        self._data = data
        self._scheme = scheme
        self._settings = settings
        xi = scheme.masks.selection_prob
        problem = settings.problem(data.X, data.y, network.output_weights, xi, data.sample_weight)
        self._engine = create(
            settings.engine, problem, dtype=settings.dtype, threads=settings.threads, device=settings.device
        )
        with self._surroundings():
            self._measures = StateMeasures(network, data, xi, settings.diagnostics, settings.loss)
            with np.errstate(over="ignore", invalid="ignore"):
                scale = starting_scale(network, data, scheme, settings.loss)
        self._limit = divergence_limit("train", scale)
        self._base: TrainingRun | None = None

    @property
    def rounds_done(self) -> int:
        """The number of completed rounds."""
        return self._rounds_done

    @property
    def scheme(self) -> TrainingScheme:
        """The scheme of this run."""
        return self._scheme

    @property
    def settings(self) -> RunSettings:
        """The settings of this run, with engine and step size resolved."""
        return self._settings

    @property
    def network(self) -> ShallowReLU:
        """A copy of the network as it stands."""
        return ShallowReLU(self._engine.weights(self._state), self._signs())

    def advance(self) -> RoundRecord:
        """Run the next round and return what it measured.

        Raises
        ------
        DivergenceError
            If an error is not finite or above 1e10 times the scale of the start, see `starting_scale`. It carries
            the completed rounds.
        """
        with self._surroundings():
            record = self._run_round(self._rounds_done)
            errors = self._measured(record)
            if has_diverged(errors, self._limit):
                raise self._divergence(float(np.max(errors)))
            self._rounds_done += 1
            self._history.add_round(record)
            self._note_state(record.full_error)
        return record

    def measure(self) -> float:
        """Return |y - u|^2 of the network as it stands; for sessions that record nothing.

        Raises
        ------
        DivergenceError
            If it is not finite or beyond the limit of `advance`. It carries the run as this session began.
        """
        with self._surroundings():
            error = self._engine.full_error(self._state)
            if has_diverged(error, self._limit):
                rounds = self._rounds_done
                self._begin()
                raise self._diverged(error, f"within {rounds} rounds")
        return error

    def run(self, status: Status | None = None) -> TrainingRun:
        """Return the run as it stands."""
        finished = self._rounds_done >= self._scheme.rounds
        return TrainingRun(
            network=self.network,
            history=self._history.build(),
            scheme=self._scheme,
            settings=self._settings,
            initial_network=self._initial,
            data=self._data,
            status=status or ("finished" if finished else "unfinished"),
            engine_state=self._engine.snapshot(self._state),
        )

    def _run_round(self, k: int) -> RoundRecord:
        settings = self._settings
        self._state, record = run_round(
            self._engine.round,
            self._state,
            self._scheme,
            k,
            seed=settings.seed,
            step_size=settings.step_size,
            width=self._initial.width,
            n_samples=len(self._data.X),
        )
        return record

    def _note_state(self, full_error: float) -> None:
        measures: dict[str, float] = {}
        if self._measures.needed:
            measures = self._measures.measure(self._engine.weights(self._state), self._signs())
        self._history.add_state(full_error=full_error, **measures)

    def _signs(self) -> FloatArray:
        if not self._settings.learn_output_weights:
            return self._initial.output_weights
        return cast("SignLearningEngine", self._engine).signs(self._state)

    def _begin(self) -> None:
        """Go to where this session began: the initial network, or the run that it goes on with."""
        base, scheme = self._base, self._scheme
        shape = {"n_subnetworks": scheme.masks.n_subnetworks, "local_steps": scheme.local_steps}
        if base is None:
            self._state, self._rounds_done = self._engine.start(self._initial.weights), 0
            self._history = HistoryBuilder(keep_subnetworks=self._settings.record == "subnetworks", **shape)
            self._note_state(np.nan if self._settings.record == "none" else self._engine.full_error(self._state))
        else:
            fresh = self._engine.snapshot(self._engine.start(self._initial.weights))
            if _form(base.engine_state) != _form(fresh):
                raise ValueError(f"resume: the run must hold a state of engine {self._settings.engine!r}")
            self._state = self._engine.restore(base.engine_state)
            self._rounds_done = base.history.rounds
            self._history = HistoryBuilder.continuing(base.history, **shape)

    def _measured(self, record: RoundRecord) -> FloatArray:
        """Return the errors that this session asked the engine for."""
        match self._settings.record:
            case "none":
                return np.empty(0)
            case "rounds":
                return np.array([record.full_error])
            case _:
                return np.append(record.subnetwork_errors, record.full_error)

    def _divergence(self, worst: float) -> DivergenceError:
        """Go back to the last completed round by running the rounds again, and describe what happened."""
        k, history = self._rounds_done, self._history
        self._begin()
        for earlier in range(self._rounds_done, k):
            self._run_round(earlier)
        self._rounds_done, self._history = k, history
        return self._diverged(worst, f"in round {k}")

    def _diverged(self, worst: float, when: str) -> DivergenceError:
        k = self._rounds_done
        return DivergenceError(
            f"train: diverged {when} (error {worst:.3g}); step_size = {self._settings.step_size:.6g} is too "
            f"large: lower it or use step_size='auto'; the {k} completed rounds are kept",
            self.run("diverged"),
            k,
        )

    def _surroundings(self) -> AbstractContextManager[None]:
        return undisturbed(self._settings.threads)


def run_round(
    compute: Callable[..., tuple[Any, RoundRecord]],
    state: Any,
    scheme: TrainingScheme,
    k: int,
    *,
    seed: int,
    step_size: float,
    width: int,
    n_samples: int,
) -> tuple[Any, RoundRecord]:
    """Draw the masks and rows of round k, and compute it.

    Parameters
    ----------
    compute : callable
        The `round` of an engine; of all workers of a launch together, for example.
    """
    masks = scheme.masks.sample(seed, k, width)
    rows = local_rows(
        seed,
        k,
        n_samples=n_samples,
        n_subnetworks=len(masks),
        local_steps=scheme.local_steps,
        shards=scheme.shards,
        batch_size=scheme.batch_size,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        return compute(state, masks, step_size, scheme.local_steps, rows=rows, unselected=scheme.unselected)


def _form(state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return of what kind and shape an engine's state is: the same in every round, so a wrong one can be told."""
    return {name: (array.dtype, array.shape) for name, array in state.items()}
