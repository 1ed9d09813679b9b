"""The store: nothing acknowledged is lost, nothing damaged is believed."""

import errno
import fcntl
import random
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.locks import holder
from subnetlab.study import Cell, CellResult, DatasetSpec, Store, StudyBusyError, StudyFileError, execute
from subnetlab.study.result import DamagedResultError, decode, encode
from subnetlab.study.store import DATABASE, LOCK, Outcome

FIXTURE = Path(__file__).parent / "data" / "study-schema-1.sqlite"


def outcome(i, status="ok"):
    result = CellResult(status, curves={"full_error": np.arange(i + 3, dtype=np.float32)})
    return Outcome(f"{i:064x}", status, 0.5, encode(result))


def test_bytes_and_back():
    curves = {"a": np.array([[1.5, np.nan], [np.inf, -0.0]], dtype=np.float32), "b": np.zeros((0, 3))}
    result = CellResult("diverged", "täuschend", 0.1, 7, 2.5, {"x": 1 / 3, "y": float("inf")}, curves)
    again = decode(encode(result), seconds=2.5)
    for name, curve in curves.items():
        np.testing.assert_array_equal(again.curves[name], curve)
        assert again.curves[name].dtype == curve.dtype
    assert (again.finals, again.message, again.rounds, again.seconds) == (result.finals, result.message, 7, 2.5)


def test_bytes_do_not_depend_on_the_time_it_took():
    assert encode(CellResult("ok", seconds=1.0)) == encode(CellResult("ok", seconds=2.0))


@pytest.mark.parametrize("damage", [b"", b"nonsense", encode(CellResult("ok"))[:-3]])
def test_unreadable_bytes(damage):
    with pytest.raises(DamagedResultError):
        decode(damage)


def test_results_survive_reopening(tmp_path):
    with Store(tmp_path) as store:
        store.write([outcome(1), outcome(2, "failed")])
        store.write([outcome(2)])
    with Store(tmp_path) as store:
        assert store.finished() == {outcome(1).key: "ok", outcome(2).key: "ok"}


def test_a_second_parent_is_refused(tmp_path):
    with Store(tmp_path), pytest.raises(StudyBusyError, match="one process at a time may run a study, and process"):
        Store(tmp_path)
    Store(tmp_path).close()


def test_readers_look_on_while_somebody_writes(tmp_path, small_plan):
    with Store(tmp_path) as store:
        store.set_plan((cell.key(), cell.settings()) for cell in small_plan.cells)
        store.write([outcome(1)._replace(key=small_plan.cells[0].key())])
        assert sl.open_study(tmp_path).counts() == {"ok": 1, "diverged": 0, "failed": 0, "pending": 11}


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path):
    with Store(tmp_path) as store:
        store.write([outcome(1)])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        large = outcome(2)._replace(payload=bytes(100_000))
        for _ in range(2):  # the store stays usable
            with pytest.raises(StudyFileError, match="full"):
                store.write([outcome(1, "failed"), large])
        assert store.finished() == {outcome(1).key: "ok"}
    with Store(tmp_path) as store:
        assert store.finished() == {outcome(1).key: "ok"}
        assert store.notices == []


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match="/sys/study"):
        Store("/sys/study")  # nobody may make a folder there, whoever they are
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file")


