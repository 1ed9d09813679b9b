"""Studies on dask workers: the same results, this process the only one that writes."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.study import Counts, Store, StudyPlan, execute, run_cell
from subnetlab.study.workers import ClusterPool

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # dask has warnings of its own


def cells(n=8):
    settings = {"width": 10, "rounds": 3, "selection_prob": 0.5, "engine": "reference", "seed": list(range(n))}
    return StudyPlan.from_dict({"dataset": {"name": "diabetes", "n_samples": 6}, "settings": settings}).cells


@pytest.fixture
def start():
    """Start processes that end with the test."""
    started = []

    def begin(*arguments):
        code = f"from distributed.cli.dask_{arguments[0]} import main; main({list(arguments[1:])!r})"
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_two_workers_in_processes_of_their_own_and_one_of_them_dies(tmp_path, inline_table, start):
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    for line in scheduler.stderr:
        if address := re.search(r"Scheduler at:\s+(tcp://127.0.0.1:\d+)", line):
            break
    worker = ("worker", address.group(1), "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60")
    workers = [start(*worker) for _ in range(2)]

    def run(cell):
        time.sleep(0.2)
        return run_cell(cell)

    def kill_one(cell, pid=workers[0].pid):
        if cell.seed == 2:
            os.kill(pid, signal.SIGKILL)
        return run(cell)

    with distributed.Client(address.group(1), set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    with Store(tmp_path) as store:
        assert execute(cells(), store, cluster=address.group(1), run=kill_one) == Counts(ok=8)
        assert execute(cells(10), store, cluster=address.group(1), run=run) == Counts(ok=10, reused=8)
    assert sl.open_study(tmp_path).table().identical(inline_table(cells(10)))

    seeds = list(map(str, range(4)))  # as a user types it
    flags = [
        "--dataset",
        "diabetes",
        "--n-samples",
        "6",
        "--width",
        "10",
        "--rounds",
        "3",
        "--xi",
        "0.5",
        "--seed",
        *seeds,
    ]
    command = [
        "study",
        *flags,
        "--engine",
        "reference",
        "--out",
        str(tmp_path / "typed"),
        "--cluster",
        address.group(1),
    ]
    assert main(command) == 0
    assert sl.open_study(tmp_path / "typed").table().identical(inline_table(cells(4)))


def test_a_local_cluster(tmp_path, inline_table):
    def run(cell):
        if cell.seed == 1:
            raise ValueError("no")
        return run_cell(cell)

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
        Store(tmp_path) as store,
    ):
        assert execute(cells(), store, cluster=client, run=run) == Counts(ok=7, failed=1)
        assert store.forget_failures() == 1
        assert execute(cells(), store, cluster=client) == Counts(ok=8, reused=7)


def test_no_scheduler(tmp_path, monkeypatch):
    monkeypatch.setattr("subnetlab.study.workers._PATIENCE", "1 s")
    with pytest.raises(OSError, match=r"127\.0\.0\.1:9"):
        ClusterPool("tcp://127.0.0.1:9")


@pytest.fixture
def inline_table(tmp_path_factory, monkeypatch):
    """Return the table of cells that are run in this process."""

    def table(cells):
        from subnetlab.study.result import encode
        from subnetlab.study.store import Outcome

        folder = tmp_path_factory.mktemp("inline")
        with Store(folder) as store:
            tasks = [cell.identified() for cell in cells]
            store.set_plan((key, cell.settings()) for key, cell in tasks)
            store.write(Outcome(key, "ok", 0.0, encode(run_cell(cell))) for key, cell in tasks)
        return sl.open_study(folder).table()

    return table


@pytest.mark.parametrize("address", ["foo", "", "tcp://10.0.0.1", "10.0.0.1:port"])
def test_an_address_without_a_port_is_refused_at_once(address, refused):
    with refused(ValueError, f"execute: cluster must be an address such as tcp://10.0.0.1:8786, got {address!r}"):
        ClusterPool(address)
