"""Reading a database: a damaged one is never taken for an unfinished study, and what is sound in it is found again."""

import os
import shutil
import sqlite3
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.study import CellResult, Store, StudyFileError
from subnetlab.study.reading import settings_of
from subnetlab.study.result import DamagedResultError, decode, encode
from subnetlab.study.schema import connect, row_digest
from subnetlab.study.store import DATABASE, Outcome

CELLS = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory, small_plan):
    """A study of sixty results of about 1.2 kB: its bytes, and the payload of each key."""
    folder = tmp_path_factory.mktemp("whole")
    draw = np.random.default_rng(0)
    settings = small_plan.cells[0].resolved().stored_settings()
    keys = [f"{i:064x}" for i in range(CELLS)]
    payloads = {key: encode(CellResult("ok", curves={"full_error": draw.random(150)})) for key in keys}
    with Store(folder) as store:
        store.set_plan((key, settings) for key in keys)
        for key, payload in payloads.items():
            store.write([Outcome(key, "ok", 0.5, payload)])
    return (folder / DATABASE).read_bytes(), payloads


@pytest.fixture
def there(tmp_path):
    """Put a database into a new folder."""

    def put(content):
        folder = tmp_path / "there"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / DATABASE).write_bytes(content)
        return folder

    return put


def kept(payloads, content):
    """The keys whose row lies in the content with every byte, found without SQLite: no row here fills a page."""
    return {key for key, payload in payloads.items() if payload in content and key.encode() in content}


@pytest.mark.parametrize("cut", [1, 390, 4096, 4096 * 3 + 17])
def test_a_cut_file_is_no_unfinished_study(whole, there, capsys, cut):
    content, _ = whole
    folder = there(content[:-cut])
    with pytest.raises((StudyFileError, DamagedResultError), match="again sets it aside and takes over what is sound"):
        sl.open_study(folder)
    for command in (["study", "status"], ["study", "export"], ["study", "retry"], ["report"]):
        assert main([*command, str(folder)]) == 1
        assert "is damaged" in capsys.readouterr().err
    assert (folder / DATABASE).read_bytes() == content[:-cut]
    assert [file.name for file in folder.iterdir()] == [DATABASE]


@pytest.mark.parametrize("share", [0.95, 0.7, 0.5])
def test_every_row_that_a_cut_left_whole_is_taken_over(whole, there, share):
    content, payloads = whole
    left = content[: int(share * len(content))]
    with Store(there(left)) as store:
        assert store.finished().keys() == kept(payloads, left)
        assert 0 < len(store.finished()) < CELLS


