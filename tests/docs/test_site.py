"""`make docs` builds the site without a warning, and its pages ask nothing of the network."""

import importlib.util
import re
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def site(repository, tmp_path_factory):
    for package in ("sphinx", "furo", "myst_parser", "latex2mathml"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: pip install 'subnetlab[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "--quiet", "-d", folder / "doctrees"]
    done = subprocess.run(
        [*command, repository / "docs", folder / "html"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_in_the_table_of_contents(repository, site):
    pages = {
        str(page.relative_to(repository / "docs").with_suffix(".html")) for page in repository.glob("docs/**/*.md")
    }
    linked = set(re.findall(r'<a class="reference internal" href="([\w/.]+\.html)', (site / "index.html").read_text()))
    assert pages - linked == {"index.html"}


def test_pages_open_offline(site):
    """What a browser fetches by itself: scripts, styles, images, frames. Links to follow are free."""
    fetched = re.compile(
        r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"'
    )
    pages = sorted(site.rglob("*.html"))
    targets = {
        target for page in pages for pair in fetched.findall(page.read_text(encoding="utf-8")) for target in pair
    }
    assert len(pages) > 25
    assert [target for target in targets if "//" in target] == []


def test_formulas_are_drawn_by_the_browser(site):
    tutorial = (site / "tutorial.html").read_text(encoding="utf-8")
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in tutorial
    assert "\\frac" not in tutorial


def test_public_names_have_their_page(site):
    import subnetlab as sl

    reference = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    missing = [name for name in sl.__all__ if name != "__version__" and f'id="subnetlab.{name}"' not in reference]
    assert missing == []


def test_the_page_of_commands_has_all_of_them(repository):
    from subnetlab.cli.main import COMMANDS

    page = (repository / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `subnetlab {name}" not in page] == []
