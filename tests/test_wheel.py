"""What people install: the package, all of it, and nothing else."""

import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    builders = pytest.importorskip("hatchling.builders.wheel", reason="needs hatchling: pip install 'subnetlab[test]'")
    folder = tmp_path_factory.mktemp("wheel")
    (file,) = builders.WheelBuilder(str(repository)).build(directory=str(folder))
    with zipfile.ZipFile(file) as archive:
        yield archive


def test_holds_the_package_and_nothing_else(wheel, repository):
    source = repository / "src"
    files = {
        file.relative_to(source).as_posix()
        for file in (source / "subnetlab").rglob("*")
        if file.is_file() and file.suffix not in (".pyc", ".nbi", ".nbc")
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == files


def test_installs_the_program_with_extras_apart(wheel):
    def text(name):
        (path,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
        return wheel.read(path).decode()

    assert "subnetlab = subnetlab.cli.main:main" in text("entry_points.txt")
    needs = [line for line in text("METADATA").splitlines() if line.startswith("Requires-Dist: ")]
    heavy = [line for line in needs if line.split()[1].startswith(("torch", "altair", "dask", "pyarrow", "sphinx"))]
    assert heavy and all("extra == " in line for line in heavy)
