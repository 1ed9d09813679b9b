"""The search for thread pools is done once, and again when a library may have come."""

import sys
import types

from subnetlab.training.threads import thread_pools


def test_pools_are_looked_for_again_after_an_import(monkeypatch):
    found = thread_pools()
    assert thread_pools() is found
    monkeypatch.setitem(sys.modules, "a_module_with_a_library", types.ModuleType("a"))
    assert thread_pools() is not found
    assert {pool["filepath"] for pool in thread_pools().info()} >= {pool["filepath"] for pool in found.info()}


def test_limits_hold_inside_and_end_outside():
    before = [pool["num_threads"] for pool in thread_pools().info()]
    with thread_pools().limit(limits=1):
        assert {pool["num_threads"] for pool in thread_pools().info()} == {1}
    assert [pool["num_threads"] for pool in thread_pools().info()] == before