@pytest.mark.parametrize("place", [0, 16, 28, 47, 68, 100, 103, 105, 108, 110, 4000])
def test_a_damaged_first_page_costs_no_row(whole, there, place):
    content, _ = whole
    folder = there(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
    with pytest.raises(StudyFileError):
        sl.open_study(folder)
    if place == 47:  # SQLite takes it for a file of a newer SQLite, and so do we
        return
    with Store(folder) as store:
        assert len(store.finished()) == CELLS
        assert "is kept as" in store.notices[0]


def test_holes_cost_no_more_than_their_rows(whole, there):
    content, payloads = whole
    holes = [content.index(payloads[f"{i:064x}"]) // 4096 for i in (10, 30, 45)]
    damaged = bytearray(content)
    for page in holes:
        damaged[page * 4096 : (page + 1) * 4096] = bytes(4096)
    with Store(there(damaged)) as store:
        assert store.finished().keys() == kept(payloads, bytes(damaged))


def test_a_view_in_place_of_a_table_is_never_asked(whole, there, capsys):
    """One that counts for ever would keep every command busy."""
    content, _ = whole
    folder = there(content)
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.executescript(
            "DROP TABLE cells; CREATE VIEW cells AS WITH RECURSIVE n(position) AS (SELECT 1 UNION ALL "
            "SELECT position + 1 FROM n LIMIT 9) SELECT position, 'k' AS key, '{}' AS settings, x'' AS digest, "
            "1 AS planned FROM n"
        )
    connection.close()
    for command in (["study", "status"], ["study", "export"], ["study", "retry"], ["report"]):
        assert main([*command, str(folder)]) == 1
        assert "its tables must be those of a study" in capsys.readouterr().err
    with Store(folder) as store:
        assert len(store.finished()) == CELLS
        assert "is kept as" in store.notices[0]


def test_a_killed_commit_in_a_folder_that_cannot_be_written(whole, there):
    """Its journal cannot be rolled back there; a copy of both can."""
    content, payloads = whole
    folder = there(content)
    writer = connect(folder / DATABASE, write=True)
    writer.execute("PRAGMA cache_size = 1")  # pages reach the file before the commit
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE results SET payload = x'00' || payload")
    killed = Path(tempfile.mkdtemp(), "killed")  # where any user may look
    killed.parent.chmod(0o755)
    shutil.copytree(folder, killed)
    writer.execute("ROLLBACK")
    writer.close()
    assert (killed / f"{DATABASE}-journal").exists()
    killed.chmod(0o555)
    for file in killed.iterdir():
        file.chmod(0o444)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            cells = sl.open_study(killed).cells
            code = 0 if {cell.key: cell.payload for cell in cells} == payloads else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    killed.chmod(0o755)
    shutil.rmtree(killed.parent)


def test_a_reader_holds_up_the_writer_and_loses_it_nothing(whole, there):
    content, _ = whole
    folder = there(content)
    reader = sqlite3.connect(folder / DATABASE, isolation_level=None, check_same_thread=False)
    told = []

    def tell(text):
        told.append(text)
        reader.close()

    with Store(folder, tell=tell) as store:
        store._connection.execute("PRAGMA busy_timeout = 10")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM cells").fetchone()
        store.write([Outcome("new", "ok", 0.5, encode(CellResult("ok")))])
        assert store.finished()["new"] == "ok"
    assert told == [f"another program holds {DATABASE}; results wait until it lets go"]


def test_a_result_that_claims_gigabytes_is_refused_before_they_are_taken():
    result = CellResult("ok", curves={"full_error": np.zeros(2)})
    text = zlib.decompress(encode(result))[4:-16].replace(b"[2]", b"[400000000]")
    packer = zlib.compressobj(9)

    def packed(content):
        return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)  # so that it may be repeated

    payload = packed(len(text).to_bytes(4, "little") + text) + 320 * packed(bytes(10**7)) + packer.flush()
    assert len(payload) < 4e6
    tracemalloc.start()
    try:
        with pytest.raises(DamagedResultError, match="must unpack to at most"):
            decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 3e7
    finally:
        tracemalloc.stop()


def changed(result, old, new):
    text = zlib.decompress(encode(result))
    end = 4 + int.from_bytes(text[:4], "little")
    header = text[4:end].replace(old, new)
    assert header != text[4:end]
    return zlib.compress(len(header).to_bytes(4, "little") + header + text[end:])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ok"', b'"fine"'),
        (b'"ok"', b"[1]"),
        (b'"rounds": 3', b'"rounds": -3'),
        (b'"rounds": 3', b'"rounds": "many"'),
        (b"0.25", b'"a quarter"'),
        (b'"<f8"', b'"|O"'),
        (b'"<f8"', b'"<i8"'),
        (b"[3]", b"[-3]"),
        (b"[3]", b"[3, 7]"),
        (b"[3]", b"[2]"),
        (b'"message": ""', b'"message": ' + 900 * b"[" + 900 * b"]"),
        (b'"message": ""', b'"messages": ""'),
        (b"{", b"[{"),
    ],
)
def test_crafted_results_are_refused_in_one_way(old, new):
    """Whoever writes the bytes can write the digest too."""
    result = CellResult("ok", "", 0.1, 3, finals={"final_full_error": 0.25}, curves={"full_error": np.arange(3.0)})
    with pytest.raises(DamagedResultError, match="cannot be read"):
        decode(changed(result, old, new))


@pytest.mark.parametrize(
    "settings", ["[]", "3", "{}", '{"width": 3}', 9000 * "[", '{"asked": 3}', "nonsense", '{"asked": [3]}']
)
def test_crafted_settings_are_refused_in_one_way(whole, there, settings):
    folder = there(whole[0])
    with sqlite3.connect(folder / DATABASE) as connection:
        key = f"{3:064x}"
        digest = row_digest(key, settings)
        connection.execute("UPDATE cells SET settings = ?, digest = ? WHERE key = ?", (settings, digest, key))
    connection.close()
    with pytest.raises(DamagedResultError, match="the settings of cell 000000000000 cannot be used"):
        sl.open_study(folder)


def test_settings_with_values_that_are_not_plain(small_plan):
    import json

    settings = small_plan.cells[0].settings()
    assert settings_of(json.dumps(settings)) == (settings, ())
    for value in ({"a": 1}, [[1]]):
        with pytest.raises(TypeError, match="must be plain"):
            settings_of(json.dumps(settings | {"masks": value}))


def test_a_header_alone_is_read_without_the_curves():
    payload = encode(CellResult("ok", rounds=3, curves={"full_error": np.arange(4.0)}))
    assert decode(payload, curves=False).curves == {}
    assert decode(payload, curves=False).rounds == 3
    assert decode(payload).curves["full_error"].tolist() == [0, 1, 2, 3]


def test_a_fifo_in_place_of_the_database(tmp_path):
    os.mkfifo(tmp_path / DATABASE)
    with pytest.raises(OSError, match="a FIFO"):
        sl.open_study(tmp_path)
    assert Path(tmp_path / DATABASE).exists()
