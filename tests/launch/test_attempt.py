"""Workers that talk over sockets: bits, restarts, traffic, damage and bad input."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.distributed.group import JobError, PeerLostError
from subnetlab.engines.distributed.placement import Placement, rows_sent
from subnetlab.launch.attempt import STOP_FILE, Attempt
from subnetlab.launch.checkpoint import Checkpoints, Manifest
from subnetlab.launch.job import export_network
from subnetlab.training.diagnostics import starting_scale
from subnetlab.training.request import TrainingData

LAWS = {"categorical": sl.Categorical(6), "bernoulli": sl.Bernoulli(6, 0.5)}


def single(job):
    """The same job in one process, by `subnetlab.train`."""
    network = sl.ShallowReLU.initialize(job.width, job.X.shape[1], job.init_scale, job.seed)
    options = {"seed": job.seed, "dtype": job.dtype, "engine": "distributed", "record": "subnetworks"}
    return sl.train(network, job.X, job.y, job.scheme, **options)


def result(job, folder):
    checkpoints = Checkpoints(folder, job.digest())
    manifest = checkpoints.newest()
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
    sent = Checkpoints(tmp_path, job.digest()).newest().history["costs"][:, 1]
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
    manifest = Checkpoints(tmp_path, job.digest()).newest()
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
    manifest = Manifest(3, [checkpoints.write_slot(3, 0, np.ones((5, 4)))], {}, {})
    slot = checkpoints.folder_of(3) / "slot-00000.npy"
    content = bytearray(slot.read_bytes())
    for bit in range(8):
        content[place] ^= 1 << bit
        slot.write_bytes(content)
        weights = checkpoints.read_slot(manifest, 0, (5, 4), "float64")
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
    assert train_group(job, tmp_path, 2) == ["finished"] * 2
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
        return Attempt(job, transport, folders[transport.rank], every=3).run()

    expected = f"launch: out must be one folder that all machines see, got another one in {folders[1]}"
    assert [(type(o), str(o)) for o in group(2, work)] == [(JobError, expected)] * 2
    assert not list(folders[0].glob(".seen*"))


@pytest.mark.parametrize("step_size", [20.0, 80.0, 1e3, 1e6])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_launch_diverges_in_the_round_in_which_train_does(make_job, train_group, tmp_path, law, step_size):
    job = make_job(law, step_size=step_size, rounds=60, local_steps=1)
    with pytest.raises(sl.DivergenceError) as alone:
        single(job)
    (outcome, *_) = train_group(job, tmp_path, 2, every=100)
    assert isinstance(outcome, JobError)
    assert str(outcome) == f"launch: diverged in round {alone.value.round}; step_size = {step_size:.6g} is too large"


@pytest.mark.parametrize("size", [1, 3])
def test_the_scale_of_divergence_is_that_of_train(make_job, train_group, tmp_path, size):
    """Also after a restart, from a checkpoint that does not know it, as those of version 0.1.0."""
    job = make_job(rounds=3)
    train_group(job, tmp_path, size)
    checkpoints = Checkpoints(tmp_path, job.digest())
    manifest = checkpoints.newest()
    network = sl.ShallowReLU.initialize(job.width, job.X.shape[1], job.init_scale, job.seed)
    scale = starting_scale(network, TrainingData(job.X, job.y), job.scheme, "squared")
    found = manifest.history.pop("starting_scale")
    np.testing.assert_allclose(found, scale, rtol=1e-13)
    checkpoints.complete(manifest)
    train_group(make_job(rounds=4), tmp_path, size)
    assert checkpoints.newest().round == 4
    assert checkpoints.newest().history["starting_scale"] == found


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.facts.update(placed_by=10**12),
        lambda manifest: manifest.facts.update(placed_by="5"),
        lambda manifest: manifest.facts.clear(),
        lambda manifest: manifest.history.pop("late"),
        lambda manifest: manifest.history.update(costs=np.zeros((2, 2))),
        lambda manifest: manifest.hashes.clear(),
    ],
    ids=["placed in the future", "placed by a word", "placed by nothing", "no late", "other costs", "no hashes"],
)
def test_a_manifest_that_makes_no_sense_is_damage(make_job, train_group, tmp_path, change):
    job = make_job(rounds=6)
    train_group(job, tmp_path, 2)
    checkpoints = Checkpoints(tmp_path, job.digest())
    manifest = checkpoints.newest()
    change(manifest)
    checkpoints.complete(manifest)
    assert train_group(make_job(rounds=7), tmp_path, 2) == ["finished"] * 2
    assert '"damaged"' in (tmp_path / "log.jsonl").read_text()
    assert_same_bits(make_job(rounds=7), tmp_path)


def test_divergence_stops_all(make_job, train_group, tmp_path):
    outcomes = train_group(make_job(step_size=1e6, rounds=50), tmp_path, 2)
    assert {str(o) for o in outcomes} == {str(outcomes[0])}
    assert str(outcomes[0]).startswith("launch: diverged in round ")
    assert str(outcomes[0]).endswith("step_size = 1e+06 is too large")


def test_a_request_to_stop_leaves_a_checkpoint(make_job, train_group, tmp_path):
    (tmp_path / STOP_FILE).touch()
    assert train_group(make_job(), tmp_path, 2) == ["stopped"] * 2
    assert Checkpoints(tmp_path, make_job().digest()).newest().round == 1
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
