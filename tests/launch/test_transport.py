"""Every call to the store ends, also when the network is cut without a word."""

from __future__ import annotations

import threading

import pytest

from subnetlab.engines.distributed.group import PeerLostError
from subnetlab.launch.transport import Store, StoreLostError, Transport, within


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


def test_a_lost_store_is_a_lost_worker():
    class Lost:
        def add(self, name, more):
            raise RuntimeError("Broken pipe\nand a page of frames")

    transport = Transport(None, 1, 2, store=Store(Lost(), 60.0, 60.0))
    with pytest.raises(PeerLostError, match=r"^worker 1: the store is lost: Broken pipe$"):
        transport.count("done/3", 1)
