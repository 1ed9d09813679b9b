"""What one life of a script leaves to the next."""

import subprocess
import sys

from subnetlab.launch.remembered import ScriptFailures, ScriptLibraries, said

LIVES = """
import os, sys
from pathlib import Path
from subnetlab.launch.remembered import ScriptLibraries

libraries = ScriptLibraries(Path(sys.argv[1]), 0)
if sys.argv[2:]:
    sys.path.insert(0, sys.argv[2])
    import mine, iniconfig, subnetlab.estimators
    sys.modules["no.module"] = iniconfig
    libraries.note()
else:
    libraries.load()
    libraries.load()
print([name in sys.modules for name in ("mine", "iniconfig", "subnetlab.estimators")])
"""


def test_which_failures_are_the_same(tmp_path):
    """Those of one type in the same lines; what they say may tell the time."""
    failures = ScriptFailures(tmp_path, 1)
    assert failures.last() == ""
    assert not failures.again(raised(ValueError("at 12:00")))
    assert failures.again(raised(ValueError("at 12:01")))
    assert failures.last() == "ValueError: at 12:01"
    assert not failures.again(raised(KeyError("at 12:01")))
    assert not failures.again(raised(KeyError("at 12:01"), elsewhere=True))
    assert not failures.again(raised(KeyError("at 12:01"), cause=raised(ValueError())))
    assert failures.again(raised(KeyError("at 12:02"), cause=raised(ValueError())))
    failures.forget()
    assert failures.last() == ""
    assert not failures.again(raised(KeyError("at 12:02")))
    assert not ScriptFailures(tmp_path, 0).again(raised(KeyError("at 12:02")))
    assert not ScriptFailures(None, 0).again(raised(KeyError("at 12:02")))


def raised(error, *, cause=None, elsewhere=False):
    """Return an error that was raised in one of two lines."""
    try:
        if elsewhere:
            raise error from cause
        raise error from cause
    except Exception as found:
        return found


def test_what_an_error_says_in_one_line():
    assert said(ValueError("a\nb")) == "ValueError: a b"
    assert said(KeyError()) == "KeyError"


def test_installed_libraries_are_imported_again_and_files_of_the_user_are_not(tmp_path):
    """A name that cannot be imported, as aliases in sys.modules, is passed over."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.py").write_text("")

    def live(*words):
        command = [sys.executable, "-c", LIVES, tmp_path, *words]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=True).stdout

    assert live() == "[False, False, False]\n"  # nothing was noted
    assert live(tmp_path / "own") == "[True, True, True]\n"
    noted = (tmp_path / "libraries-0").read_text().splitlines()
    assert "no.module" in noted
    assert "mine" not in noted
    assert live() == "[False, True, True]\n"


def test_without_a_launcher_nothing_is_remembered():
    libraries = ScriptLibraries(None, 0)
    libraries.note()
    before = set(sys.modules)
    libraries.load()
    assert set(sys.modules) == before
