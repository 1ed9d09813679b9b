"""The code and commands of README and documentation run as written, page by page from top to bottom.

Of a page, in a folder of its own: ```python blocks run in one namespace, ```sh blocks in bash. A ```text block right
after one must be what it printed: numbers to 5 percent; or, with "..." for anything, letter by letter. A block after a
line that ends in "`name`:" is written to the file of that name. An SVG file that a page writes is the picture of that
name in docs/figures. Nothing reaches the network, and ports are free ones.
"""

import contextlib
import doctest
import io
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from subnetlab.core.masks.table import LAWS
from subnetlab.engines.table import ENGINES
from subnetlab.theory.moments import MOMENTS
from subnetlab.theory.table import THEOREMS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

NEEDS = {
    "import torch": "torch",
    'network = ["mlp': "torch",
    "subnetlab launch": "torch",
    "subnetlab report": "altair",
    "dask scheduler": "distributed",
}  # extras

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w-]+\.[a-z]+)`[^`\n]*:\s*\Z")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block: its language, its text, the line it starts on, the file it is, the output it promises."""

    language: str
    text: str
    line: int
    file: str | None
    output: str | None


def blocks_of(text):
    """The blocks of a page, each with the ```text block that follows at once."""
    found = list(FENCE.finditer(text))
    for i, fence in enumerate(found):
        follower = found[i + 1] if i + 1 < len(found) else None
        promises = follower is not None and follower[1] == "text" and not text[fence.end() : follower.start()].strip()
        named = FILE.search(text[: fence.start()].rstrip())
        yield Block(
            fence[1],
            fence[2],
            text.count("\n", 0, fence.start()) + 2,
            named[1] if named else None,
            follower[2] if promises else None,
        )


def same(promised, printed):
    """Whether the output is as the page shows it; other machines may differ in digits that do not matter."""
    if "..." in promised:
        return doctest.OutputChecker().check_output(promised, printed, SAME)
    if NUMBER.sub("#", promised).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(promised), NUMBER.findall(printed), strict=True)
    return all(float(there) == pytest.approx(float(here), rel=0.05, abs=0.011) for there, here in pairs)


def pictured(path):
    """The words of a picture that matplotlib wrote, and how much is drawn; its bytes may depend on the machine."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"<!-- (.*?) -->", text), text.count("<path"), text.count("<use")


def runs(block):
    return block.language in ("python", "sh") and block.file is None


def run_python(block, page, namespace):
    """Run the block with the page's own line numbers and return what it printed."""
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, namespace)
    return printed.getvalue()


def with_free_ports(text):
    """Return shell commands with every port that they name put in place by one that nobody uses here."""
    for port in sorted(set(re.findall(r"(?:127\.0\.0\.1:|--port )(\d+)", text))):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            text = text.replace(port, str(free.getsockname()[1]))
    return text


def run_shell(block, page, environment):
    done = subprocess.run(
        ["bash", "-eu", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{with_free_ports(block.text)}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{page}:{block.line}\n{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(autouse=True)
def tables_as_they_were():
    """Take back the lines that a page writes into tables, which other tests go through."""
    tables = (LAWS, ENGINES, THEOREMS, MOMENTS)
    before = [dict(table) for table in tables]
    yield
    for table, lines in zip(tables, before, strict=True):
        table.clear()
        table.update(lines)


@pytest.fixture
def environment(tmp_path):
    """A shell that knows `subnetlab`, `python` and no network, and of the data only what is in the package."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, arguments in {"subnetlab": "-m subnetlab", "python": ""}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUBNETLAB_")}
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    cache = {"SUBNETLAB_CACHE": str(tmp_path / "cache"), "MPLBACKEND": "agg"}
    return {**kept, **nowhere, **cache, "PATH": path, "PYTHONPATH": str(ROOT / "src")}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(map(runs, blocks_of(page.read_text(encoding="utf-8"))))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_does_what_it_says(page, tmp_path, monkeypatch, environment):
    text = page.read_text(encoding="utf-8")
    if 'load_dataset("crime"' in text and not os.environ.get("SUBNETLAB_DATA"):
        pytest.skip("the page needs the crime data: SUBNETLAB_DATA is not set")
    for use, package in NEEDS.items():
        if any(use in block.text for block in blocks_of(text) if block.language in ("sh", "python")):
            pytest.importorskip(package, reason=f"the page uses an extra that is not installed: {package}")
    folder = tmp_path / "reader"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.syspath_prepend(str(folder))
    namespace = {"__name__": "__main__"}
    for block in blocks_of(text):
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        if not runs(block):
            continue
        python = block.language == "python"
        printed = run_python(block, page, namespace) if python else run_shell(block, page, environment)
        if block.output is not None:
            place = f"{page.relative_to(ROOT)}:{block.line}"
            assert same(block.output, printed), f"{place} printed\n{printed}"
    for picture in folder.glob("*.svg"):
        assert pictured(picture) == pictured(ROOT / "docs" / "figures" / picture.name)


def test_blocks_are_found():
    page = (
        "`a.toml` says:\n\n```toml\nx = 1\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\nend\n```text\n2\n```\n"
    )
    assert list(blocks_of(page)) == [
        Block("toml", "x = 1\n", 4, "a.toml", None),
        Block("python", "print(1)\n", 8, None, "1\n"),
        Block("text", "1\n", 12, None, None),
        Block("text", "2\n", 16, None, None),
    ]


@pytest.mark.parametrize(
    ("promised", "printed", "expected"),
    [
        ("error 1.00 of 3\n", "error  1.04 of 3\n", True),
        ("error 1.00\n", "error 1.10\n", False),
        ("error 1.00\n", "loss 1.00\n", False),
        ("a ... c\n", "a b c\n", True),
        ("a ... c\n", "a b d\n", False),
    ],
)
def test_outputs_are_compared(promised, printed, expected):
    assert same(promised, printed) is expected


def test_links_between_pages_lead_somewhere():
    """Sphinx checks those of the site; this also checks README and what only GitHub shows."""
    lost = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8")))
        if "://" not in target and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert lost == []


def test_the_two_commands_of_the_readme_are_targets():
    """Neither can run inside a test: one takes minutes, the other is what runs this. make says what they would do."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (make \w+)", readme, re.MULTILINE)
    assert commands == ["make reproduce", "make test"]
    says = {
        command: subprocess.run(
            [*command.split(), "--dry-run", "ARGS=--quick"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for command in commands
    }
    assert "bin/subnetlab reproduce --out reproduction --quick" in says["make reproduce"]
    assert "bin/python -m pytest -n auto --quick" in says["make test"]
