"""Execution: what is run, what is run again, what a dying worker or a failing cell does to the others."""

import os
import resource
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.study import Cell, CellResult, Counts, DatasetSpec, Store, StudyInterrupted, StudyPlan, execute, run_cell
from subnetlab.study.store import LOG

LOSS_AND_SIGNS = [(loss, signs) for loss in ("squared", "logistic") for signs in ("False", "True")]


def messages(folder):
    return {row["seed"]: (row["status"], row["message"]) for row in sl.open_study(folder).records()}


def seeds(n, **settings):
    plan = {"width": 10, "rounds": 3, "selection_prob": 0.5, "seed": list(range(n)), **settings}
    return StudyPlan.from_dict({"dataset": {"name": "synthetic", "n_samples": 6}, "settings": plan}).cells


def test_results_are_those_of_train(tmp_path):
    """Two worker processes; curves and finals against `train` called here."""
    cells = seeds(3, local_steps=2, engine="reference", diagnostics=["movement"], curves="float64")
    with Store(tmp_path) as store:
        assert execute(cells, store, jobs=2) == Counts(ok=3)
    table = sl.open_study(tmp_path).table()
    for cell in cells:
        data = cell.dataset.load()
        net = sl.ShallowReLU.initialize(10, data.X.shape[1])
        scheme = sl.TrainingScheme(sl.Bernoulli(1, 0.5), rounds=3, local_steps=2)
        run = sl.train(net, data.X, data.y, scheme, seed=cell.seed, engine="reference", diagnostics=("movement",))
        mine = table.sel(seed=cell.seed)
        for name, curve in run.history.arrays().items():
            np.testing.assert_array_equal(mine[name].values, curve)
        assert float(mine.final_full_error) == run.history.full_error[-1]
        assert float(mine.final_local_error) == run.history.local_error[-1, -1]
        assert float(mine.step_size_used) == run.settings.step_size


def test_what_is_varied_reaches_train(tmp_path, inline):
    """Loss, learned output weights, the lazy twin, a network per seed: as when `train` is called here."""
    (tmp_path / "classes.csv").write_text("a,b,y\n1,2,0\n2,1,1\n0,1,1\n3,1,0\n")
    content = {
        "dataset": {"name": "classes.csv", "target": "y"},
        "settings": {"width": 10, "rounds": 3, "n_subnetworks": 2, "selection_prob": 0.5, "curves": "float64"},
        "grid": [
            {"loss": ["squared", "logistic"], "learn_output_weights": [False, True], "engine": "dual"},
            {"compare": "linearized", "record": "rounds", "seed": [0, 1], "network_seed": "seed"},
        ],
    }
    cells = StudyPlan.from_dict(content, folder=tmp_path).cells
    with Store(tmp_path / "out") as store:
        counts = execute(cells, store)
    assert counts == Counts(ok=6), messages(tmp_path / "out")
    study = sl.open_study(tmp_path / "out")
    for cell, (_, result) in zip(cells, study.results(), strict=True):
        data = cell.dataset.load()
        own = {
            name: getattr(cell, name)
            for name in ("loss", "learn_output_weights", "compare", "record", "engine", "seed")
        }
        net = sl.ShallowReLU.initialize(10, data.X.shape[1], seed=cell.own_network_seed)
        run = sl.train(net, data.X, data.y, cell.scheme(), **own)
        for name, curve in run.history.arrays().items():
            np.testing.assert_array_equal(result.curves[name], curve)
        if run.comparison is not None:
            assert result.finals["weight_distance"] == run.comparison.weight_distance > 0
            np.testing.assert_array_equal(result.curves["error_distance"], run.comparison.error_distance)
            np.testing.assert_array_equal(result.curves["linearized_full_error"], run.comparison.history.full_error)
    table = study.select(record="mean").table()
    assert dict(table.sizes) == {"loss": 2, "learn_output_weights": 2, "round": 3, "step": 1, "state": 4}
    ends = {float(table.final_full_error.sel(loss=loss, learn_output_weights=signs)) for loss, signs in LOSS_AND_SIGNS}
    assert len(ends) == 4
    twins = study.select(record="rounds").table()
    assert twins.error_distance.dims == twins.linearized_full_error.dims == ("seed", "state")
    assert twins.attrs["network_seed"] == "seed"


