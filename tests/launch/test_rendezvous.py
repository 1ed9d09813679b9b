"""How workers find each other: who comes twice, late, too many or never, and addresses; every call ends."""

from __future__ import annotations

import gc
import json
import os
import socket
import threading
import time

import pytest

from subnetlab.engines.distributed.group import JobError, PeerLostError
from subnetlab.launch import rendezvous
from subnetlab.launch.rendezvous import AddressError, Rendezvous, UnreachableError, listen


class Cable:
    """A way to an address that can be cut: nothing passes any more, and no connection is closed."""

    def __init__(self, target):
        self._target = target
        self._entry = listen(target[0], 0)
        self._open = [self._entry]
        self.address = self._entry.getsockname()
        self.is_cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near = self._entry.accept()[0]
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target):
        while not self.is_cut.is_set():
            try:
                data = source.recv(1 << 16)
                if self.is_cut.is_set() or not data:
                    return
                target.sendall(data)
            except OSError:
                return

    def close(self):
        for end in self._open:
            end.close()


@pytest.fixture
def listener(host):
    """A socket of machine 0, closed whatever becomes of the test."""
    made = listen(host, 0)
    yield made
    made.close()


def test_a_network_cut_for_good_while_a_worker_waits_to_take_part(torch, listener):
    cable = Cable(listener.getsockname())
    transport = Rendezvous(2, 0, 0, 60.0, 0.1, listener.getsockname(), listener).join()
    outcome = []

    def late():
        try:
            Rendezvous(2, 1, 0, timeout=10.0, patience=60.0, address=cable.address).join()
        except PeerLostError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=late, daemon=True)
    thread.start()
    deadline = time.monotonic() + 300
    while not transport.latecomers() and time.monotonic() < deadline:
        time.sleep(0.01)
    cable.is_cut.set()
    thread.join(300)
    cable.close()
    # the cut falls into the time that it waits, or into a question that it asks
    assert len(outcome) == 1
    assert outcome[0] in (
        "the 1 workers that were in time have begun without this one",
        "a worker was lost during the rendezvous: no answer for 10 s",
    )


def test_a_worker_that_comes_twice_is_noticed_at_once(torch, listener):
    """Two machines have the same number: everybody is told before the owner of the store leaves with it."""
    address, told = listener.getsockname(), [None] * 3

    def come(rank):
        meeting = Rendezvous(3, min(rank, 1), 0, 60.0, 60.0, address, None if rank else listener)
        try:
            meeting.join()
        except PeerLostError as error:
            told[rank] = str(error)

    run_threads(come, 3)
    expected = "every worker must come once, got machine/worker ['000000/000000', '000001/000000', '000001/000000']"
    assert told == [expected] * 3


def test_the_successor_of_a_worker_that_was_lost_in_the_meeting_takes_its_place():
    class Arrivals:
        def get(self, name):
            lines = [["0/0", "a", "first"], ["1/0", "b", "lost"], ["1/0", "b", "successor"], ["2/0", "c", "last"]]
            return "".join(json.dumps(line) + "\n" for line in lines)

    found = Rendezvous(3, 0, 0, 60.0, 60.0, ("127.0.0.1", 1))._members(Arrivals())
    assert found == [["0/0", "a", "first"], ["1/0", "b", "successor"], ["2/0", "c", "last"]]


@pytest.mark.parametrize("machine", [1, 0], ids=["number too high", "number taken"])
def test_a_worker_too_many_is_refused_and_disturbs_nobody(torch, listener, machine, monkeypatch):
    monkeypatch.setattr(rendezvous, "_NOTICED", 0.0)  # the one of this number is not about to be lost
    address = listener.getsockname()
    transport = Rendezvous(1, 0, 0, 60.0, 60.0, address, listener).join()
    message = f"^launch: all 1 workers are at work, .'000000/000000'.; got machine/worker 00000{machine}/000000, too$"
    with pytest.raises(JobError, match=message):
        Rendezvous(1, machine, 0, 60.0, 60.0, address).join()
    assert not transport.latecomers()


