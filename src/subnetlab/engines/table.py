"""The engines by name, what each can do, and the one place where a request is refused."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.scheme import TrainingScheme
    from .base import Capability, Device, Dtype, Engine, Problem, SignLearningEngine

    Apart = Callable[[Callable[..., Any]], Callable[..., Any]]  # a decorator


@dataclass(frozen=True)
class EngineEntry:
    """One engine as the table lists it, without importing its module.

    Parameters
    ----------
    module, class_name : str
        Where the engine is.
    capabilities : frozenset of Capability
    version : int
        Raised whenever the engine's bits change; part of a stored result's identity.
    summary : str
        One line for people who choose.
    exact : bool
        Whether it runs Algorithm 1 itself; "auto" never chooses another.
    requires : str, optional
        A package outside the core dependencies; the extra that brings it has the same name.
    devices : tuple of {"cpu", "cuda"}
        Where it runs.
    divides_work : bool
        Whether ``threads`` work on parts of a round that the engine has cut, each calling BLAS for itself. BLAS then
        runs on one thread, and bits do not depend on the number of threads.
    """

    module: str
    class_name: str
    capabilities: frozenset[Capability]
    version: int
    summary: str
    exact: bool = True
    requires: str | None = None
    devices: tuple[Device, ...] = ("cpu",)
    divides_work: bool = False


ENGINES: dict[str, EngineEntry] = {
    "reference": EngineEntry(
        ".reference",
        "ReferenceEngine",
        frozenset({"any_signs", "shards", "minibatches", "outputs", "sample_weight", "losses", "learned_signs"}),
        version=1,
        summary="plain NumPy, reads as Algorithm 1, defines the answer",
    ),
    "primal": EngineEntry(
        ".primal",
        "PrimalEngine",
        frozenset({"any_signs", "float32", "shards", "minibatches", "losses"}),
        version=1,
        summary="selected neurons gathered, two matrix products per step",
    ),
    "dual": EngineEntry(
        ".dual",
        "DualEngine",
        frozenset(
            {"any_signs", "float32", "shards", "minibatches", "outputs", "sample_weight", "losses", "learned_signs"}
        ),
        version=1,
        summary="works with the Gram matrix: one product per step, none of size d",
    ),
    "minibatch": EngineEntry(
        ".minibatch",
        "MinibatchEngine",
        frozenset(
            {"any_signs", "float32", "shards", "minibatches", "outputs", "sample_weight", "losses", "learned_signs"}
        ),
        version=1,
        summary="gathers neurons and rows: a step reads its minibatch alone where errors inside rounds are not asked",
    ),
    "lookup": EngineEntry(
        ".lookup",
        "LookupEngine",
        frozenset({"any_signs", "float32", "shards", "minibatches", "sample_weight", "losses"}),
        version=1,
        summary="the dual engine's steps with sums looked up in tables: n / 4 additions in place of n products",
        divides_work=True,
    ),
    "event": EngineEntry(
        ".event",
        "EventEngine",
        frozenset({"shards", "minibatches", "sample_weight"}),
        version=2,
        summary="follows residuals by the masked NTK and finds every pattern change: n x n per step",
        divides_work=True,
    ),
    "linearized": EngineEntry(
        ".linearized",
        "LinearizedEngine",
        frozenset({"shards", "minibatches", "sample_weight"}),
        version=2,
        summary="NOT Algorithm 1 but its lazy-training model: patterns frozen where training started",
        exact=False,
        divides_work=True,
    ),
    "distributed": EngineEntry(
        ".distributed",
        "DistributedEngine",
        frozenset({"float32", "shards", "minibatches"}),
        version=1,
        summary="what `subnetlab launch` computes on many workers, in one process",
    ),
    "torch": EngineEntry(
        ".torch_batched",
        "TorchEngine",
        frozenset(
            {"any_signs", "float32", "shards", "minibatches", "outputs", "sample_weight", "losses", "learned_signs"}
        ),
        version=1,
        summary="all subnetworks of a round at once, on the CPU or a CUDA device",
        requires="torch",
        devices=("cpu", "cuda"),
    ),
}


def installed_engines() -> list[str]:
    """Return the names of the engines whose needs are installed, importing none of them."""
    return [name for name, entry in ENGINES.items() if entry.requires is None or find_spec(entry.requires)]


def needed_capabilities(problem: Problem, scheme: TrainingScheme, dtype: Dtype) -> set[Capability]:
    """Return what an engine must be able to do for this request."""
    asked: dict[Capability, bool] = {
        "float32": dtype == "float32",
        "shards": scheme.shards is not None,
        "minibatches": scheme.batch_size is not None,
        "outputs": problem.y.ndim == 2,
        "sample_weight": problem.sample_weight is not None,
        "losses": problem.loss != "squared",
        "learned_signs": problem.learn_signs,
        "any_signs": bool((abs(problem.signs) != 1).any()),
    }
    return {capability for capability, needed in asked.items() if needed}


def check_capabilities(name: str, needed: set[Capability]) -> None:
    """Raise ValueError if the engine lacks something, naming the engines that have it.

    Raises
    ------
    ValueError
        Also if there is no engine of that name.
    """
    if name not in ENGINES:
        raise ValueError(f"train: engine must be 'auto' or one of {', '.join(ENGINES)}, got {name!r}")
    lacking = needed - ENGINES[name].capabilities
    if lacking:
        able = [other for other, entry in ENGINES.items() if needed <= entry.capabilities]
        advice = f"engines that can: {', '.join(able)}" if able else "no engine can yet"
        raise ValueError(f"train: engine {name!r} does not support {', '.join(sorted(lacking))}; {advice}")


def check_place(name: str, device: Device) -> None:
    """Raise unless the engine is installed here and can run on the device.

    Raises
    ------
    ValueError
        If it does not run on such devices.
    ImportError
        If it needs an extra that is not installed.
    """
    entry = ENGINES[name]
    if device not in entry.devices:
        able = ", ".join(other for other, its in ENGINES.items() if device in its.devices)
        raise ValueError(f"train: engine {name!r} does not run on device {device!r}; engines that do: {able}")
    if entry.requires is not None and find_spec(entry.requires) is None:
        raise ImportError(f"train: engine {name!r} needs {entry.requires}: pip install 'subnetlab[{entry.requires}]'")


def create(name: str, problem: Problem, *, dtype: Dtype, threads: int, device: Device = "cpu") -> SignLearningEngine:
    """Return the engine, importing its module now.

    Everything that it does, now and later, runs with its own number of threads and unaffected by what the calling
    program has set; see `subnetlab.surroundings`.

    Raises
    ------
    ValueError
        If there is no engine of that name, it does not run on such devices, or there is no such device here.
    ImportError
        If it needs an extra that is not installed.
    """
    check_capabilities(name, set())
    check_place(name, device)
    entry = ENGINES[name]
    factory = getattr(import_module(entry.module, __package__), entry.class_name)
    from ..surroundings import undisturbed  # NumPy; names of engines are asked for without it

    surroundings: Callable[[int], Any] = undisturbed
    if entry.requires == "torch":
        from .torch_surroundings import torch_undisturbed

        surroundings = torch_undisturbed
    blas_threads = 1 if entry.divides_work else threads
    elsewhere = {} if device == "cpu" else {"device": device}
    apart: Apart = surroundings(blas_threads)
    engine = apart(factory)(problem, dtype=dtype, threads=threads, **elsewhere)
    return cast("SignLearningEngine", GuardedEngine(engine, apart))  # which has signs if the engine has


class GuardedEngine:
    """An engine whose methods are unaffected by what the calling program has set: BLAS threads, error modes.

    It has the methods of the engine, and no others.

    Parameters
    ----------
    engine : Engine
    apart : callable
        A decorator: the function that it returns does the same in surroundings of its own.
    """

    def __init__(self, engine: Engine, apart: Apart) -> None:
        self.engine = engine
        self._apart = apart

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copies and pickles ask before there is an engine
            raise AttributeError(name)
        return self._apart(getattr(self.engine, name))
