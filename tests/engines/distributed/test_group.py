"""What workers tell each other, over real connections between the threads of this process."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")

from subnetlab.engines.distributed.group import Group, JobError, among, joined_group  # noqa: E402
from subnetlab.engines.distributed.worker import Exchange  # noqa: E402

SIZE = 3


def on_all(work):
    """Return what ``work(group)`` returns, or raises, on each of three workers."""
    store = dist.HashStore()

    def one(rank):
        group = Group(dist.ProcessGroupGloo(store, rank, SIZE, timedelta(seconds=300)), rank, SIZE, "test")
        try:
            return work(group)
        except JobError as error:
            return str(error)
        finally:
            group.tell_all(np.zeros(1))  # nobody leaves while others still read

    with ThreadPoolExecutor(SIZE) as pool:
        return list(pool.map(one, range(SIZE)))


def test_numbers_keep_their_bits():
    mine = [[0.1 + rank, 1 / 3, 5e-324, -0.0, float("inf"), {"rank": rank}] for rank in range(SIZE)]
    for heard in on_all(lambda group: group.tell_all_json(mine[group.rank])):
        assert repr(heard) == repr(mine)


def test_messages_of_every_size():
    """Worker a sends b the numbers 10 a + b, a + b of them: nothing from the first to itself."""

    def work(group):
        a = group.rank
        outgoing = [[np.full(a + b, 10 * a + b, np.int32)] for b in range(SIZE)]
        arrived = group.exchange(Exchange(outgoing, [[(b + a,)] for b in range(SIZE)], np.dtype(np.int32)))
        return [message[0].tolist() for message in arrived], group.bytes_sent

    for b, (arrived, sent) in enumerate(on_all(work)):
        assert arrived == [[10 * a + b] * (a + b) for a in range(SIZE)]
        assert sent == 4 * sum(a + b for a in range(SIZE) if a != b)


def test_an_error_of_one_is_raised_by_all():
    found = on_all(lambda group: group.agree(OSError("disk full") if group.rank else None))
    assert found == ["disk full"] * SIZE
    assert on_all(lambda group: group.agree(None)) == [None] * SIZE


def test_settings_that_differ():
    found = on_all(lambda group: group.agree_on_settings({"seed": 1, "rate": 0.1 * (group.rank == 2)}))
    assert found == ["test: rate must be the same on all workers, got 0.0 on worker 0 and 0.1 on worker 2"] * SIZE


def test_a_process_without_others(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert joined_group("test") is None
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert joined_group("test") is None
    group = Group(None, 0, 2)
    with among(group):
        assert joined_group("test") is group
    assert joined_group("test") is None
