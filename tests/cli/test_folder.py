import json

import pytest

from subnetlab.cli.folder import FolderConflictError, open_folder


def test_the_same_settings_open_the_folder_again(tmp_path):
    folder = open_folder(tmp_path / "a" / "b", {"rounds": 3, "grid": (1, 2)})
    before = (folder / "settings.json").read_bytes()
    assert open_folder(folder, {"rounds": 3, "grid": (1, 2)}) == folder
    assert (folder / "settings.json").read_bytes() == before


def test_other_settings_are_refused_with_the_difference(tmp_path):
    open_folder(tmp_path, {"rounds": 3, "data": {"seed": 0, "name": "x"}})
    with pytest.raises(FolderConflictError) as caught:
        open_folder(tmp_path, {"rounds": 3, "data": {"seed": 1, "name": "x"}, "new": True})
    message = str(caught.value)
    assert "data.seed: there 0, asked 1" in message
    assert "new: there None, asked True" in message
    assert "rounds" not in message
    assert json.loads((tmp_path / "settings.json").read_text())["data"]["seed"] == 0


def test_force_takes_the_folder_over(tmp_path):
    open_folder(tmp_path, {"rounds": 3})
    open_folder(tmp_path, {"rounds": 4}, force=True)
    assert json.loads((tmp_path / "settings.json").read_text()) == {"rounds": 4}


def test_mangled_settings_are_not_overwritten(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(FolderConflictError, match="not readable"):
        open_folder(tmp_path, {"rounds": 3})


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        open_folder(tmp_path / "file", {})
