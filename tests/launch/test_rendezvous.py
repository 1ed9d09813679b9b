"""Every call to the store ends, also when the network is cut without a word."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from subnetlab.launch.rendezvous import Meeting, listen
from subnetlab.launch.store import StoreLostError, within
from subnetlab.launch.transport import PeerLostError


def test_a_call_that_does_not_end():
    ever = threading.Event()
    with pytest.raises(StoreLostError, match=r"^no answer for 0\.01 s$"):
        within(0.01, ever.wait)
    ever.set()


def test_an_error_of_torch_is_told_in_its_first_line():
    def lost():
        raise RuntimeError("Broken pipe\nand a page of frames")

    with pytest.raises(StoreLostError, match=r"^Broken pipe$"):
        within(60.0, lost)


class Cable:
    """A way to an address that can be cut: nothing passes any more, and no connection is closed."""

    def __init__(self, target):
        self._target = target
        self._entry = listen("127.0.0.1", 0)
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


def test_a_network_cut_for_good_while_a_worker_waits_to_take_part(torch):
    listener = listen("127.0.0.1", 0)
    cable = Cable(listener.getsockname())
    transport = Meeting(2, 0, 0, 60.0, 0.1, listener.getsockname(), listener).join()
    outcome = []

    def late():
        try:
            Meeting(2, 1, 0, timeout=3.0, patience=60.0, address=cable.address).join()
        except PeerLostError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=late, daemon=True)
    thread.start()
    deadline = time.monotonic() + 300
    while not transport.latecomers() and time.monotonic() < deadline:
        time.sleep(0.01)
    cable.is_cut.set()
    thread.join(300)
    assert outcome == ["the 1 workers that were in time have begun without this one"]
    cable.close()
    listener.close()
