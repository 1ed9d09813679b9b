"""Workers that talk over sockets: bits, restarts, traffic, damage and bad input."""

from __future__ import annotations

import gc
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.distributed.placement import Placement
from subnetlab.engines.distributed.route import rows_sent
from subnetlab.launch import rendezvous
from subnetlab.launch.agreement import JobError
from subnetlab.launch.assembly import export_network, newest_manifest
from subnetlab.launch.checkpoint import Checkpoints, Manifest
from subnetlab.launch.rendezvous import AddressError, Meeting, UnreachableError, listen
from subnetlab.launch.store import Store
from subnetlab.launch.training import STOP_FILE, DistributedTraining
from subnetlab.launch.transport import PeerLostError, Transport

LAWS = {"categorical": sl.Categorical(6), "bernoulli": sl.Bernoulli(6, 0.5)}


def single(job):
    """The same job in one process, by `subnetlab.train`."""
    network = sl.ShallowReLU.initialize(job.width, job.X.shape[1], job.init_scale, job.seed)
    options = {"seed": job.seed, "dtype": job.dtype, "engine": "distributed", "record": "subnetworks"}
    return sl.train(network, job.X, job.y, job.scheme, **options)


def result(job, folder):
    checkpoints = Checkpoints(folder, job.digest())
    manifest = newest_manifest(checkpoints)
    export_network(job, checkpoints, manifest, folder / "network.npz")
    with np.load(folder / "network.npz") as file:
        return file["weights"], manifest


def assert_same_bits(job, folder):
    weights, manifest = result(job, folder)
    run = single(job)
    assert weights.tobytes() == run.network.weights.tobytes()
    assert manifest.history["full_error"].tobytes() == run.history.full_error.tobytes()
    assert manifest.history["subnetwork_errors"].tobytes() == run.history.subnetwork_errors.tobytes()
    return manifest


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize(
    ("size", "dtype"), [(1, "float64"), (2, "float32"), (3, "float64"), (4, "float32"), (6, "float64")]
)
def test_bits_are_those_of_one_process(make_job, train_group, tmp_path, law, dtype, size):
    job = make_job(law, dtype=dtype, shards=3, batch_size=4)
    assert train_group(job, tmp_path, size) == ["finished"] * size
    assert_same_bits(job, tmp_path)


def test_any_masks_do(make_job, train_group, tmp_path):
    """Rounds without a subnetwork, subnetworks without a neuron, neurons of nobody, a partition now and then."""
    masks = np.random.default_rng(0).random((7, 6, 300)) < 0.3
    masks[2], masks[3, 1], masks[5] = False, False, sl.Categorical(6).sample(0, 0, 300)
    job = make_job(sl.FixedMasks(masks, 0.3), unselected="zero")
    assert train_group(job, tmp_path, 4) == ["finished"] * 4
    assert_same_bits(job, tmp_path)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_restarts_with_other_numbers_of_workers_change_nothing(make_job, train_group, tmp_path, law):
    for rounds, size in [(2, 3), (5, 1), (6, 4), (9, 2)]:
        assert train_group(make_job(law, rounds=rounds), tmp_path, size, every=2) == ["finished"] * size
    assert_same_bits(make_job(law, rounds=9), tmp_path)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2  # the last two are kept


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_traffic_is_what_the_masks_say(make_job, train_group, tmp_path, law):
    size, job = 4, make_job(law, width=2000)
    train_group(job, tmp_path, size)
    sent = newest_manifest(Checkpoints(tmp_path, job.digest())).history["costs"][:, 1]
    placement, d, n = Placement.at_home(job.width), job.X.shape[1], len(job.X)
    for k in range(job.scheme.rounds):
        masks = job.masks(k)
        after = placement.after(masks)
        rows = rows_sent(placement, after, masks, size).sum()
        report = (size - 1) * ((job.scheme.local_steps + 1) * 6 + len(after.slots) * n + 2 * size)
        assert sent[k] == 8 * (rows * d + report)
        placement = after


