"""Worker processes: what they run, what they need of the system, and what is done where it is lacking."""

import errno
import multiprocessing
import os
import subprocess
import sys

import pytest

import subnetlab as sl
from subnetlab.study import Counts, Store, StudyPlan, execute
from subnetlab.study.workers import ThisProcess, why_no_workers

CELLS = StudyPlan.from_dict(
    {
        "dataset": {"name": "synthetic", "n_samples": 6},
        "settings": {"width": 10, "rounds": 3, "selection_prob": 0.5, "seed": [0, 1]},
    }
).cells
STUDY = ["study", "--dataset", "diabetes", "--n-samples", "6", "--width", "9", "--rounds", "2", "--xi", "0.5"]


def run_study(folder, *, shell='"$@"', script=(sys.executable, "-P", "-m", "subnetlab")):
    """Run a study of one cell in a folder, as typed into a shell; returns its exit code and what it printed."""
    command = ["sh", "-c", shell, "sh", *script, *STUDY, "--jobs", "1", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_no_file_of_the_current_folder_is_run(tmp_path):
    """Not by a worker, and not by the processes that look after its semaphores."""
    names = ("random", "signal", "numpy", "torch", "numba", "pickle", "threading", "joblib", "subnetlab", "os")
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / name)!r} + '.ran', 'w').close()\n")
    code, said = run_study(tmp_path)
    assert list(tmp_path.glob("*.ran")) == []
    assert (code, "1 ok" in said) == (0, True)


def test_what_keeps_the_current_folder_out_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with Store(tmp_path) as store:
        assert execute(CELLS, store, jobs=1) == Counts(ok=2)
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_fail_no_cell(tmp_path, closed):
    code, _ = run_study(tmp_path, shell=f'"$@" {closed}')
    assert code == 0
    assert sl.open_study(tmp_path / "out").counts()["ok"] == 1


def test_closed_standard_streams_fail_no_cell_of_a_script(tmp_path):
    """There the store is the first that opens a file."""
    script = (
        "import subnetlab.study as s\n"
        "if __name__ == '__main__':\n"
        "    settings = {'width': 9, 'rounds': 2, 'selection_prob': 0.5}\n"
        "    plan = s.StudyPlan.from_dict({'dataset': {'name': 'synthetic', 'n_samples': 5}, 'settings': settings})\n"
        "    with s.Store('out') as store:\n"
        "        assert s.execute(plan.cells, store, jobs=1).ok == 1\n"
    )
    (tmp_path / "script.py").write_text(script)
    assert run_study(tmp_path, shell='"$@" 2>&-', script=(sys.executable, "script.py"))[0] == 0
    assert (tmp_path / "out" / "study.lock").read_text().startswith("process ")


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.ENOSYS])
def test_without_shared_memory_cells_run_in_this_process(tmp_path, monkeypatch, number):
    with Store(tmp_path / "usual") as store:
        execute(CELLS, store, jobs=2)

    def no_semaphore(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("_multiprocessing.SemLock", no_semaphore)
    with Store(tmp_path / "lacking") as store:
        assert execute(CELLS, store, jobs=2) == Counts(ok=2)
        assert "run in this process, one after another: no semaphore can be made" in store.notices[0]
        assert "/dev/shm" in store.notices[0]
    tables = [sl.open_study(tmp_path / name).table() for name in ("usual", "lacking")]
    assert tables[0].identical(tables[1])


def test_a_study_inside_a_daemon_runs_there(tmp_path, monkeypatch):
    """As task queues have them; such a process may have no children."""
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with Store(tmp_path) as store:
        assert execute(CELLS, store, jobs=2) == Counts(ok=2)
        assert "this process is a daemon" in store.notices[0]


def test_where_workers_can_be_started():
    assert why_no_workers() is None
    assert ThisProcess().submit(sum, [1, 2]).result() == 3