def test_a_cell_that_kills_its_worker_is_tried_three_times_and_stops_nobody(tmp_path):
    def run(cell):
        if cell.seed == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return run_cell(cell)

    with Store(tmp_path) as store:
        counts = execute(seeds(6), store, jobs=2, run=run)
        assert execute(seeds(6), store, jobs=2, run=run) == Counts(5, 0, 1, reused=6)  # not tried a fourth time
    assert counts == Counts(ok=5, failed=1)
    assert messages(tmp_path)[2][1].startswith("tried 3 times: its worker process died")
    assert (tmp_path / LOG).read_text().count("attempt") == 3


def test_a_lack_of_memory_is_the_cells_own_misfortune(tmp_path):
    """A worker whose address space soon ends: the wide cell fails, the others do not."""

    def run(cell):
        run_cell(replace(cell, width=10))  # loads what every cell needs
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20, resource.RLIM_INFINITY))
        return run_cell(cell)

    wide = Cell(DatasetSpec("synthetic", n_samples=6), width=10_000_000, rounds=1, selection_prob=0.5, seed=9)
    with Store(tmp_path) as store:
        counts = execute([*seeds(2), wide, *seeds(4)], store, jobs=1, run=run)
    assert counts == Counts(ok=4, failed=1)
    assert messages(tmp_path)[9][1].startswith("tried 3 times: ")
    assert "Memory" in messages(tmp_path)[9][1]


def test_what_may_pass_is_tried_again_and_what_will_not_pass_is_not(tmp_path, inline, made_up):
    calls = []

    def run(cell):
        calls.append(cell.seed)
        if cell.seed == 0 and calls.count(0) < 3:
            raise MemoryError("for now")
        if cell.seed == 1:
            raise RuntimeError("for ever")
        if cell.seed == 2:
            raise OSError("every time")
        return made_up(cell)

    with Store(tmp_path) as store:
        assert execute(seeds(4), store, run=run) == Counts(ok=2, failed=2)
        assert [calls.count(seed) for seed in range(4)] == [3, 1, 3, 1]
        assert "RuntimeError: for ever" in messages(tmp_path)[1][1]
        assert messages(tmp_path)[2][1] == "tried 3 times: OSError: every time"
        assert store.forget_failures() == 2
        assert execute(seeds(4), store, run=made_up) == Counts(ok=4, reused=2)


def test_of_a_chunk_whose_worker_died_each_cell_is_tried_alone(tmp_path, inline, made_up, died):
    sizes = []

    def submit(function, run, chunk, *own, submit=inline.submit):
        sizes.append(len(chunk))
        if any(cell.seed == 11 for _, cell in chunk):
            function = _raising(died("gone"))
        return submit(function, run, chunk, *own)

    inline.submit = submit
    with Store(tmp_path) as store:
        assert execute(seeds(40), store, run=made_up) == Counts(ok=39, failed=1)
    assert max(sizes) > 1
    assert messages(tmp_path)[11] == ("failed", "tried 3 times: its worker process died (gone)")


def _raising(error):
    def function(*_):
        raise error

    return function


def test_a_diverged_cell_is_a_result(tmp_path, inline):
    settings = {"width": 200, "rounds": 20, "selection_prob": 0.5, "seed": [0, 1], "step_size": [0.1, 1000.0]}
    cells = StudyPlan.from_dict({"dataset": {"name": "diabetes", "n_samples": 30}, "settings": settings}).cells
    with Store(tmp_path) as store:
        assert execute(cells, store) == Counts(ok=2, diverged=2)
    table = sl.open_study(tmp_path).table().sel(step_size=1000.0)
    assert set(table.status.values) == {"diverged"}
    assert (table.rounds_done < 20).all()
    assert all("diverged in round" in message for status, message in messages(tmp_path).values() if status != "ok")


def test_finished_cells_are_not_run_again(tmp_path, inline, made_up):
    ran = []

    def run(cell):
        ran.append(cell.seed)
        return made_up(cell)

    with Store(tmp_path) as store:
        assert execute(seeds(3), store, run=run) == Counts(ok=3)
        assert execute(seeds(5), store, run=run) == Counts(ok=5, reused=3)
        chosen = seeds(1)[0].resolved().engine
        assert execute([*seeds(2), *seeds(2, engine=chosen)], store, run=run).reused == 2
    assert ran == [0, 1, 2, 3, 4]
    assert sl.open_study(tmp_path).counts()["ok"] == 5


