"""What the calling program has set decides nothing inside, and is as it was afterwards, also with several threads."""

import os
import random
import subprocess
import sys
import threading
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sklearn.utils._openmp_helpers  # noqa: F401  (brings an OpenMP and another BLAS)
from threadpoolctl import threadpool_limits

from subnetlab.surroundings import ProcessSetting, thread_pools, undisturbed

PATIENCE = 60  # seconds; only a test that fails waits so long


def blas_threads():
    return {pool["num_threads"] for pool in thread_pools().info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _two_threads_outside():
    with threadpool_limits(limits=2):
        yield
        assert blas_threads() == {2}


def test_pools_are_looked_for_again_after_an_import(monkeypatch):
    found = thread_pools()
    assert thread_pools() is found
    monkeypatch.setitem(sys.modules, "a_module_with_a_library", types.ModuleType("a"))
    assert thread_pools() is not found
    assert {pool["filepath"] for pool in thread_pools().info()} >= {pool["filepath"] for pool in found.info()}


def test_the_innermost_number_holds():
    seen = []
    with undisturbed(1):
        seen.append(blas_threads())
        with undisturbed(3):
            seen.append(blas_threads())
            with undisturbed():
                seen.append(blas_threads())
        seen.append(blas_threads())
        with undisturbed(1):
            seen.append(blas_threads())
        seen.append(blas_threads())
    assert seen == [{1}, {3}, {3}, {1}, {1}, {1}]


def test_without_a_wish_the_callers_number_holds():
    with undisturbed():
        assert blas_threads() == {2}


def test_openmp_follows_too():
    before = thread_pools().info()
    assert {pool["user_api"] for pool in before} == {"blas", "openmp"}
    with undisturbed(1):
        assert {pool["num_threads"] for pool in thread_pools().info()} == {1}
    assert thread_pools().info() == before


def test_an_error_leaves_everything_as_it_was():
    with pytest.raises(KeyError), undisturbed(1), undisturbed(3):
        raise KeyError
    assert blas_threads() == {2}


def test_the_last_of_several_threads_to_leave_puts_back_what_the_first_found():
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first():
        with undisturbed(1):
            first_in.set()
            assert second_in.wait(PATIENCE)
        first_out.set()

    def second():
        assert first_in.wait(PATIENCE)
        with undisturbed(1):
            second_in.set()
            assert first_out.wait(PATIENCE)
            return blas_threads()

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        assert two.result() == {1}
        one.result()
    assert blas_threads() == {2}


def test_another_number_waits_for_its_turn_and_is_not_overtaken():
    order, inside, waits, leave = [], threading.Event(), threading.Event(), threading.Event()

    def stay(name, threads, *, entered=None, until=None):
        with undisturbed(threads):
            order.append((name, blas_threads()))
            if entered is not None:
                entered.set()
            if until is not None:
                assert until.wait(PATIENCE)

    def queue_length():
        from subnetlab.surroundings import _GATE

        return len(_GATE._queue)

    with ThreadPoolExecutor(3) as pool:
        stays = [pool.submit(stay, "first", 1, entered=inside, until=leave)]
        assert inside.wait(PATIENCE)
        for number, (name, threads) in enumerate([("other number", 3), ("same number, later", 1)], 1):
            stays.append(pool.submit(stay, name, threads))
            while queue_length() < number:
                waits.wait(0.001)
        assert order == [("first", {1})]
        leave.set()
        for done in stays:
            done.result(PATIENCE)
    assert order == [("first", {1}), ("other number", {3}), ("same number, later", {1})]


def test_many_threads_with_many_numbers():
    """Each finds its own number at all times, nested ones included, and nobody waits for ever."""
    wrong = []

    def work(seed):
        choices = random.Random(seed)
        for _ in range(30):
            outer, inner = choices.choice([1, 2, 3]), choices.choice([None, 1, 2, 3])
            with undisturbed(outer):
                wrong.append(blas_threads() != {outer})
                with undisturbed(inner):
                    wrong.append(blas_threads() != {inner or outer})
                wrong.append(blas_threads() != {outer})

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(wrong) == 6 * 30 * 3
    assert not any(wrong)


def test_settings_of_the_process_are_put_back_by_the_last():
    value = {"now": "user's"}
    setting = ProcessSetting("a setting", lambda: value["now"], lambda new: value.update(now=new), "ours")
    with undisturbed(1):
        with undisturbed(1, [setting]):
            assert value["now"] == "ours"
        with undisturbed(3):
            assert value["now"] == "user's"
    assert value["now"] == "user's"


@pytest.mark.parametrize("kind", ["divide", "over", "under", "invalid"])
def test_floating_point_errors_are_not_raised(kind):
    numbers = {"divide": (1.0, 0.0), "over": (1e300, 1e-300), "under": (1e-300, 1e300), "invalid": (0.0, 0.0)}[kind]
    a, b = np.array(numbers[:1]), np.array(numbers[1:])
    with np.errstate(all="ignore"):
        expected = a / b
    with np.errstate(all="raise"):
        with warnings.catch_warnings(record=True) as warned, undisturbed():
            warnings.simplefilter("always")
            assert np.array_equal(a / b, expected, equal_nan=True)
        with pytest.raises(FloatingPointError):
            a / b
    assert len(warned) == (kind != "under")


def test_what_the_caller_asked_to_ignore_stays_ignored():
    with np.errstate(all="ignore"), undisturbed():
        assert set(np.geterr().values()) == {"ignore"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_meanwhile_is_not_kept_out():
    code = """
import os, threading, warnings
from subnetlab.surroundings import undisturbed, thread_pools
warnings.simplefilter("ignore")
inside, leave = threading.Event(), threading.Event()
def stay():
    with undisturbed(1):
        inside.set(); leave.wait()
thread = threading.Thread(target=stay); thread.start(); inside.wait()
child = os.fork()
if child == 0:
    with undisturbed(2):
        os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
leave.set(); thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "7\n"