def test_who_begins_again_tells_the_group_that_it_has_left(torch, listener):
    """The first worker hangs, and serves the store: all others come back to it, and it learns that they have left."""
    address, joined, outcome = listener.getsockname(), [None] * 2, []
    meetings = [Rendezvous(2, 0, i, 60.0, 60.0, address, None if i else listener, "alike") for i in range(2)]

    def join(rank):
        joined[rank] = meetings[rank].join()

    run_threads(join, 2)
    assert not any(transport.left() for transport in joined)

    def again():
        with pytest.raises(PeerLostError, match="have begun without this one"):
            meetings[1].join()
        outcome.append("refused")

    thread = threading.Thread(target=again)
    thread.start()
    deadline = time.monotonic() + 300
    while not joined[0].left() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert joined[0].left()
    assert outcome == []
    joined[0] = None  # and ends
    gc.collect()
    thread.join(300)
    assert outcome == ["refused"]
    assert joined[1].left()


def run_threads(work, count):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()


def test_those_who_came_begin_without_those_who_did_not(torch, listener):
    address = listener.getsockname()
    transport = Rendezvous(3, 0, 0, timeout=60, patience=0.2, address=address, listener=listener).join()
    assert (transport.rank, transport.size) == (0, 1)
    assert not transport.latecomers()
    outcome = []

    def late():
        with pytest.raises(PeerLostError, match="the 1 workers that were in time have begun without this one"):
            Rendezvous(3, 0, 1, timeout=60, patience=0.2, address=address).join()
        outcome.append("refused")

    thread = threading.Thread(target=late)
    thread.start()
    deadline = time.monotonic() + 300
    while not transport.latecomers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert transport.latecomers()
    assert outcome == []  # it waits for the end of the meeting that it missed
    del transport
    gc.collect()
    thread.join(300)
    assert outcome == ["refused"]


def test_an_unreachable_machine_0(torch, monkeypatch):
    monkeypatch.setattr(rendezvous, "_SUPERVISOR", 0.0)
    closed = listen("127.0.0.1", 0)
    port = closed.getsockname()[1]
    closed.close()
    before = set(threading.enumerate())
    with pytest.raises(UnreachableError, match=f"^launch: machine 0 must answer at 127.0.0.1:{port}, got no answer "):
        Rendezvous(2, 1, 0, timeout=0.5, patience=0.5, address=("127.0.0.1", port)).join()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)  # torch still tries; a thread that comes back from it while Python ends would abort it


def test_a_port_in_use_and_a_foreign_address():
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(AddressError, match=rf"^launch: address must be free, got 127\.0\.0\.1:{port} "):
        listen("127.0.0.1", port)
    taken.close()
    with pytest.raises(
        AddressError, match=r"^launch: address must be an address of machine 0, got 192\.0\.2\.1:29500 "
    ):
        listen("192.0.2.1", 29500)


def test_a_store_between_machines_listens_on_the_given_address_alone(torch):
    before = _listening()
    listener = listen("127.0.0.1", 0)
    address = listener.getsockname()
    transport = Rendezvous(1, 0, 0, timeout=60, patience=5, address=address, listener=listener).join()
    new = _listening() - before
    assert address in new
    assert {host for host, _ in new} == {"127.0.0.1"}
    assert transport.size == 1
    listener.close()


def _listening():
    """Return the addresses on which this process listens, from /proc."""
    inodes = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)}
    found = set()
    for family in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{family}") as table:
            for line in list(table)[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if state == "0A" and f"socket:[{inode}]" in inodes:
                    host, port = local.split(":")
                    parts = [str(int(host[i : i + 2], 16)) for i in range(0, len(host), 2)]
                    found.add((".".join(reversed(parts)) if family == "tcp" else host, int(port, 16)))
    return found


def _is_link(fd):
    return os.path.islink(f"/proc/self/fd/{fd}")
