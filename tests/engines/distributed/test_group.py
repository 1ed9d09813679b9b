"""What workers tell each other, over real connections between the threads of this process."""

import subprocess
import sys
import threading
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


LEAVING = """
import os, signal, sys
from datetime import timedelta

import numpy as np
import torch.distributed as dist

from subnetlab.engines.distributed.group import Group, JobError, PeerLostError

folder, size = sys.argv[1], 3


class Held:
    # It waits before it sends (early), or when all that it sends is on its way, and says so.
    def __init__(self, group, early, told, tell):
        self.group, self.early, self.told, self.tell, self.works = group, early, told, tell, []

    def pause(self):
        os.write(self.tell, b".")
        os.read(self.told, 1)

    def recv(self, *given):
        return self.group.recv(*given)

    def send(self, *given):
        if self.early and not self.works:
            self.pause()
        self.works.append(self.group.send(*given))
        if not self.early and len(self.works) == size - 1:
            for work in self.works:
                work.wait()
            self.pause()
            return self  # its sends are done
        return self.works[-1] if self.early else self

    def wait(self):
        pass


def work(rank, name, told, tell, answer):
    raw = dist.ProcessGroupGloo(dist.FileStore(name, size), rank, size, timedelta(seconds=300))
    group = Group(raw, rank, size)
    group.tell_all(np.zeros(1))
    if rank < 2:
        group.process_group = Held(raw, rank == 0, told, tell)
    try:
        group.agree(ValueError("no room") if rank == 2 else None)
    except (JobError, PeerLostError) as error:
        os.write(answer, f"{rank} {error}\\n".encode())
    os._exit(0)


for attempt in range(int(sys.argv[2])):
    told, (ready, tell), (answers, answer) = [os.pipe() for _ in range(size)], os.pipe(), os.pipe()
    pids = []
    for rank in range(size):
        pids.append(os.fork())
        if not pids[-1]:
            work(rank, f"{folder}/store-{attempt}", told[rank][0], tell, answer)
    os.close(answer)
    for _ in range(2):
        os.read(ready, 1)
    os.kill(pids[1], signal.SIGSTOP)  # all its threads: it has sent, and reads nothing any more
    assert os.WIFSTOPPED(os.waitpid(pids[1], os.WUNTRACED)[1])
    os.write(told[0][1], b".")
    for rank in (0, 2):
        os.waitpid(pids[rank], 0)  # it has left
    os.write(told[1][1], b".")
    os.kill(pids[1], signal.SIGCONT)
    os.waitpid(pids[1], 0)
    with open(answers) as file:
        print(sorted(file.read().splitlines()))
"""


def test_an_agreed_error_reaches_a_worker_that_reads_when_the_others_have_left(tmp_path):
    """One worker is stopped between its own message and those of the others, who end before it goes on."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, str(tmp_path), "3"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.stdout.splitlines() == [str([f"{rank} no room" for rank in range(SIZE)])] * 3, done.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "two"}, "RANK must be a whole number of at least 0, got 'two'"),
        ({"RANK": "2"}, "RANK must be below WORLD_SIZE = 2, got 2"),
        ({"WORLD_SIZE": "-2"}, "WORLD_SIZE must be a whole number of at least 1, got '-2'"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR must be the address of worker 0 where RANK is set, got none"),
        ({"MASTER_PORT": ""}, "MASTER_PORT must be a whole number of at least 0, got ''"),
    ],
)
def test_variables_of_a_launcher_that_are_wrong(monkeypatch, variables, message):
    right = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in (right | variables).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"^ModuleTraining: {message}$"):
        joined_group("ModuleTraining")


def in_a_thread(call):
    """Return what a call returns in a thread of its own, which inherits no context."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


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
        assert in_a_thread(lambda: joined_group("test")) is None
    with among(group, in_all_threads=True):
        assert in_a_thread(lambda: joined_group("test")) is group
    assert joined_group("test") is None
