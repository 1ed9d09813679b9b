"""What processes inherit."""

import os
import socket
import stat
import subprocess
import sys
import tempfile

from subnetlab.launch.inheritance import as_given, descriptors, give_back


def test_who_comes_after_the_death_of_its_parent_ends():
    code = "from subnetlab.launch.inheritance import die_with_parent; die_with_parent(1); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (1, "")


FORKS = """
import os, stat
from subnetlab.launch.inheritance import descriptors, keep_from_forks

held, other, closed = os.pipe(), os.pipe(), os.pipe()
keep_from_forks([*held, *closed])
os.dup2(other[0], closed[0])  # the number is of another file by then
pid = os.fork()
if pid == 0:
    kinds = [stat.S_ISCHR(os.fstat(held[0]).st_mode), stat.S_ISFIFO(os.fstat(closed[0]).st_mode)]
    os._exit(0 if kinds == [True, True] else 1)
print(os.waitpid(pid, 0)[1], all(d in descriptors(stat.S_ISFIFO) for d in held))
"""


def test_what_is_kept_from_forks_is_the_null_device_there_and_stays_what_it_is_here():
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("0 True\n", "")


def test_variables_are_given_back(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/of/the/user")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/of/the/launcher")
    for name, value in as_given(["TMPDIR", "PYTHONSAFEPATH"]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", "/of/the/launcher")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    before = set(os.environ)
    give_back()
    assert (os.environ["TMPDIR"], os.environ.get("PYTHONSAFEPATH"), tempfile.tempdir) == ("/of/the/user", None, None)
    assert len(before) - len(os.environ) == 2


def test_descriptors_are_those_of_a_kind():
    with socket.socket() as opened:
        assert opened.fileno() in descriptors(stat.S_ISSOCK)
        assert opened.fileno() not in descriptors(stat.S_ISFIFO)
        closed = opened.fileno()
    assert closed not in descriptors(stat.S_ISSOCK)


HELD_BACK = """
import os, signal
from subnetlab.launch.inheritance import sender_of_termination, termination_held_back

pid = os.fork()  # of numpy's threads there is none in the child: one of them would take the signal
if pid == 0:
    with termination_held_back():
        heard = [sender_of_termination()]
        os.kill(os.getpid(), signal.SIGTERM)
        heard += [sender_of_termination(), sender_of_termination()]
    let_through = signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    os._exit(0 if heard == [None, os.getpid(), None] and let_through else 1)
print(os.waitpid(pid, 0)[1])
"""


def test_a_termination_that_is_held_back_tells_its_sender_once():
    done = subprocess.run([sys.executable, "-c", HELD_BACK], capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