def test_what_cannot_be_run_is_refused_before_any_work(tmp_path, inline):
    with Store(tmp_path) as store:
        with pytest.raises(FileNotFoundError):
            execute([*seeds(2), Cell(DatasetSpec("/nowhere.csv", target="y"), 5, 1, selection_prob=0.5)], store)
        with pytest.raises(ValueError, match="jobs must be at least 1"):
            execute(seeds(2), store, jobs=0)
        assert store.finished() == {}


@pytest.fixture
def changed(tmp_path):
    """A cell whose file has other content by now than when it was planned; its result then."""
    file = tmp_path / "mine.csv"
    file.write_text("a,b,y\n1,2,3\n2,1,4\n0,1,5\n")
    cell = Cell(DatasetSpec(str(file), target="y"), 5, 1, selection_prob=0.5)
    result = run_cell(cell)
    file.write_text("a,b,y\n1,2,3\n2,1,4\n0,1,6\n")
    return cell, result


def test_data_that_change_under_way_change_nothing(tmp_path, changed):
    """Workers are handed the data that the study was planned with."""
    cell, result = changed
    with Store(tmp_path) as store:
        assert execute([cell], store, jobs=1) == Counts(ok=1)
    assert sl.open_study(tmp_path).records()[0]["final_full_error"] == result.finals["final_full_error"]


def test_a_change_of_data_too_large_to_be_handed_over_is_noticed(tmp_path, changed, monkeypatch):
    """The worker loads the file by itself and finds other content than the plan's."""
    monkeypatch.setattr("subnetlab.study.execution._GIVEN_BYTES", 10)
    with Store(tmp_path) as store:
        assert execute([changed[0]], store, jobs=1) == Counts(failed=1)
    assert "not those that the study was planned with" in sl.open_study(tmp_path).records()[0]["message"]


def test_a_worker_loads_no_more_than_a_cell_needs(tmp_path):
    """What its first cell waits for: no figures, no tables of others, no loader of the data."""

    def run(cell):
        heavy = {"matplotlib", "sklearn", "pandas", "xarray", "torch", "tyro"} & sys.modules.keys()
        return CellResult("failed", " ".join(sorted(heavy))) if heavy else run_cell(cell)

    cell = Cell(DatasetSpec("diabetes", n_samples=6), 10, 2, selection_prob=0.5, engine="primal", step_size=0.1)
    with Store(tmp_path) as store:
        assert execute([cell], store, jobs=1, run=run) == Counts(ok=1), messages(tmp_path)


def test_ctrl_c_keeps_what_is_done_and_leaves_no_worker(tmp_path):
    def run(cell):
        if cell.seed > 3:
            time.sleep(60)
        return run_cell(cell)

    def press():
        while len(sl.open_study(tmp_path).records()) < 8 or sl.open_study(tmp_path).counts()["ok"] < 4:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    with Store(tmp_path) as store:
        store.set_plan([])
        presser = threading.Thread(target=press)
        presser.start()
        started = time.monotonic()
        with pytest.raises(StudyInterrupted):
            execute(seeds(8), store, jobs=2, run=run)
        assert time.monotonic() - started < 30
        presser.join()
        assert len(store.finished()) == 4
        assert execute(seeds(8), store, jobs=2) == Counts(ok=8, reused=4)


def test_a_clock_that_jumps_changes_nothing(tmp_path, inline, made_up, monkeypatch):
    jumps = iter(range(10**9, 0, -100_000))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    with Store(tmp_path) as store:
        assert execute(seeds(30), store, run=made_up) == Counts(ok=30)
    assert all(cell.seconds >= 0 for cell in sl.open_study(tmp_path).cells)


def test_a_full_disk_ends_the_study_and_the_same_call_goes_on(tmp_path, inline, made_up):
    with Store(tmp_path) as store:
        store.set_plan([])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 12}")
        with pytest.raises(OSError, match="full"):
            execute(seeds(60), store, run=made_up)
    assert inline.stopped is True
    with Store(tmp_path) as store:
        kept = len(store.finished())
        assert execute(seeds(60), store, run=made_up) == Counts(ok=60, reused=kept)


def test_results_of_a_cell_do_not_depend_on_the_worker():
    cell = seeds(1)[0]
    assert isinstance(run_cell(cell), CellResult)
    np.testing.assert_array_equal(run_cell(cell).curves["full_error"], run_cell(cell).curves["full_error"])
