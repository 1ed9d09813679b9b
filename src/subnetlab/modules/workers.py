"""Who trains which subnetworks, and where the whole network lives: in one process, or on many workers.

Each worker trains p/q of the subnetworks, and is home to a share of every tensor: some of its rows, the entries along
the first dimension.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from ..core.rates import equal_share
from ..core.scheme_record import scheme_to_record
from ..engines.distributed.group import JobError
from .collecting import collected
from .copying import newest_file, on_two_disks
from .messages import exchanged
from .tensor_file import bytes_of, pieces_of
from .traffic import GroupTraffic, LocalTraffic, as_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ..core.scheme import TrainingScheme
    from ..engines.distributed.group import Group, Wish
    from ..engines.distributed.worker import Steps
    from .messages import Form
    from .traffic import Lookup, Receive, Slices, Traffic


_A_FILE = "a file of the whole network (a checkpoint, save or export)"
_WEIGHTS = "the network's first weights (seed torch before it is made)"


class Workers(Protocol):
    """What a training asks of the processes that it runs on."""

    rank: int
    size: int

    def rows(self, length: int) -> tuple[int, int]:
        """Return the first row that lives here, of a tensor with so many, and the first that does not."""
        ...

    def part(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the rows of a whole tensor that live here, in its memory."""
        ...

    def whole(self, parts: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]]) -> Slices:
        """Return whole tensors of the parts that live here; all workers call it together."""
        ...

    def newest_file(self, path: Path, held: Path | None, rounds: int) -> tuple[Path | None, int]:
        """Let every worker have what the newest file of any of them holds; see `copying.newest_file`."""
        ...

    def on_two_disks(self, folder: Path) -> Sequence[int]:
        """Return the workers that write a file so that the loss of one disk does not lose it."""
        ...

    def pieces(
        self, tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]], writers: Sequence[int]
    ) -> Iterator[torch.Tensor]:
        """Yield the numbers of whole tensors on some workers, one after another, and nothing on the others.

        All workers run through it together. ``shapes`` are those of the tensors that live by rows; the others are on
        every worker.
        """
        ...

    def traffic(self, p: int, home: Mapping[str, torch.Tensor], kept: Lookup, receive: Receive) -> Traffic:
        """Return what moves the entries of a round with p subnetworks."""
        ...

    def all_true(self, here: bool) -> bool:
        """Return whether something is so on every worker."""
        ...

    def agree(self, error: Exception | None) -> None:
        """Raise the error of the first worker that has one, on all of them."""
        ...

    def check_alike(self, settings: Mapping[str, Any], scheme: TrainingScheme, first: Slices) -> None:
        """Refuse to begin unless settings, scheme and first weights are the same on all workers."""
        ...

    def at_work(self, works: bool) -> None:
        """Take note of a local step, and of whether another one will follow here."""
        ...

    def report(self) -> dict[str, Any]:
        """Return what a round tells the others of this worker."""
        ...

    def completed(self, reports: Sequence[Mapping[str, Any]], *, rounds: int, of: int, loss: float) -> Wish:
        """Take note of a round; return whether training should end after it, the same on every worker."""
        ...

    def checkpointed(self, rounds: int) -> None:
        """Take note of a checkpoint that is on disk."""
        ...

    def ending(self, wish: Wish) -> BaseException:
        """Return what training ends with, after a checkpoint, when that is wished."""
        ...


