"""ModuleTraining: the rounds of Algorithm 1 for any network, around a loop of one's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch

from ..atomic import in_folder
from ..core import checks
from ..core.masks.groups import check_groups, cut_in_round, group_masks, subnetwork_factors, whole_factors
from ..core.rates import steps_at_rates
from ..core.scheme import TrainingScheme
from ..engines.distributed.group import joined_group
from .checkpoint import Snapshot, whole_model
from .checkpoint_file import FILE, CheckpointFile, write_weights
from .cutting import Cut
from .engines import Refilled
from .entries import Kept, entry_of, take
from .errors import first_line
from .graph import CONSTANT
from .local_optimizer import LocalOptimizer, Schedule
from .optimizer_state import TravellingState
from .outer import OuterOptimizer
from .round import Round
from .subnet import Subnet
from .workers import Alone, Together

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path
    from typing import Self

    from ..core.arrays import BoolArray
    from ..history import History
    from .local_optimizer import OptimizerFactory
    from .workers import Workers

State: TypeAlias = Literal["reset", "travels"]
EngineName: TypeAlias = Literal["sliced", "masked"]


class ModuleTraining:
    """Training of a network in subnetworks, one round at a time.

    Parameters
    ----------
    cut : Cut
        The network and its units, from `subnetlab.cut`.
    scheme : TrainingScheme
    optimizer : callable
        Makes the local optimiser of a subnetwork from its parameters: ``lambda params: torch.optim.SGD(params)``.
        Without it the scheme's ``step_size`` is that of plain SGD.
    seed : int, default 0
        Of masks, shards, batches and everything random inside a step.
    state : {"reset", "travels"}, default "reset"
        Whether local optimisers begin each round anew, or momentum and moments travel with their entries.
    scale : float, default 1.0
        a, in [0, 1]: units' outputs are multiplied by xi^-a in subnetworks and xi^(1-a) in the whole network. 1 is
        PyTorch's dropout (the whole network computes what it computed before), 0 the paper.
    outer : callable, optional
        Makes the outer optimiser from the whole network's parameters; the mean update of a round is its negative
        gradient. The scheme's ``outer`` if None.
    schedule : callable, optional
        Makes a torch learning-rate scheduler from an optimiser; it is advanced once per local step.
    clip_norm : float, optional
        Clip each local gradient to this norm.
    engine : {"sliced", "masked"}, default "sliced"
        Smaller modules, or the whole network with masks, which is slow and defines the answer.
    device : str or torch.device, optional
        On several workers "cuda" is a device of each worker's own, by its LOCAL_RANK, as far as there are enough. If
        None, what ``subnetlab launch --device`` says, or "cpu".
    threads : int, default 1
        Of torch, inside `rounds`, at most 1,024; another count can give other bits.
    autocast : {"bfloat16"}, optional
        Forward passes by ``subnet(x)`` run under torch's autocast.
    checkpoint : path, optional
        A file that is written every ``checkpoint_every`` rounds and after the last; if it is there already, training
        goes on from it with the same bits. A damaged file is refused, and so is one of other settings or of another
        network.
    checkpoint_every : int, default 10
    rates : sequence of float, optional
        How fast the workers are that training is planned for, the fastest 1: the subnetworks of a worker with rate 0.25
        take a quarter of the tau steps, at least one. It is part of what decides the bits, as the number of workers
        is not. What ``subnetlab launch --rates`` says if None.

    Attributes
    ----------
    rounds_done : int
    home : dict from name to Tensor
        What lives here of the network's parameters and buffers, not multiplied by any factor: all of it, or the rows of
        this worker.
    workers : Workers
        The processes that train together.
    local_steps : tuple of int
        Of each subnetwork in a round, at most tau.
    device : torch.device
    history : History or None
        Stored in checkpoints; `subnetlab.train` fills it.

    Raises
    ------
    TypeError, ValueError
        If an argument breaks its rule, before any work; or if the checkpoint is of other settings, or of a network
        with other operations, as far as the same version of torch names them.
    ArchiveError
        If the checkpoint is damaged; it is a ValueError.
    FileNotFoundError
        If the checkpoint's folder is not there.

    Examples
    --------
    >>> import subnetlab as sl
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> x, y = torch.randn(20, 4), torch.randint(2, (20,))
    >>> scheme = sl.independent_subnets(2, rounds=3, local_steps=5, step_size=0.1, batch_size=10)
    >>> training = ModuleTraining(sl.cut(model, x[:2]), scheme)
    >>> for round in training.rounds():
    ...     for subnet in round:
    ...         for xb, yb in subnet.batches((x, y)):
    ...             subnet.step(torch.nn.functional.cross_entropy(subnet.module(xb), yb))
    >>> training.rounds_done
    3
    """

    def __init__(
        self,
        cut: Cut,
        scheme: TrainingScheme,
        *,
        optimizer: OptimizerFactory | None = None,
        seed: int = 0,
        state: State = "reset",
        scale: float = 1.0,
        outer: OptimizerFactory | None = None,
        schedule: Callable[[torch.optim.Optimizer], Any] | None = None,
        clip_norm: float | None = None,
        engine: EngineName = "sliced",
        device: str | torch.device | None = None,
        threads: int = 1,
        autocast: str | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 10,
        rates: Sequence[float] | None = None,
    ) -> None:
        owner = "ModuleTraining"
        if not isinstance(cut, Cut):
            raise TypeError(f"{owner}: cut must be sl.cut(model, example_input), got {type(cut).__name__}")
        checks.instance(owner, "scheme", scheme, TrainingScheme)
        check_groups(scheme.masks, scheme.cut_groups, cut.units, scheme.rounds)
        if scheme.unselected != "keep":
            raise ValueError(f"{owner}: unselected must be 'keep' for modules, got {scheme.unselected!r}")
        checks.one_of(owner, "state", state, get_args(State))
        checks.one_of(owner, "engine", engine, get_args(EngineName))
        if not 0 <= checks.finite_number(owner, "scale", scale) <= 1:
            raise ValueError(f"{owner}: scale must be in [0, 1], got {scale}")
        self.cut, self.scheme, self.engine = cut, scheme, engine
        self.seed, self.state_rule, self.scale = checks.seed_number(owner, seed), state, float(scale)
        self.rounds_done = 0
        self.history: History | None = None
        self.asked: dict[str, Any] | None = None  # of `subnetlab.train`, stored in checkpoints
        self.rows_known: dict[str, Any] = {}  # of `subnetlab.train`, too: what tells its data from others
        self.gone_on_from: object = None  # the checkpoint, for messages
        self._threads = checks.whole_number(owner, "threads", threads, least=1, most=checks.MOST_THREADS)
        if autocast is not None:
            checks.one_of(owner, "autocast", autocast, ("bfloat16",))
        self._autocast = None if autocast is None else torch.bfloat16
        group = joined_group(owner)
        self.rates = group.rates if rates is None and group is not None else rates
        self.local_steps = steps_at_rates(self.rates, scheme.masks.n_subnetworks, scheme.local_steps)
        number = 1 if group is None else group.begin_training()
        asked = checkpoint is not None
        if not asked and group is not None:
            checkpoint = group.checkpoint_file()
        self._checkpoint = None if checkpoint is None else CheckpointFile(in_folder(checkpoint, FILE), two=not asked)
        self._checkpoint_every = checks.whole_number(owner, "checkpoint_every", checkpoint_every, least=1)
        self._clip_norm = None if clip_norm is None else checks.positive_number(owner, "clip_norm", clip_norm)
        self.device = _usable(device or (group and group.device) or "cpu")
        if empty := [name for name, tensor in cut.state().items() if tensor.is_meta]:
            raise ValueError(
                f"{owner}: cut must be of a model with numbers, got {empty[0]!r} on the meta device: draw or load them"
            )
        parameters = dict(cut.model.named_parameters())
        self._optimizer = LocalOptimizer(
            optimizer, scheme, list(parameters.values()), self.device, travels=state == "travels"
        )
        self.workers: Workers = Alone() if group is None else Together(group, scheme.masks.n_subnetworks, number)
        self._shapes = {name: tensor.shape for name, tensor in cut.state().items()}
        self.home = {n: self.workers.part(t.detach()).to(self.device, copy=True) for n, t in cut.state().items()}
        self._constants = {n: t.to(self.device) for n, t in cut.graph.tensors.items() if n.startswith(CONSTANT)}
        self.travelling_state = TravellingState() if state == "travels" else None
        here = {name: self.home[name] for name in parameters}
        self.outer = OuterOptimizer(outer, scheme.outer, here, apart=self.workers.size > 1)
        self._schedule = Schedule(schedule, self._optimizer, scheme.rounds, scheme.local_steps)
        first, end = self.workers.rows(scheme.masks.n_subnetworks)  # of the subnetworks, those that are trained here
        self._modules = Refilled(cut, engine, self.device, most=2 * (end - first))
        self._whole_factors = whole_factors(scheme.masks, scheme.cut_groups, cut.units, self.scale)
        if self._checkpoint is not None:
            self._checkpoint.restore(self)
        self.workers.check_alike({**self.settings(), "rounds_done": self.rounds_done}, scheme, cut.state())

    @classmethod
    def continuing(
        cls,
        snapshot: Snapshot,
        cut: Cut,
        scheme: TrainingScheme,
        *,
        checkpoint: str | Path | None = None,
        **settings: Any,
    ) -> Self:
        """Return a training that goes on from a snapshot, whatever its checkpoint holds.

        Raises
        ------
        TypeError, ValueError
            If an argument breaks its rule, or differs from the snapshot's.
        """
        training = cls(cut, scheme, **settings)
        snapshot.restore(training)
        training._checkpoint = None if checkpoint is None else CheckpointFile(checkpoint)
        return training

    @property
    def model(self) -> torch.nn.Module:
        """A copy of the user's own module with the weights as they stand; it needs no factor and no masks."""
        return whole_model(self.cut, self._whole_factors, self.entries)

    @property
    def entries(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers of the whole network as it stands; several workers must ask for it together."""
        return self.workers.whole(self.home, self._shapes)

    def shape(self, name: str) -> torch.Size:
        """Return the shape of an entry's whole tensor; the state of optimisers has that of its entry."""
        return self._shapes[entry_of(name, self._shapes)]

    def masks(self, round: int) -> dict[str, BoolArray]:
        """Return M_g of a round for every group, shape (p, m_g): a pure function of (seed, group, round)."""
        units = self.cut.units
        cut = cut_in_round(self.scheme.cut_groups, units, round)
        return group_masks(self.scheme.masks, self.seed, round, units.groups, cut)

    def rounds(self) -> Generator[Round, None, None]:
        """Yield the rounds that are left; each is aggregated once its subnetworks have been trained."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            while self.rounds_done < self.scheme.rounds:
                round = Round(self, self.rounds_done)
                yield round
                round.finish()
                done, rounds = self.rounds_done, self.scheme.rounds
                wish = self.workers.completed(round.reports, rounds=done, of=rounds, loss=round.last_loss())
                if wish or done == rounds or done % self._checkpoint_every == 0:
                    self.save_checkpoint()
                if wish and done < rounds:
                    raise self.workers.ending(wish)
        finally:
            torch.set_num_threads(threads)

    def save(self, path: str | Path) -> None:
        """Write everything from which training goes on with the same bits to one file (safetensors, no pickle).

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        CheckpointFile(path, "ModuleTraining.save: path").write(self)

    def export(self, path: str | Path) -> None:
        """Write the whole network's state_dict to a safetensors file that needs nothing of this package to be read.

        ``model.load_state_dict(safetensors.torch.load_file(path))`` reads it. All workers call it together.

        Raises
        ------
        OSError
            If the file cannot be written; an older file stays as it was.
        """
        write_weights(self, path)

    def save_checkpoint(self) -> None:
        """Write the checkpoint, if there is to be one and it does not hold the last completed round already.

        A file that cannot be written is a warning: training goes on, and tries again after the next rounds.
        """
        if self._checkpoint is not None:
            self._checkpoint.keep(self)

    def snapshot(self) -> Snapshot:
        """Return a copy of everything from which training goes on with the same bits."""
        return Snapshot.of(self)

    def settings(self) -> dict[str, Any]:
        """Return what must be the same for training to go on with the same bits, besides the scheme."""
        return {
            "seed": self.seed,
            "state": self.state_rule,
            "scale": self.scale,
            "engine": self.engine,
            "optimizer": repr(self._optimizer),
            "outer": self.outer.describe(),
            "schedule": self._schedule.describe(),
            "clip_norm": self._clip_norm,
            "autocast": None if self._autocast is None else str(self._autocast),
            "threads": self._threads,
            "rates": None if self.rates is None else [float(rate) for rate in self.rates],
            "groups": dict(self.cut.units.groups),
        }

    def kept(self, masks: dict[str, BoolArray], index: int) -> Kept:
        """Return where the entries of a round's subnetwork are."""
        own = {group: M[index] for group, M in masks.items()}
        return Kept(self.cut.stored, own, self._modules.stored(own), self.device)

    def subnetwork(
        self, round: int, index: int, masks: dict[str, BoolArray], kept: Kept, slices: dict[str, torch.Tensor]
    ) -> tuple[Subnet, dict[int, str]]:
        """Return a subnetwork as it starts the round (line 5), and the names of its parameters by their ids.

        ``slices`` is what its module stores of the tensors at home.
        """
        own = {group: M[index] for group, M in masks.items()}
        constants = {name: take(tensor, kept.stored(name)) for name, tensor in self._constants.items()}
        taken = {**constants, **{name: slices[name] for name in self.home}}
        module = self._modules(own, self.factors(round, index), taken)
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        optimizer = self._optimizer(module.parameters())
        if self.travelling_state is not None:
            self.travelling_state.load(optimizer, names, slices)
        return self._subnet(module, optimizer, round, index), names

    def trial(self) -> Subnet:
        """Return the first subnetwork of all, with the user's weights, to `Subnet.attempt` a step with."""
        own = {group: M[0] for group, M in self.masks(0).items()}
        made = self.cut.masked if self.engine == "masked" else self.cut.subnetwork
        module = made(own, self.factors(0, 0)).to(self.device)
        return self._subnet(module, self._optimizer(module.parameters()), 0, 0)

    def _subnet(self, module: torch.nn.Module, optimizer: torch.optim.Optimizer, round: int, index: int) -> Subnet:
        return Subnet(
            module,
            optimizer,
            index=index,
            round=round,
            local_steps=self.local_steps[index],
            scheme=self.scheme,
            seed=self.seed,
            device=self.device,
            clip_norm=self._clip_norm,
            autocast=self._autocast,
            before_step=self._schedule.set,
            at_work=self.workers.at_work,
        )

    def whole_factors(self) -> dict[str, float]:
        """Return what the whole network multiplies each group's outputs by: xi^(1 - a), or 1 where none is cut."""
        return dict(self._whole_factors)

    def factors(self, round: int, subnetwork: int) -> dict[str, float]:
        """Return what a subnetwork of a round multiplies each group's outputs by, where they are consumed."""
        scheme = self.scheme
        cut = cut_in_round(scheme.cut_groups, self.cut.units, round)
        return subnetwork_factors(scheme.masks, cut, self._whole_factors, self.scale, subnetwork)


def _usable(device: str | torch.device) -> torch.device:
    try:
        asked, local_rank = torch.device(device), os.environ.get("LOCAL_RANK")
        if asked.type == "cuda" and asked.index is None and local_rank and (there := torch.cuda.device_count()):
            asked = torch.device("cuda", int(local_rank) % there)
        if asked.type == "meta":
            raise RuntimeError("it holds no numbers")
        return torch.empty(0, device=asked).device
    except (AssertionError, RuntimeError, TypeError) as error:
        raise ValueError(
            "ModuleTraining: device must be one that torch can use here, such as 'cpu', "
            f"got {device!r} ({first_line(error)})"
        ) from error
