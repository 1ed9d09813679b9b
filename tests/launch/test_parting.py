"""Workers that wait for each other in different places; as processes of a script they are in `test_script`."""

from __future__ import annotations

import threading

import pytest

from subnetlab.launch import parting
from subnetlab.launch.parting import THE_END, Place, Watch

ROUND = Place(6, 4, "a round")


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([ROUND, ROUND, Place(6, 6, THE_END)], "worker 0 waiting at a round and worker 2 at the end of the script"),
        ([ROUND, None, Place(5, 5, THE_END)], "worker 0 waiting at a round and worker 2 at the end of the script"),
        ([Place(7, 6, "save"), ROUND, None], "worker 0 waiting at save and worker 1 at a round"),
    ],
)
def test_all_workers_hear_why(group, monkeypatch, places, reason):
    """Also one that is at work, and has nothing to compare."""
    monkeypatch.setattr(parting, "_BEAT", 0.02)

    def work(transport):
        heard, told = threading.Event(), []

        def end(why):
            told.append(why)
            heard.set()

        rank = transport.rank
        thread = Watch(transport.store, rank, transport.size, lambda: places[rank], end).start()
        assert heard.wait(60)
        thread.join(60)  # a thread that is inside torch while Python ends would abort it
        return told

    outcomes = group(3, work)
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert f"must be asked for by all workers alike, got {reason}" in outcomes[0][0]


@pytest.mark.parametrize(
    "other",
    [
        Place(7, 7, THE_END),  # it has taken part in exchange 6
        Place(3, 1, "the beginning of a training"),  # behind
        Place(9, 4, "a round"),
    ],
)
def test_workers_that_are_on_their_way(other):
    assert not ROUND.contradicts(other)
    assert not other.contradicts(ROUND)
