"""The threads of an engine: results in the order of the pieces, every piece once, errors that leave nothing at work."""

import threading

import numpy as np
import pytest

from subnetlab.engines.workers import Workers


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n_pieces", [0, 1, 2, 40])
def test_results_stand_in_the_order_of_the_pieces(threads, n_pieces):
    done = []

    def square(piece):
        done.append(piece)
        return piece * piece

    assert Workers(threads).map(square, range(n_pieces)) == [piece * piece for piece in range(n_pieces)]
    assert sorted(done) == list(range(n_pieces))


def test_threads_work_side_by_side():
    together = threading.Barrier(3, timeout=60)  # broken, and an error, unless three pieces are at work at once
    assert Workers(3).map(lambda _: together.wait() >= 0, range(3)) == [True] * 3


@pytest.mark.parametrize("where", ["caller", "helper"])
def test_an_error_leaves_when_no_piece_is_at_work(where):
    caller, both = threading.get_ident(), threading.Barrier(2, timeout=60)
    at_work = set()

    def work(piece):
        if piece < 2:  # one for each of the two threads
            at_work.add(piece)
            both.wait()
            if (threading.get_ident() == caller) == (where == "caller"):
                at_work.remove(piece)
                raise ValueError("the piece failed")
            at_work.remove(piece)
        return piece

    with pytest.raises(ValueError, match="the piece failed"):
        Workers(2).map(work, range(2))
    assert at_work == set()


def test_pieces_run_in_the_callers_context():
    with np.errstate(over="raise"):
        with pytest.raises(FloatingPointError):
            Workers(3).map(lambda _: np.float64(1e308) * 10, range(3))
        modes = Workers(3).map(lambda _: np.geterr()["over"], range(9))
    assert modes == ["raise"] * 9