def test_every_number_that_travels_goes_through_torch_and_is_counted(
    make_job, train_group, tmp_path, torch, monkeypatch
):
    seen = []
    gloo = torch.distributed.ProcessGroupGloo
    original = gloo.send

    def send(group, tensors, peer, tag):
        seen.append(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
        return original(group, tensors, peer, tag)

    monkeypatch.setattr(gloo, "send", send)
    job = make_job()
    train_group(job, tmp_path, 3)
    manifest = newest_manifest(Checkpoints(tmp_path, job.digest()))
    counted = manifest.history["costs"][:, 1].sum()
    assert 0 < counted <= sum(seen)
    assert sum(seen) - counted < 0.6 * sum(seen)  # agreement at the start and checkpoints come on top


def test_damage_is_noticed_and_the_checkpoint_before_counts(make_job, train_group, tmp_path):
    job = make_job(rounds=6)
    train_group(job, tmp_path, 2, every=3)
    newest = tmp_path / "checkpoints" / "round-00000006"
    for damaged in (newest / "slot-00002.npy", newest / "complete.npz"):
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 1
        damaged.write_bytes(content)
        job = make_job(rounds=8)
        assert train_group(job, tmp_path, 2, every=100) == ["finished"] * 2
        assert_same_bits(job, tmp_path)
        shutil.rmtree(tmp_path / "checkpoints" / "round-00000008")
    assert '"damaged"' in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize("place", [0, 8, 11, 21, 60, 127], ids=lambda place: f"byte {place}")
def test_a_damaged_header_is_damage_too(tmp_path, place):
    """NumPy reads headers with Python's tokenizer, which has errors of its own."""
    checkpoints = Checkpoints(tmp_path, "0" * 64)
    manifest = Manifest(3, -1, [checkpoints.write_slot(3, 0, np.ones((5, 4)))], {})
    slot = checkpoints.folder_of(3) / "slot-00000.npy"
    content = bytearray(slot.read_bytes())
    for bit in range(8):
        content[place] ^= 1 << bit
        slot.write_bytes(content)
        weights = checkpoints.read_slot(manifest, 0)
        assert weights is None or (weights == 1).all()  # a space may turn into another
        content[place] ^= 1 << bit


def test_all_checkpoints_damaged_means_starting_again(make_job, train_group, tmp_path):
    job = make_job(rounds=6)
    train_group(job, tmp_path, 2)
    for slot in tmp_path.glob("checkpoints/*/slot-00001.npy"):
        slot.write_bytes(slot.read_bytes()[:-1])
    train_group(make_job(rounds=7), tmp_path, 2)
    assert_same_bits(make_job(rounds=7), tmp_path)


def test_a_checkpoint_of_another_run_is_refused_by_all(make_job, train_group, tmp_path):
    job, other = make_job(), make_job(seed=1)
    train_group(job, tmp_path, 2)
    outcomes = train_group(other, tmp_path, 3)
    path = tmp_path / "checkpoints" / "round-00000007" / "complete.npz"
    expected = f"launch: {path} must be of this run ({other.digest()[:12]}), got one of another ({job.digest()[:12]})"
    assert [(type(o), str(o)) for o in outcomes] == [(JobError, expected)] * 3
    assert_same_bits(job, tmp_path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1}, "launch: seed must be the same on all workers, got 0 on worker 0 and 1 on worker 1"),
        ({"rounds": 8}, "launch: rounds must be the same on all workers, got 7 on worker 0 and 8 on worker 1"),
        ({"width": 301}, "launch: width must be the same on all workers, got 300 on worker 0 and 301 on worker 1"),
    ],
    ids=repr,
)
def test_settings_that_differ_stop_all_with_the_same_message(make_job, train_group, tmp_path, other, message):
    outcomes = train_group([make_job(), make_job(**other), make_job()], tmp_path, 3)
    assert [(type(o), str(o)) for o in outcomes] == [(JobError, message)] * 3


def test_more_workers_than_subnetworks(make_job, train_group, tmp_path):
    outcomes = train_group(make_job(sl.Categorical(2)), tmp_path, 3)
    expected = "launch: workers must be at most the number of subnetworks 2, got 3"
    assert [str(o) for o in outcomes] == [expected] * 3


def test_a_full_disk_stops_all_and_keeps_what_was_there(make_job, train_group, tmp_path, monkeypatch):
    job = make_job(rounds=3)
    train_group(job, tmp_path, 2)
    original = Checkpoints.write_slot

    def full(self, round, slot, weights):
        if slot == 4:
            raise OSError(28, "No space left on device")
        return original(self, round, slot, weights)

    monkeypatch.setattr(Checkpoints, "write_slot", full)
    outcomes = train_group(make_job(rounds=6), tmp_path, 2)
    assert [(type(o), str(o)) for o in outcomes] == [(JobError, "[Errno 28] No space left on device")] * 2
    monkeypatch.undo()
    assert_same_bits(job, tmp_path)


def test_a_log_that_cannot_be_written_stops_nobody(make_job, train_group, tmp_path):
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    assert train_group(make_job(), tmp_path, 2) == ["finished"] * 2
    assert_same_bits(make_job(), tmp_path)


def test_two_folders_are_refused_by_all(make_job, group, tmp_path):
    """Each would look for the slots of the others in its own, and find them missing when it has to begin again."""
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    job = make_job()

    def work(transport):
        return DistributedTraining(job, transport, folders[transport.rank], every=3).run()

    expected = f"launch: out must be one folder that all machines see, got another one in {folders[1]}"
    assert [(type(o), str(o)) for o in group(2, work)] == [(JobError, expected)] * 2
    assert not list(folders[0].glob(".seen*"))


