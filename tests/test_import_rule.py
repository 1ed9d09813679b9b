"""The rooms of the package and who may import whom (docs of the layout: CONTRIBUTING.md).

Every import counts, also inside functions and for type checkers: a room that needs a name of another room's type
depends on it.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "subnetlab"

# each room imports itself and rooms further up
ROOMS = [
    "core",
    "compiled",
    "kernels",
    "history",
    "theory",
    "engines",
    "modules",
    "training",
    "launch",
    "audit",
    "study",
    "figures",
    "reproduction",
    "report",
    "estimators",
    "cli",
]
LEAVES = {
    "surroundings",
    "atomic",
    "archive",
    "input_file",
    "locks",
    "plotting",
    "progress",
    "versions",
}  # anybody may import these; they import leaves only
BESIDE = {"datasets": {"core"}}  # what stands beside the line, and all that it may import
WALLS = {"engines": {"history", "theory"}, "figures": {"training", "engines"}}  # forbidden besides
ROOT = {"__init__", "__main__"}  # the public names; the entry point

# third-party packages that are slow to load or not always there, and the rooms that may import them
GUESTS = {
    "numba": {"compiled"},
    "llvmlite": {"compiled"},
    "torch": {"engines", "modules", "launch"},
    "matplotlib": {"figures"},
    "sklearn": {"estimators", "datasets"},
    "altair": {"report"},
    "jinja2": {"report"},
    "safetensors": {"modules"},
    "vl_convert": {"report"},
    "dask": {"study"},
    "distributed": {"study"},
    "joblib": {"study"},
    "xarray": {"history", "study"},
    "pandas": {"history", "study"},
    "pyarrow": {"study", "datasets"},
    "pooch": {"datasets"},
    "tyro": {"cli"},
    "tqdm": {"progress"},
}


def room_of(path):
    """The first folder or file below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """(module, names) of every import statement, relative ones resolved to 'subnetlab...'."""
    package = ["subnetlab", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, [alias.name for alias in node.names]


def rooms_imported(path):
    """The rooms that a file imports, its own left out."""
    for module, names in imports_of(path):
        first, *rest = module.split(".")
        if first == "subnetlab":
            yield from {rest[0]} if rest else {name for name in names if name != "__version__"}


FILES = sorted(PACKAGE.rglob("*.py"))


def allowed(room):
    if room in ROOT:
        return {*ROOMS, *LEAVES, *BESIDE}
    if room in LEAVES:
        return LEAVES
    if room in BESIDE:
        return {room, *LEAVES, *BESIDE[room]}
    return {*ROOMS[: ROOMS.index(room) + 1], *LEAVES, *BESIDE} - WALLS.get(room, set())


def test_every_file_is_in_a_known_room():
    assert {room_of(path) for path in FILES} <= {*ROOMS, *LEAVES, *BESIDE, *ROOT}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_its_own_room_and_rooms_before_it(path):
    room = room_of(path)
    assert set(rooms_imported(path)) - {room} <= allowed(room)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_guests_live_in_their_own_rooms(path):
    guests = {module.split(".")[0] for module, _ in imports_of(path)} & GUESTS.keys()
    assert {guest for guest in guests if room_of(path) not in GUESTS[guest]} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_reader_of_imports_sees_them_all(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    path = tmp_path / "room" / "file.py"
    path.write_text(
        "import numpy.linalg as la\nfrom . import a\nfrom .b import c\nfrom .. import d, __version__\n"
        "from ..e.f import g\nimport subnetlab.h\nif 1:\n    from subnetlab import i\ndef f():\n    import torch\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert set(rooms_imported(path)) == {"room", "d", "e", "h", "i"}
    assert {"numpy.linalg", "torch"} <= {module for module, _ in imports_of(path)}


def loaded_by(code):
    """The top-level modules in memory after running ``code`` in a new interpreter."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(result.stdout.split())


def test_importing_the_package_loads_no_third_party_package_but_numpy():
    third_party = loaded_by("import subnetlab; dir(subnetlab)") - sys.stdlib_module_names - loaded_by("")
    assert third_party <= {"subnetlab", "numpy"}


def test_training_with_the_direct_engine_loads_no_guest():
    code = (
        "import numpy as np, subnetlab as sl\n"
        "net = sl.ShallowReLU.initialize(5, 2)\n"
        "sl.train(net, np.eye(2), np.ones(2), sl.independent_subnets(2, 2, 2, 0.1), engine='primal')"
    )
    assert not loaded_by(code) & GUESTS.keys()