def test_files_that_are_no_study(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no study here"):
        sl.open_study(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    for attempt in (sl.open_study, Store):
        with pytest.raises(StudyFileError, match="must be a study"):
            attempt(tmp_path)


def test_a_refused_file_is_closed_again(tmp_path, monkeypatch):
    (tmp_path / DATABASE).write_bytes(b"no database, but long enough to look at it" * 100)
    opened, connect = [], sqlite3.connect

    def noting(*arguments, **options):
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noting)
    with pytest.raises(StudyFileError):
        sl.open_study(tmp_path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_a_newer_schema_is_refused_and_not_set_aside(tmp_path):
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for attempt in (sl.open_study, Store):
        with pytest.raises(StudyFileError, match="schema version must be at most 1, got 99"):
            attempt(tmp_path)
    assert [file.name for file in tmp_path.glob("*damaged*")] == []


def run_study(folder, plan, made_up):
    with Store(folder) as store:
        counts = execute(plan.cells, store, run=made_up)
        return counts, store.notices


def test_a_changed_byte_in_a_stored_cell_is_found_and_the_cell_run_again(tmp_path, small_plan, made_up, inline):
    run_study(tmp_path, small_plan, made_up)
    table = sl.open_study(tmp_path).table()
    for column in ("payload", "status", "seconds", "digest"):
        connection = sqlite3.connect(tmp_path / DATABASE)
        row, value = connection.execute(f"SELECT rowid, {column} FROM results LIMIT 1").fetchone()
        changed = (
            value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else "of" if column == "status" else 9.5
        )
        connection.execute(f"UPDATE results SET {column} = ? WHERE rowid = ?", (changed, row))
        connection.commit()
        connection.close()
        with pytest.raises(DamagedResultError):
            sl.open_study(tmp_path)
        counts, notices = run_study(tmp_path, small_plan, made_up)
        assert (counts.ok, counts.reused) == (12, 11)
        assert "1 rows of results were damaged" in notices[0]
        assert sl.open_study(tmp_path).table().identical(table)


@pytest.mark.parametrize("kind", ["flip", "truncate"])
def test_any_damage_to_the_file_is_mended(tmp_path, small_plan, made_up, inline, kind):
    """One changed byte, or a cut, anywhere in the file: the same table afterwards, and nothing overwritten."""
    run_study(tmp_path / "whole", small_plan, made_up)
    whole = (tmp_path / "whole" / DATABASE).read_bytes()
    table = sl.open_study(tmp_path / "whole").table()
    draw = random.Random(3)
    reused, asides = 0, 0
    for i in range(60 if kind == "flip" else 20):
        place = draw.randrange(len(whole))
        damaged = whole[:place]
        if kind == "flip":
            damaged += bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :]
        folder = tmp_path / f"{kind}-{i}"
        folder.mkdir()
        (folder / DATABASE).write_bytes(damaged)
        try:
            counts, _ = run_study(folder, small_plan, made_up)
        except StudyFileError as error:  # the mark of another program or version: refused, the file left alone
            assert "must be" in str(error)  # noqa: PT017
            assert (folder / DATABASE).read_bytes() == damaged
            assert kind == "flip"
            assert place < 100
            continue
        reused += counts.reused
        assert sl.open_study(folder).table().identical(table), place
        for aside in folder.glob(f"{DATABASE}.damaged-?"):
            asides += 1
            assert aside.read_bytes() == damaged
    assert asides > 0
    assert reused > (500 if kind == "flip" else 40)


def test_a_damaged_file_is_kept_and_its_sound_rows_are_taken_over(tmp_path, small_plan, made_up, inline):
    run_study(tmp_path, small_plan, made_up)
    file = tmp_path / DATABASE
    whole = file.read_bytes()
    for number in (1, 2):
        file.write_bytes(whole[: len(whole) - 4096])
        _, notices = run_study(tmp_path, small_plan, made_up)
        assert f"it is kept as {DATABASE}.damaged-{number}" in notices[0]
    assert (tmp_path / f"{DATABASE}.damaged-1").stat().st_size == len(whole) - 4096


def test_rows_before_and_behind_a_damaged_page_are_taken_over(tmp_path):
    """Rows of 3000 bytes, one to a page of 4096; Python's cursor reads one row ahead, so the neighbours may go too."""
    outcomes = [Outcome(f"key {k}", "ok", 1.0, bytes([k]) * 3000) for k in range(1, 41)]
    with Store(tmp_path) as store:
        store.write(outcomes)
    content = bytearray((tmp_path / DATABASE).read_bytes())
    page = content.index(bytes([20]) * 3000) // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    (tmp_path / DATABASE).write_bytes(content)
    with Store(tmp_path) as store:
        lost = {outcome.key for outcome in outcomes} - store.finished().keys()
        assert f"{40 - len(lost)} sound results were taken over" in store.notices[0]
    assert {"key 20"} <= lost <= {"key 19", "key 20", "key 21"}


def test_every_released_schema_stays_readable(tmp_path):
    """Written by version 0.1.0; the numbers are those that it printed then."""
    shutil.copy(FIXTURE, tmp_path / DATABASE)
    study = sl.open_study(tmp_path)
    assert study.counts() == {"ok": 4, "diverged": 1, "failed": 1, "pending": 2}
    table = study.table()
    assert dict(table.sizes) == {"step_size": 2, "seed": 4, "round": 9, "step": 2, "state": 10}
    assert table.full_error.dtype == np.float32
    assert float(table.final_full_error.sel(step_size=0.5, seed=1)) == 0.0936141704197733
    with Store(tmp_path) as store:
        assert store.notices == []
        assert len(store.finished()) == 6
        assert store.forget_failures() == 1


def test_cells_of_the_first_release_stand_beside_new_ones(tmp_path, inline):
    """Settings that did not exist then have the values that they meant, in the table as in the folder's identity."""
    shutil.copy(FIXTURE, tmp_path / DATABASE)
    old = [Cell.from_settings(cell.settings) for cell in sl.open_study(tmp_path).cells]
    with Store(tmp_path) as store:
        execute([*old, *(replace(cell, learn_output_weights=True) for cell in old[:2])], store)
    table = sl.open_study(tmp_path).table()
    assert {"learn_output_weights": 2, "step_size": 2, "seed": 4}.items() <= table.sizes.items()
    assert set(table.status.sel(learn_output_weights="True").values.flat) == {"ok", "diverged", "absent"}


def test_other_words_for_the_same_cell_take_the_place_of_the_old_ones(tmp_path, inline, made_up):
    cell = Cell(DatasetSpec("synthetic", n_samples=6), 10, 3, selection_prob=0.5, seed=4, network_seed=4)
    with Store(tmp_path) as store:
        execute([cell], store, run=made_up)
        assert execute([replace(cell, network_seed="seed")], store, run=made_up).reused == 1
    assert [row["network_seed"] for row in sl.open_study(tmp_path).records()] == ["seed"]


def test_results_of_other_versions_are_used_and_said_to_be(tmp_path, inline, made_up, monkeypatch, small_plan):
    """By what each result says of itself; those of the first release say nothing."""
    monkeypatch.setattr("subnetlab.study.result.__version__", "0.0.9")
    with Store(tmp_path) as store:
        execute(small_plan.cells[:5], store, run=made_up)
    monkeypatch.undo()
    monkeypatch.setattr("subnetlab.study.execution._pool", lambda *_: inline)
    for _ in range(2):
        told = []
        with Store(tmp_path, tell=told.append) as store:
            execute(small_plan.cells, store, run=made_up)
        assert told == store.notices
        assert "have not changed: 5 by 0.0.9 (this is" in told[0]
    versions = [row["version"] for row in sl.open_study(tmp_path).records()]
    assert versions == 5 * ["0.0.9"] + 7 * [sl.__version__]


def test_results_of_the_first_release_are_used_and_said_to_be(tmp_path, inline, made_up):
    shutil.copy(FIXTURE, tmp_path / DATABASE)
    old = [Cell.from_settings(cell.settings) for cell in sl.open_study(tmp_path).cells]
    for reused in (6, 8):
        with Store(tmp_path) as store:
            assert execute(old, store, run=made_up).reused == reused
            assert "have not changed: 6 by an earlier version (this is" in store.notices[0]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with Store(tmp_path) as store:
        store.write([outcome(1)])
        assert "this file system has no locks" in store.notices[0]
        assert holder(tmp_path / LOCK) is None
    monkeypatch.undo()
    with Store(tmp_path) as store:
        assert store.finished() == {outcome(1).key: "ok"}
        assert store.notices == []
