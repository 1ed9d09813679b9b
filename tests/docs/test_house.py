"""docs/house.md and its picture show the rooms that there are, in their order, and name files that are there.

docs/distributed.md counts the lines of the room launch.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "subnetlab"
PAGE = (ROOT / "docs" / "house.md").read_text()
PICTURE = (ROOT / "docs" / "figures" / "house.svg").read_text()


def constants():
    """The lists of rooms of the import rule, by name."""
    tree = ast.parse((ROOT / "tests" / "test_import_rule.py").read_text())
    pairs = [(node.targets[0], node.value) for node in tree.body if isinstance(node, ast.Assign)]
    return {name.id: ast.literal_eval(value) for name, value in pairs if name.id in ("ROOMS", "LEAVES", "BESIDE")}


def shown(weight):
    return re.findall(rf'font-weight="600"[^>]*>({weight})<', PICTURE)


def test_the_picture_shows_every_room_and_leaf():
    rule = constants()
    assert sorted(shown(r"\w+")) == sorted([*rule["ROOMS"], *rule["LEAVES"], *rule["BESIDE"]])


def test_the_picture_numbers_the_rooms_in_the_order_of_the_rule():
    numbers = dict(re.findall(r'font-weight="600"[^>]*>(\w+)</text>\n<text[^>]*>(\d+)<', PICTURE))
    assert sorted(numbers, key=lambda room: int(numbers[room])) == constants()["ROOMS"]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w./]+(?:/|\.py))`", PAGE))))
def test_what_the_page_names_is_there(name):
    assert any((base / name.replace("theoremN", "theorem1")).exists() for base in (PACKAGE, ROOT))


def test_the_page_of_launches_counts_the_lines_of_their_files():
    page = (ROOT / "docs" / "distributed.md").read_text().partition("## What stays home-made")[2]
    rows = re.findall(r"^\| [^|(]+\(([^)]*)\) \| (\d+) \|", page, re.MULTILINE)
    found = {files.replace("`", ""): int(count) for files, count in rows}
    lines = {f: len((PACKAGE / "launch" / f).read_text().splitlines()) for names in found for f in names.split(", ")}
    assert found == {names: sum(lines[file] for file in names.split(", ")) for names in found}
    assert set(lines) == {file.name for file in (PACKAGE / "launch").glob("*.py")} - {"__init__.py"}