def test_divergence_stops_all(make_job, train_group, tmp_path):
    outcomes = train_group(make_job(step_size=1e6, rounds=50), tmp_path, 2)
    assert {str(o) for o in outcomes} == {str(outcomes[0])}
    assert str(outcomes[0]).startswith("launch: diverged in round ")
    assert str(outcomes[0]).endswith("step_size = 1e+06 is too large")


def test_a_request_to_stop_leaves_a_checkpoint(make_job, train_group, tmp_path):
    (tmp_path / STOP_FILE).touch()
    assert train_group(make_job(), tmp_path, 2) == ["stopped"] * 2
    assert newest_manifest(Checkpoints(tmp_path, make_job().digest())).round == 1
    assert not (tmp_path / STOP_FILE).exists()
    train_group(make_job(), tmp_path, 3)
    assert_same_bits(make_job(), tmp_path)


def test_a_worker_that_leaves_is_noticed(group):
    """In the exchange, by its closed connections, and not while the others still connect."""

    def work(transport):
        if transport.rank == 1:
            return "left"
        with pytest.raises(PeerLostError, match="an exchange failed"):
            transport.tell_all(np.zeros(3))
        return "noticed"

    assert group(3, work, timeout=60.0) == ["noticed", "left", "noticed"]


def test_a_worker_that_comes_twice_is_noticed_at_once(torch):
    """Two machines have the same number: everybody is told before the owner of the store leaves with it."""
    listener = listen("127.0.0.1", 0)
    address, told = listener.getsockname(), [None] * 3

    def come(rank):
        meeting = Meeting(3, min(rank, 1), 0, 60.0, 60.0, address, None if rank else listener)
        try:
            meeting.join()
        except PeerLostError as error:
            told[rank] = str(error)

    run_threads(come, 3)
    listener.close()
    expected = "every worker must come once, got machine/worker ['000000/000000', '000001/000000', '000001/000000']"
    assert told == [expected] * 3


def test_the_successor_of_a_worker_that_was_lost_in_the_meeting_takes_its_place():
    class Arrivals:
        def get(self, name):
            lines = [["0/0", "a", "first"], ["1/0", "b", "lost"], ["1/0", "b", "successor"], ["2/0", "c", "last"]]
            return "".join(json.dumps(line) + "\n" for line in lines)

    found = Meeting(3, 0, 0, 60.0, 60.0, ("127.0.0.1", 1))._members(Arrivals())
    assert found == [["0/0", "a", "first"], ["1/0", "b", "successor"], ["2/0", "c", "last"]]


@pytest.mark.parametrize("machine", [1, 0], ids=["number too high", "number taken"])
def test_a_worker_too_many_is_refused_and_disturbs_nobody(torch, machine, monkeypatch):
    monkeypatch.setattr(rendezvous, "_NOTICED", 0.0)  # the one of this number is not about to be lost
    listener = listen("127.0.0.1", 0)
    address = listener.getsockname()
    transport = Meeting(1, 0, 0, 60.0, 60.0, address, listener).join()
    message = f"^launch: all 1 workers are at work, .'000000/000000'.; got machine/worker 00000{machine}/000000, too$"
    with pytest.raises(JobError, match=message):
        Meeting(1, machine, 0, 60.0, 60.0, address).join()
    assert not transport.latecomers()
    listener.close()


def run_threads(work, count):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()


def test_a_lost_store_is_a_lost_worker():
    class Lost:
        def add(self, name, more):
            raise RuntimeError("Broken pipe\nand a page of frames")

    transport = Transport(None, 1, 2, Store(Lost(), 60.0, 60.0))
    with pytest.raises(PeerLostError, match=r"^worker 1: the store is lost: Broken pipe$"):
        transport.count("done/3", 1)


def test_those_who_came_begin_without_those_who_did_not(torch):
    listener = listen("127.0.0.1", 0)
    address = listener.getsockname()
    transport = Meeting(3, 0, 0, timeout=60, patience=0.2, address=address, listener=listener).join()
    assert (transport.rank, transport.size) == (0, 1)
    assert not transport.latecomers()
    outcome = []

    def late():
        with pytest.raises(PeerLostError, match="the 1 workers that were in time have begun without this one"):
            Meeting(3, 0, 1, timeout=60, patience=0.2, address=address).join()
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
    listener.close()


def test_an_unreachable_machine_0(torch, monkeypatch):
    monkeypatch.setattr(rendezvous, "_SUPERVISOR", 0.0)
    closed = listen("127.0.0.1", 0)
    port = closed.getsockname()[1]
    closed.close()
    with pytest.raises(UnreachableError, match=f"^launch: machine 0 must answer at 127.0.0.1:{port}, got no answer "):
        Meeting(2, 1, 0, timeout=0.5, patience=0.5, address=("127.0.0.1", port)).join()


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
    transport = Meeting(1, 0, 0, timeout=60, patience=5, address=address, listener=listener).join()
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
