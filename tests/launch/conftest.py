"""Groups of workers as threads of this process: real sockets, one import of torch."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.distributed import DistributedEngine
from subnetlab.engines.distributed.engine import run_in_step
from subnetlab.launch.attempt import Attempt
from subnetlab.launch.job import Job
from subnetlab.launch.rendezvous import Rendezvous, listen
from subnetlab.training.session import run_round


@pytest.fixture
def host():
    """A loopback address that no other worker of pytest uses: a port that a test has left may be another's by then."""
    return f"127.0.0.{2 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))}"


@pytest.fixture
def group(torch, host):
    """``group(size, work)``: run ``work(transport)`` on every rank; return results or exceptions by rank."""

    def run(size, work, *, timeout=60.0):
        outcomes = [None] * size
        listener = listen(host, 0)
        address = listener.getsockname()

        def rank(i):
            meet = Rendezvous(size, 0, i, timeout, patience=timeout, address=address, listener=None if i else listener)
            try:
                outcomes[i] = work(meet.join())
            except Exception as error:  # an outcome like any other
                outcomes[i] = error

        threads = [threading.Thread(target=rank, args=(i,)) for i in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive()
        listener.close()
        return outcomes

    return run


@pytest.fixture
def make_job():
    """A small job; options replace its settings."""

    def make(law=None, *, seed=0, dtype="float64", width=300, close_share=1.0, **changes):
        rng = np.random.default_rng(5)
        X = rng.standard_normal((20, 12))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        settings = {"rounds": 7, "local_steps": 3, "step_size": 0.3, **changes}
        scheme = sl.TrainingScheme(law or sl.Categorical(6), **settings)
        return Job(X, rng.uniform(-1, 1, 20), scheme, width, 1.0, seed, dtype, 1, close_share)

    return make


@pytest.fixture
def train_group(group):
    """``train_group(job, folder, size)``: train the job to its end (or ``jobs[rank]``, if they differ)."""

    def run(job, folder, size, *, every=3, **options):
        jobs = job if isinstance(job, list) else [job] * size

        def work(transport):
            return Attempt(jobs[transport.rank], transport, folder, every=every).run()

        return group(size, work, **options)

    return run


class RecordedDeadline:
    """Passed for the subnetworks that were late in a recorded round: runs it again with the same bits."""

    def __init__(self, late):
        self._late = late

    def passed(self, l):
        return bool(self._late[l])

    def report(self):
        """Do nothing: nobody waits."""


@pytest.fixture
def replay():
    """``replay(job, late, size)``: the rounds again in one process, with the same late subnetworks (K, p)."""

    def run(job, late, size):
        engine = DistributedEngine(job.problem(), dtype=job.dtype, workers=size)
        state, errors = engine.start(job.neurons(0, job.width)[0]), []
        settings = {"seed": job.seed, "step_size": job.step_size, "width": job.width, "n_samples": len(job.X)}

        def compute(deadline, *settings, **more):
            return None, run_in_step([w.round(*settings, **more, deadline=deadline) for w in state.workers])[0]

        for k, flags in enumerate(late):
            _, record = run_round(compute, RecordedDeadline(flags), job.scheme, k, **settings)
            errors.append(record.full_error)
        return engine.weights(state), errors

    return run


@pytest.fixture
def recorded_deadline():
    """The class of a deadline that passes for given subnetworks."""
    return RecordedDeadline
