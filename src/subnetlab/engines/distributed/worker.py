"""One process' part of a round, without any input or output.

`Worker.round` is a generator: it yields what it sends to every process, is sent what arrived from each, and returns
the record. Whoever drives it moves the messages: `engine.run_in_step` in one process, `group.Group` between many.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np

from ...core.aggregation import aggregation_step
from ...core.rates import equal_share
from ...core.record import RoundRecord
from ...core.rows import row_weights
from ..primal import LocalPhase
from .placement import Placement, Route

if TYPE_CHECKING:
    from ...core.aggregation import Unselected
    from ...core.arrays import BoolArray, FloatArray
    from ...core.rows import LocalRows
    from ..base import Dtype, Problem

Messages: TypeAlias = list[list[np.ndarray]]  # for or from each process, a list of arrays


@dataclass(frozen=True)
class Exchange:
    """What a worker sends to each process, itself included, and the shapes of what it awaits from each."""

    outgoing: Messages
    shapes: list[list[tuple[int, ...]]]
    dtype: np.dtype


class Deadline(Protocol):
    """The end of the local steps of one round, for rounds that do not wait for late workers.

    A late worker gives up its subnetworks: they do not move, and their neurons count as unselected, as in the paper.
    Weights still travel at the start of a round, so this helps against slow processors, not against slow networks.
    """

    def passed(self, l: int) -> bool:
        """Return whether subnetwork l has to be given up; asked before each of its steps."""
        ...

    def report(self) -> None:
        """Tell that this process has done its local steps."""
        ...


_T = TypeVar("_T")
Steps: TypeAlias = Generator[Exchange, Messages, _T]


class Worker:
    """Process ``rank`` of ``size``; holds the weights of its own neurons only.

    Parameters
    ----------
    problem : Problem
    rank, size : int
    dtype : {"float64", "float32"}
    """

    def __init__(self, problem: Problem, rank: int, size: int, dtype: Dtype) -> None:
        self.rank = rank
        self.size = size
        self._X = np.ascontiguousarray(problem.X, dtype=dtype)
        self._y = problem.y  # errors are summed in float64
        self._a = problem.signs.astype(dtype)
        self._xi = problem.selection_prob
        self._phase = LocalPhase(self._X, problem.y, len(problem.signs))
        self.placement = Placement.at_home(len(problem.signs))
        self.W = np.empty((0, self._X.shape[1]), dtype)
        self.late: BoolArray = np.zeros(0, bool)  # subnetworks given up in the last round
        self.note = np.zeros(0)  # a few numbers that the next report carries to all processes
        self.notes: list[FloatArray] = []  # those of the last report, by process

    def place(self, placement: Placement, slots: list[FloatArray]) -> None:
        """Take the weights of the slots that live here, in order; each has shape (neurons, d)."""
        self.placement = placement
        self.W = np.concatenate([self._nothing(), *slots])

    def slot_weights(self) -> dict[int, FloatArray]:
        """Return the weights of each slot that lives here, as views."""
        slots = self.placement.slots_of(self.rank, self.size)
        ends = np.cumsum([0, *(len(self.placement.slots[slot]) for slot in slots)])
        return {slot: self.W[ends[i] : ends[i + 1]] for i, slot in enumerate(slots)}

    def round(
        self,
        masks: BoolArray,
        step_size: float,
        local_steps: int,
        rows: LocalRows | None,
        unselected: Unselected,
        deadline: Deadline | None = None,
    ) -> Steps[RoundRecord]:
        """Run this process' part of one round of Algorithm 1.

        A subnetwork for which the deadline passes is given up; `late` tells afterwards which ones, shape (p,).
        """
        after = self.placement.after(masks)
        route = Route(self.placement, after, masks, self.rank, self.size)
        trained = yield from self._fetch(route)
        errors = np.empty((local_steps + 1, len(route.subnetworks)))
        updates: dict[int, FloatArray] = {}
        for i, l in enumerate(route.subnetworks):
            start = route.rows_of_subnetwork(l)
            W_l = trained[start]
            seen = None if rows is None else row_weights(rows, l, local_steps, len(self._X))
            too_late = (lambda: False) if deadline is None else partial(deadline.passed, l)
            a = self._a[route.members[l]]
            errors[:, i], in_time = self._phase.steps(
                W_l, self._phase.pre_activations(W_l), a, step_size, local_steps, seen, too_late
            )
            if not in_time:
                continue
            for part in _chunks(len(W_l)):
                W_l[part] -= trained[start[part]]
            updates[l] = W_l  # Delta^l
        if deadline is not None:
            deadline.report()
            masks = yield from self._agree_on_the_late(route, masks, updates)
        if route.stays:
            self.W = trained
        del trained
        self.placement = after
        arrived = yield from self._send_home(route, masks, updates)
        del updates
        self._aggregate(route, masks, arrived, unselected)
        return (yield from self._report(errors, len(masks)))

    def measure(self) -> Steps[float]:
        """Measure |y - u|^2 of the whole network as it stands."""
        record = yield from self._report(np.empty((0, 0)), 0)
        return record.full_error

    def _fetch(self, route: Route) -> Steps[FloatArray]:
        """Bring the neurons that are trained here; return their weights in the order of ``route.trained``."""
        peers = range(self.size)
        where = [route.rows_in(s) for s in peers]
        outgoing: Messages = [[self.W[route.rows_out(t)]] for t in peers]
        if route.stays:
            self.W = self._nothing()  # all of them are on their way
        d = self._X.shape[1]
        arrived = yield Exchange(outgoing, [[(len(where[s]), d)] for s in peers], self._X.dtype)
        del outgoing
        trained = np.empty((len(route.trained), d), self._X.dtype)
        for s in peers:
            trained[where[s]] = arrived[s][0]
            arrived[s].clear()
        return trained

    def _agree_on_the_late(self, route: Route, masks: BoolArray, updates: dict[int, FloatArray]) -> Steps[BoolArray]:
        """Tell all processes which subnetworks were given up; return the masks without them."""
        mine = np.array([l not in updates for l in route.subnetworks], bool)
        shapes = [[(len(route.subnetworks_of(s)),)] for s in range(self.size)]
        arrived = yield Exchange([[mine]] * self.size, shapes, np.dtype(bool))
        self.late = np.concatenate([flags for (flags,) in arrived])
        route.give_up(np.flatnonzero(self.late))
        return masks & ~self.late[:, np.newaxis]

    def _send_home(self, route: Route, masks: BoolArray, updates: dict[int, FloatArray]) -> Steps[list[FloatArray]]:
        """Send the rows of every Delta^l to the homes of their neurons; return those for this process, by l."""
        p, d, peers = len(masks), self._X.shape[1], range(self.size)
        nothing = self._nothing()
        if route.stays:
            return [updates.get(l, nothing) for l in range(p)]
        outgoing: Messages = [
            [updates.get(l, self.W[:0])[route.update_rows_out(l, t)] for l in route.subnetworks] for t in peers
        ]
        shapes = [[(len(route.update_rows_in(l)), d) for l in route.subnetworks_of(s)] for s in peers]
        arrived = yield Exchange(outgoing, shapes, self._X.dtype)
        return [piece for message in arrived for piece in message]  # process after process is l after l

    def _aggregate(self, route: Route, masks: BoolArray, arrived: list[FloatArray], unselected: Unselected) -> None:
        """w_r += eta_r sum_l Delta^l_r in the order l = 0, ..., p - 1; neurons that nobody holds keep their bits."""
        rows_in = [route.update_rows_in(l) for l in range(len(arrived))]
        steps = aggregation_step(masks)[route.home].astype(self.W.dtype)[:, np.newaxis]
        for part in _chunks(len(self.W)):
            W, eta = self.W[part], steps[part]
            total = np.zeros_like(W)
            for rows, update in zip(rows_in, arrived, strict=True):
                here = np.flatnonzero((part.start <= rows) & (rows < part.stop))
                total[rows[here] - part.start] += update[here]
            total *= eta
            np.add(W, total, out=W, where=eta > 0)
            if unselected == "zero":
                W[eta[:, 0] == 0] = 0

    def _report(self, errors: FloatArray, p: int) -> Steps[RoundRecord]:
        """Tell all processes the errors of the local steps and the slots' outputs; sum these in slot order."""
        steps, n, placement = len(errors), len(self._y), self.placement
        outputs = [
            self._phase.output(self._phase.pre_activations(W), self._a[placement.slots[slot]])
            for slot, W in self.slot_weights().items()
        ]
        message = [errors, np.reshape(outputs, (len(outputs), n)), self.note]
        trained = [len(range(*equal_share(p, s, self.size))) for s in range(self.size)]
        shapes = [
            [(steps, trained[s]), (len(placement.slots_of(s, self.size)), n), self.note.shape] for s in range(self.size)
        ]
        arrived = yield Exchange([message] * self.size, shapes, np.dtype(np.float64))
        f = np.zeros(n)
        for _, theirs, _ in arrived:
            for output in theirs:
                f += output
        self.notes = [note for _, _, note in arrived]
        full_error = float(np.sum((self._y - self._xi * f) ** 2))
        return RoundRecord(np.concatenate([e for e, _, _ in arrived], axis=1), full_error)

    def _nothing(self) -> FloatArray:
        """Return no rows; a slice of W would keep all of it alive."""
        return np.empty((0, self._X.shape[1]), self._X.dtype)


def _chunks(count: int, size: int = 1 << 15) -> list[slice]:
    """Return slices that cover ``range(count)``, so that temporaries stay small."""
    return [slice(start, start + size) for start in range(0, count, size)]
