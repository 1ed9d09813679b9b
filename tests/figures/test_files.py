"""Figures on disk: the same bytes on rerun, exact numbers, no display, nothing half written."""

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from subnetlab.figures.dynamics import draw_dynamics
from subnetlab.figures.files import save_figure
from subnetlab.figures.heatmap import draw_heatmap

LABELS = {"row_label": "p", "col_label": r"steps $\tau$", "value_label": "error"}
VALUES = [[1.0, np.nan], [3.0, 4.0]]
DRAW = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_files import save_both
save_both(Path(sys.argv[1]))
assert "matplotlib.pyplot" not in sys.modules
"""


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def save_both(folder):
    errors = np.random.default_rng(0).uniform(1, 2, size=(3, 6, 4))
    dynamics = draw_dynamics(errors[:, :-1, 0], errors[:, :-1, 1:3], errors[:, :, 3])
    heatmap = draw_heatmap(VALUES, [1, 2], [3, 4], **LABELS)
    paths = [*save_figure(dynamics[0], folder, "dynamics", dynamics[1])]
    paths += save_figure(heatmap[0], folder, "heatmap", heatmap[1])
    return dynamics, heatmap, paths


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "made" / "on demand"
    return folder, *save_both(folder)


def test_the_four_files(saved):
    folder, *_, paths = saved
    names = [f"{stem}.{suffix}" for stem in ("dynamics", "heatmap") for suffix in ("pdf", "svg", "png", "csv")]
    assert paths == [folder / name for name in names]
    assert sorted(os.listdir(folder)) == sorted(names)
    starts = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG", ".csv": b"p"}
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in paths)


def test_png_has_200_dots_per_inch(saved):
    folder = saved[0]
    header = (folder / "dynamics.png").read_bytes()[16:24]
    assert int.from_bytes(header[:4], "big") == 1100  # 5.5 inches


def test_saving_again_gives_the_same_bytes(saved, tmp_path):
    folder, dynamics, heatmap, _ = saved
    save_figure(dynamics[0], tmp_path, "dynamics", dynamics[1])
    save_figure(heatmap[0], tmp_path, "heatmap", heatmap[1])
    assert hashes(tmp_path) == hashes(folder)


def test_another_process_without_display_gives_the_same_bytes(saved, tmp_path):
    """Another hash seed, another folder, another time, a backend that does not exist without a display."""
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    environment |= {"PYTHONHASHSEED": "7", "MPLBACKEND": "tkagg", "SOURCE_DATE_EPOCH": "86400"}
    command = [sys.executable, "-W", "error", "-c", DRAW, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path) == hashes(saved[0])


def test_the_users_settings_neither_matter_nor_change(saved, tmp_path):
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "savefig.bbox": "tight", "svg.fonttype": "none"}):
        before = dict(mpl.rcParams)
        figure, table = draw_heatmap(VALUES, [1, 2], [3, 4], **LABELS)
        save_figure(figure, tmp_path, "heatmap", table)
        assert dict(mpl.rcParams) == before
    assert hashes(tmp_path).items() <= hashes(saved[0]).items()
    assert len(hashes(tmp_path)) == 4


def test_no_dates_and_embedded_fonts(saved):
    folder = saved[0]
    pdf = (folder / "dynamics.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    svg = (folder / "dynamics.svg").read_text()
    assert "dc:date" not in svg
    assert "<text" not in svg  # drawn as paths
    assert b"Software" not in (folder / "dynamics.png").read_bytes()


def test_the_csv_reads_back_to_the_last_bit(tmp_path):
    numbers = np.random.default_rng(1).normal(size=50) * 10.0 ** np.arange(-25, 25)
    table = {
        "float": numbers,
        "single": numbers.astype(np.float32),
        "whole": np.arange(50),
        "word": [f'a, "{i}"' for i in range(50)],
        "gap": [float("nan")] * 50,
    }
    figure, _ = draw_heatmap([[1.0]], [1], [1], row_label="r", col_label="c", value_label="v")
    path = save_figure(figure, tmp_path, "numbers", table)[-1]
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    read = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert header == list(table)
    assert [float(v) for v in read["float"]] == numbers.tolist()
    assert [np.float32(v) for v in read["single"]] == table["single"].tolist()
    assert [int(v) for v in read["whole"]] == list(range(50))
    assert list(read["word"]) == table["word"]
    assert set(read["gap"]) == {"nan"}


@pytest.mark.parametrize("stem", ["", "a/b", "../a", "/a"])
def test_a_stem_with_a_folder_is_refused(saved, tmp_path, refused, stem):
    figure, table = saved[2]
    with refused(ValueError, f"save_figure: stem must be a file name without a folder, got {stem!r}"):
        save_figure(figure, tmp_path, stem, table)
    assert os.listdir(tmp_path) == []


def test_columns_of_different_length_are_refused(saved, tmp_path, refused):
    rule = "save_figure: table must have columns of equal length, got {'a': 1, 'b': 2}"
    with refused(ValueError, rule):
        save_figure(saved[2][0], tmp_path / "new", "f", {"a": [1], "b": [1, 2]})
    with refused(ValueError, "save_figure: table must have columns of equal length, got {}"):
        save_figure(saved[2][0], tmp_path / "new", "f", {})
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_files_whole(saved, tmp_path, monkeypatch):
    (_, _), (figure, table), _ = saved[1:]
    save_figure(figure, tmp_path, "f", table)
    before = hashes(tmp_path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_figure(figure, tmp_path, "f", {**table, "more": [0] * 4})
    assert hashes(tmp_path) == before


def test_a_folder_that_is_a_file_is_refused(saved, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileExistsError):
        save_figure(*saved[2][:1], tmp_path / "taken", "f", saved[2][1])