class Alone:
    """One process, which trains every subnetwork."""

    rank, size = 0, 1

    def rows(self, length: int) -> tuple[int, int]:
        """Return all rows."""
        return 0, length

    def part(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the whole tensor."""
        return tensor

    def whole(self, parts: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]]) -> Slices:
        """Return the tensors as they are."""
        return dict(parts)

    def newest_file(self, path: Path, held: Path | None, rounds: int) -> tuple[Path | None, int]:
        """Return the file that is held here."""
        return held, 0

    def on_two_disks(self, folder: Path) -> Sequence[int]:
        """Return the only worker, which has one disk."""
        return (0,)

    def pieces(
        self, tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]], writers: Sequence[int]
    ) -> Iterator[torch.Tensor]:
        """Yield the numbers of tensors, one after another."""
        for tensor in tensors.values():
            yield from pieces_of(tensor)

    def traffic(self, p: int, home: Mapping[str, torch.Tensor], kept: Lookup, receive: Receive) -> LocalTraffic:
        """Return what moves entries in one round."""
        return LocalTraffic(p, home, kept, receive)

    def all_true(self, here: bool) -> bool:
        """Return whether it is so here."""
        return here

    def agree(self, error: Exception | None) -> None:
        """Raise the error, if there is one."""
        if error is not None:
            raise error

    def check_alike(self, settings: Mapping[str, Any], scheme: TrainingScheme, first: Slices) -> None:
        """Do nothing: there are no others."""

    def at_work(self, works: bool) -> None:
        """Do nothing: nobody waits for it."""

    def report(self) -> dict[str, Any]:
        """Return nothing: there are no others."""
        return {}

    def completed(self, reports: Sequence[Mapping[str, Any]], *, rounds: int, of: int, loss: float) -> Wish:
        """Return that training goes on."""
        return ""

    def checkpointed(self, rounds: int) -> None:
        """Do nothing: nobody waits for it."""

    def ending(self, wish: Wish) -> BaseException:
        """Return what ends a script; nobody wishes it here."""
        return KeyboardInterrupt()


class Together:
    """One of several workers.

    Parameters
    ----------
    group : Group
    p : int
        The number of subnetworks of a round, at least that of the workers.
    training : int, default 1
        Its number among the trainings of the group.

    Raises
    ------
    ValueError
        If there are more workers.
    """

    def __init__(self, group: Group, p: int, training: int = 1) -> None:
        if group.size > p:
            raise ValueError(f"ModuleTraining: workers must be at most the number of subnetworks {p}, got {group.size}")
        self.group, self.rank, self.size = group, group.rank, group.size
        self._p, self._training = p, training
        self.doing(f"the beginning of training {training}")
        self._before = np.array([group.bytes_sent, time.perf_counter(), group.seconds_waiting])

    def doing(self, what: str) -> None:
        """Tell the group what the exchanges from here on are for."""
        self.group.doing(what)

    def in_round(self) -> None:
        """Tell the group that they are for a round: in between there may have been something of another training."""
        self.doing(f"a round of training {self._training}")

    def rows(self, length: int, worker: int | None = None) -> tuple[int, int]:
        """Return the first row that lives at a worker, by default here, and the first that lives at the next."""
        worker = self.rank if worker is None else worker
        return equal_share(length, worker, self.size)

    def rows_of(self, shape: Sequence[int], worker: int) -> tuple[int, int]:
        """Return the same for a whole tensor of this shape; a number is one row."""
        return self.rows(shape[0] if shape else 1, worker)

    def subnetworks(self, worker: int) -> range:
        """Return the subnetworks that a worker trains."""
        return range(*self.rows(self._p, worker))

    def part(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the rows of a whole tensor that live here, in its memory."""
        return self._part_of(tensor, self.rank)

    def _part_of(self, tensor: torch.Tensor, worker: int) -> torch.Tensor:
        rows = as_rows(tensor)
        return rows[slice(*self.rows(len(rows), worker))]

    def whole(self, parts: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]]) -> Slices:
        """Return whole tensors of the parts that live here; all workers call it together."""
        self.doing("the whole network (training.model or training.entries)")
        return self.group.drive(self._gather(parts, shapes))

    def _gather(self, parts: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]]) -> Steps[Slices]:
        def form(name: str, worker: int) -> Form:
            first, end = self.rows_of(shapes[name], worker)
            return (end - first, *shapes[name][1:]), parts[name].dtype

        forms = [[form(name, a) for name in parts] for a in range(self.size)]
        device = next((part.device for part in parts.values()), torch.device("cpu"))
        arrived = yield from exchanged([list(parts.values())] * self.size, forms, device)
        pieces = zip(*arrived, strict=True)
        return {name: torch.cat(rows).reshape(tuple(shapes[name])) for name, rows in zip(parts, pieces, strict=True)}

    def newest_file(self, path: Path, held: Path | None, rounds: int) -> tuple[Path | None, int]:
        """Let every worker have what the newest file of any of them holds."""
        return newest_file(self.group, path, held, rounds)

    def on_two_disks(self, folder: Path) -> Sequence[int]:
        """Return worker 0, and the first worker that sees another folder, if there is one."""
        self.doing(_A_FILE)
        return on_two_disks(self.group, folder)

    def pieces(
        self, tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, Sequence[int]], writers: Sequence[int]
    ) -> Iterator[torch.Tensor]:
        """Yield the numbers of whole tensors on those that write; all workers run through it together."""
        self.doing(_A_FILE)
        return collected(self, tensors, shapes, writers)

    def traffic(self, p: int, home: Mapping[str, torch.Tensor], kept: Lookup, receive: Receive) -> GroupTraffic:
        """Return what moves entries in one round."""
        return GroupTraffic(self, home, [kept(l) for l in range(p)], receive)

    def all_true(self, here: bool) -> bool:
        """Return whether something is so on every worker."""
        return all(bool(answer[0]) for answer in self.group.tell_all(np.array([here])))

    def agree(self, error: Exception | None) -> None:
        """Raise the error of the first worker that has one, on all of them."""
        self.group.agree(error)

    def check_alike(self, settings: Mapping[str, Any], scheme: TrainingScheme, first: Slices) -> None:
        """Refuse to begin unless settings, scheme and first weights are the same on all workers.

        Of the weights each compares the rows that live here, and those of the next worker: no others are used.

        Raises
        ------
        JobError
            With the first thing that differs.
        """
        record, arrays = scheme_to_record(scheme)
        hashes = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
        self.group.agree_on_settings({**settings, **record, **hashes})
        following = [(worker + 1) % self.size for worker in range(self.size)]
        rows = self.group.tell_all_json([self._hash_of(first, a) for a in (self.rank, following[self.rank])])
        for worker, after in enumerate(following):
            if rows[worker][1] != rows[after][0]:
                raise JobError(
                    f"{self.group.owner}: {_WEIGHTS} must be the same on all workers, got others on worker {worker} "
                    f"and worker {after}"
                )

    def _hash_of(self, tensors: Slices, worker: int) -> str:
        """Return a hash of the rows that live at a worker."""
        content = hashlib.sha256()
        for tensor in tensors.values():
            for piece in pieces_of(self._part_of(tensor, worker)):
                content.update(bytes_of(piece))
        return content.hexdigest()

    def at_work(self, works: bool) -> None:
        """Tell the launcher, if there is one."""
        self.group.at_work(works)

    def report(self) -> dict[str, Any]:
        """Return what the round cost here, and what worker 0 wishes."""
        now = np.array([self.group.bytes_sent, time.perf_counter(), self.group.seconds_waiting])
        sent, seconds, waiting = now - self._before
        self._before = now
        return {"costs": [sent, seconds - waiting, waiting], "wish": self.group.wish() if self.rank == 0 else ""}

    def completed(self, reports: Sequence[Mapping[str, Any]], *, rounds: int, of: int, loss: float) -> Wish:
        """Tell the launcher, if there is one; return what worker 0 wishes."""
        costs = np.array([report["costs"] for report in reports])
        facts = {"bytes_sent": int(costs[:, 0].sum())}
        facts |= {name: float(costs[:, i].max()) for i, name in enumerate(("seconds_computing", "seconds_waiting"), 1)}
        self.group.heard("script_round", rounds, training=self._training, of=of, loss=loss, workers=self.size, **facts)
        return reports[0]["wish"]

    def checkpointed(self, rounds: int) -> None:
        """Tell the launcher, if there is one."""
        self.group.heard("checkpoint", rounds, training=self._training)

    def ending(self, wish: Wish) -> BaseException:
        """Return what training ends with, after a checkpoint, when that is wished; the group takes note."""
        return self.group.ending(wish)
