"""Workers in threads of one process that run one at a time: what they compute without sockets, deterministically."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from subnetlab.engines.distributed.group import Group, among


class _InTurn(Group):
    """One of the workers; only the one that holds the lock runs, and all meet at every exchange."""

    def __init__(self, rank, size, table, lock, meeting):
        super().__init__(None, rank, size, "ModuleTraining")
        self.table, self.lock, self.meeting = table, lock, meeting

    def exchange(self, exchange):
        self.table[self.rank] = [[np.array(a) for a in message] for message in exchange.outgoing]
        self.bytes_sent += sum(a.nbytes for peer, m in enumerate(self.table[self.rank]) if peer != self.rank for a in m)
        self._meet()
        arrived = [self.table[peer][self.rank] for peer in range(self.size)]
        assert [[a.shape for a in message] for message in arrived] == [[*map(tuple, s)] for s in exchange.shapes]
        assert all(a.dtype == exchange.dtype for message in arrived for a in message)
        self._meet()
        return arrived

    def _meet(self):
        self.lock.release()
        try:
            self.meeting.wait()
        finally:
            self.lock.acquire()


def in_turn(size, work):
    """Return what ``work(group)`` returns on each of so many workers."""
    table, lock, meeting = [None] * size, threading.Lock(), threading.Barrier(size)

    def one(rank):
        group = _InTurn(rank, size, table, lock, meeting)
        with lock, among(group):
            try:
                return work(group)
            except BaseException:
                meeting.abort()
                raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(one, rank) for rank in range(size)]
        errors = [e for e in (f.exception() for f in futures) if e and not isinstance(e, threading.BrokenBarrierError)]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]
