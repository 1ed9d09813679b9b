"""One subnetwork during its local steps: an ordinary, smaller module, its optimiser, and its batches."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from .batches import n_samples, rows_of, rows_of_step, step_seed
from .errors import in_our_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..core.arrays import IntArray
    from ..core.scheme import TrainingScheme


@dataclass(eq=False, repr=False)
class Subnet:
    """What `ModuleTraining.rounds` hands out: a module to call, batches of its own, and a step.

    Attributes
    ----------
    module : torch.nn.Module
        The subnetwork, in training mode; refilled for the next one, so keep no reference to it.
    optimizer : torch.optim.Optimizer
    index, round : int
        l and k.
    local_steps : int
        That are to be taken in this round: tau, or fewer for a slower worker.
    steps_done : int
    """

    module: torch.nn.Module
    optimizer: torch.optim.Optimizer
    index: int
    round: int
    local_steps: int
    scheme: TrainingScheme
    seed: int
    device: torch.device
    clip_norm: float | None
    autocast: torch.dtype | None
    before_step: Callable[[torch.optim.Optimizer, int], None]
    at_work: Callable[[bool], None]
    steps_done: int = 0
    losses: list[torch.Tensor] = field(default_factory=list)
    returned: bool = False  # its update has been taken; the module may be another subnetwork's by now

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.module.parameters())
        return f"Subnet(index={self.index}, round={self.round}, parameters={size:,})"

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return the module's output, under autocast if training was asked for it."""
        if self.autocast is None:
            return self.module(*inputs, **named)
        with torch.autocast(self.device.type, dtype=self.autocast):
            return self.module(*inputs, **named)

    def batches(self, dataset: Any) -> Iterator[Any]:
        """Yield a batch for each local step: a pure function of (seed, round, subnetwork, step).

        What is random while a batch is made and used (augmentation, dropout) draws from torch's generator, seeded
        anew for each step; afterwards torch's random state is as it was.

        Parameters
        ----------
        dataset : pair (X, y) of tensors or arrays, or a map-style Dataset
            Samples of a Dataset are put together as torch's DataLoader does.
        """
        scheme = self.scheme
        rows_there = n_samples(dataset)
        scheme.check_rows(rows_there)
        with random_state_kept():
            for t in range(self.local_steps):
                rows = self.rows(t, rows_there)
                _seed_generators(step_seed(self.seed, self.round, self.index, t))
                yield rows_of(dataset, rows, self.device)

    def rows(self, t: int, n_samples: int) -> IntArray:
        """Return the rows of local step t's batch, among so many."""
        scheme = self.scheme
        return rows_of_step(
            self.seed,
            self.index,
            self.round * scheme.local_steps + t,
            n_samples=n_samples,
            shards=scheme.shards,
            batch_size=scheme.batch_size,
        )

    def step(self, loss: torch.Tensor) -> None:
        """Take one step of the optimiser down the gradient of ``loss`` (line 7).

        Raises
        ------
        TypeError
            If the loss is no tensor with one real entry.
        RuntimeError, ValueError
            If the round's local steps are done already, the next subnetwork has been asked for, the loss is not
            computed by this subnetwork's module, or the optimiser does not take its gradients.
        """
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise TypeError(f"Subnet.step: loss must be a tensor with one entry, got {_kind(loss)}")
        if self.returned:
            raise RuntimeError(
                f"Subnet.step: subnetwork {self.index} has returned its update: train each before asking for the next"
            )
        if self.steps_done >= self.local_steps:
            raise RuntimeError(f"Subnet.step: local_steps must be at most {self.local_steps}, got one more")
        self._descend(loss)
        self.losses.append(loss.detach())
        self.steps_done += 1
        self.at_work(self.steps_done < self.local_steps)

    def attempt(self, loss: torch.Tensor) -> None:
        """Take a step of which nothing is kept; see `step` for the errors. A loss's own parameters get no gradients."""
        self._descend(loss, [parameter for parameter in self.module.parameters() if parameter.requires_grad])

    def _descend(self, loss: torch.Tensor, inputs: list[torch.nn.Parameter] | None = None) -> None:
        if loss.is_complex():
            raise TypeError(f"Subnet.step: loss must be real, got {loss.dtype}")
        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:
            loss.backward(inputs=inputs)
        if all(parameter.grad is None for parameter in self.module.parameters()):
            raise RuntimeError(
                "Subnet.step: loss must be computed by this subnetwork, subnet.module(x), with gradients; it has none "
                "for the subnetwork's parameters"
            )
        if self.clip_norm is not None:
            _clip(self.module.parameters(), self.clip_norm)
        self.before_step(self.optimizer, self.round * self.scheme.local_steps + self.steps_done)
        kind = type(self.optimizer).__name__
        with in_our_words(f"ModuleTraining: optimizer must step by this network's gradients, which {kind} cannot"):
            self.optimizer.step()


def _clip(parameters: Iterable[torch.Tensor], most: float) -> None:
    """Clip the norm of all gradients together; of sparse ones, which torch's function does not take, the entries."""
    held = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            entries = parameter.grad._values()
            held.append(torch.empty_like(entries))
            held[-1].grad = entries
        else:
            held.append(parameter)
    torch.nn.utils.clip_grad_norm_(held, most)


def _seed_generators(seed: int) -> None:
    """Seed torch's generators as torch.manual_seed does, which takes a traceback for CUDA that is not in use."""
    torch.default_generator.manual_seed(seed % 2**63)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed % 2**63)


@contextmanager
def random_state_kept(seed: int | None = None) -> Iterator[None]:
    """Leave torch's random state as it was; with a seed, what is drawn inside is the same every time."""
    cpu = torch.random.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        if seed is not None:
            _seed_generators(seed)
        yield
    finally:
        torch.random.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


def _kind(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
