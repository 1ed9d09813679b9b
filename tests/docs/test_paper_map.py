"""Every function, file and test that docs/paper_map.md names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, TESTS = ROOT / "src" / "subnetlab", ROOT / "tests"
CLASSES = {"ShallowReLU": "core/network.py", "MaskLaw": "core/masks/law.py"}
CLASSES |= {"History": "history.py", "TrainingRun": "training/run.py"}


def names_of(page):
    """What stands between backquotes in the cells of tables, as (line, name)."""
    for number, line in enumerate(page.splitlines(), start=1):
        if line.startswith("|"):
            for name in re.findall(r"`([^`]+)`", line):
                yield number, name.partition("(")[0]


@cache
def members(file):
    """The names that a module defines or imports, and the members of its classes as Class.member."""
    found = set()

    def visit(body, prefix):
        for node in body:
            match node:
                case ast.FunctionDef(name=name):
                    found.add(prefix + name)
                case ast.ClassDef(name=name):
                    found.add(prefix + name)
                    visit(node.body, f"{name}.")
                case ast.ImportFrom(names=aliases):
                    found.update(prefix + (alias.asname or alias.name) for alias in aliases)
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(prefix + name)

    visit(ast.parse(file.read_text()).body, "")
    return frozenset(found)


def in_package(name):
    """Whether ``room.module.Class.member``, or as much of it as the name has, is in the package."""
    parts = name.removeprefix("subnetlab.").split(".")
    if parts[0] in CLASSES:
        return name in members(PACKAGE / CLASSES[parts[0]])
    for cut in range(len(parts), 0, -1):
        place = PACKAGE.joinpath(*parts[:cut])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return cut == len(parts) or ".".join(parts[cut:]) in members(file)
    return False


def in_tests(name):
    """Whether ``folder/test_file.py::test_name`` or ``test_name`` is a test; "..." at one end stands for anything."""
    place, _, test = name.rpartition("::")
    files = [TESTS / place] if place else sorted(TESTS.rglob("test_*.py"))
    pattern = re.compile(".*".join(map(re.escape, test.split("..."))))
    return any(pattern.fullmatch(member) for file in files if file.is_file() for member in members(file))


def exists(name):
    if "::" in name or re.match(r"test_\w+(\.\.\.)?$", name) or name.startswith("..."):
        return in_tests(name)
    if "/" in name:
        return any((folder / name).exists() for folder in (TESTS, PACKAGE, ROOT))
    return in_package(name)


def test_everything_named_is_there():
    names = list(names_of((ROOT / "docs" / "paper_map.md").read_text()))
    assert len(names) > 150  # the tables were read
    assert [(line, name) for line, name in names if not exists(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "core.network.no_such",
            "core.network.ShallowReLU.no_such",
            "core.no_such",
            "no_such.module",
            "History.no_such",
        ),
        *(
            "core/test_no_such.py",
            "core/masks/test_law.py::test_no_such",
            "test_no_such",
            "test_no_such_...",
            "..._no_such",
        ),
    ],
)
def test_what_is_not_there_is_noticed(name):
    assert not exists(name)
