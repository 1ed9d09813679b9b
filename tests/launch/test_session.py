"""Rounds that close early: the late are unselected, and a recorded run can be run again."""

from __future__ import annotations

import time

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.distributed import DistributedEngine
from subnetlab.engines.distributed.engine import run_in_step
from subnetlab.engines.table import create
from subnetlab.launch.checkpoint import Checkpoints
from subnetlab.launch.job import export_network
from subnetlab.launch.session import ShareDeadline

LAWS = {"categorical": sl.Categorical(6), "bernoulli": sl.Bernoulli(6, 0.5)}


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_late_are_unselected_neurons(make_job, replay, law, size):
    """Against the reference engine with masks that lack the late subnetworks."""
    job = make_job(law)
    late = np.random.default_rng(0).random((5, 6)) < 0.3
    assert late.any()
    reference = create("reference", job.problem(), dtype="float64", threads=1)
    state = reference.start(job.neurons(0, job.width)[0])
    for k, flags in enumerate(late):
        masks = job.masks(k) & ~flags[:, np.newaxis]
        state, record = reference.round(state, masks, job.step_size, job.scheme.local_steps)
    weights, errors = replay(job, late, size)
    np.testing.assert_allclose(weights, reference.weights(state), rtol=0, atol=1e-12)
    np.testing.assert_allclose(errors[-1], record.full_error, rtol=1e-10)


def test_late_subnetworks_keep_the_error_of_their_start(make_job, recorded_deadline):
    job = make_job()
    engine = DistributedEngine(job.problem())
    state = engine.start(job.neurons(0, job.width)[0])
    late = np.array([True, *[False] * 5])
    worker = state.workers[0]
    (record,) = run_in_step([worker.round(job.masks(0), 0.3, 3, None, "keep", recorded_deadline(late))])
    assert worker.late.tolist() == late.tolist()
    assert len(set(record.subnetwork_errors[:, 0])) == 1
    assert all(len(set(record.subnetwork_errors[:, l])) == 4 for l in range(1, 6))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_recorded_run_can_be_run_again(make_job, train_group, replay, tmp_path, law, monkeypatch):
    original = ShareDeadline.passed

    def slow(self, l):
        time.sleep(0.02 * self._transport.rank)
        return original(self, l)

    monkeypatch.setattr(ShareDeadline, "passed", slow)
    job = make_job(law, close_share=0.5, rounds=12)
    assert train_group(job, tmp_path, 3) == ["finished"] * 3
    checkpoints = Checkpoints(tmp_path, job.digest())
    manifest = checkpoints.newest()
    assert manifest.history["late"].any()
    assert not manifest.history["late"].all(axis=1).any()
    export_network(job, checkpoints, manifest, tmp_path / "network.npz")
    weights, errors = replay(job, manifest.history["late"], 2)
    with np.load(tmp_path / "network.npz") as exported:
        assert exported["weights"].tobytes() == weights.tobytes()
    assert manifest.history["full_error"][1:].tolist() == errors


def test_a_share_closes_the_round():
    class Counter:
        size = 4
        value = 0

        def count(self, name, more=0):
            assert name == "done/7"
            self.value += more
            return self.value

    counter = Counter()
    deadline = ShareDeadline(counter, 7, 0.75)
    for reported in range(5):
        assert deadline.passed(0) == (reported >= 3)
        deadline.report()


def test_a_share_must_be_a_probability(make_job, refused):
    with refused(ValueError, "Job: close_share must be in (0, 1], got 0.0"):
        make_job(close_share=0.0)
