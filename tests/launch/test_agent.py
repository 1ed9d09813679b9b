"""A worker is followed by another until one succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from subnetlab.launch import agent

SCRIPT = """
import os, signal, sys, time
from subnetlab.launch import agent

agent._PAUSE = 0.0

def work(attempt, progress):
    print(attempt, os.getpid(), flush=True)
    return {work}

sys.exit(agent.keep(work, max_restarts=3, silence={silence}, stop=lambda: print("stop", flush=True)))
"""


def script(work):
    return SCRIPT.format(work=work, silence=2.0 if "STOP" in work or "sleep(5)" in work or "65 if" in work else 60.0)


@pytest.mark.parametrize(
    ("work", "lives", "code"),
    [
        ("0", 1, 0),
        ("1 if attempt < 2 else 0", 3, 0),
        ("1", 4, 1),
        ("agent.FAILED", 1, agent.FAILED),  # another attempt would not help
        ("os._exit(2)", 4, 1),  # a library that ends the process counts as a failure
        ("1 / attempt and 0", 2, 0),
        ("os.kill(os.getpid(), signal.SIGKILL) if attempt < 1 else 0", 2, 0),
        ("os.kill(os.getpid(), signal.SIGSTOP) if attempt < 1 else 0", 2, 0),
        ("time.sleep(5) or 0", 1, 0),  # slow is not silent
        ("agent.LOST if attempt < 20 else 0", 21, 0),  # the loss of others is no failure of this one
        ("agent.LOST", 101, agent.LOST),  # but for ever it is
        ("progress() or (1 if attempt < 9 else 0)", 10, 0),  # failures with something completed in between
        ("(progress() or 1) if attempt < 2 else 1", 5, 1),
        ("progress.at_work(True) or time.sleep(65 if attempt < 2 else 0) or 0", 3, 0),  # no step for too long
        ("progress.at_work(True) or progress.at_work(False) or time.sleep(5) or 0", 1, 0),  # nobody waits for a step
    ],
)
def test_lives(work, lives, code):
    command = [sys.executable, "-c", script(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code
    assert [line.split()[0] for line in done.stdout.splitlines()] == [str(i) for i in range(lives)]
    assert ("ZeroDivisionError" in done.stderr) == ("/" in work)
    assert done.stderr.count("no local step for 2 s, here:") == 2 * ("65 if" in work)
    assert ("in work" in done.stderr) == ("/" in work or "65 if" in work)  # a trace of where it hung


@pytest.mark.parametrize("by_parent", [True, False], ids=["of the parent", "of a batch system"])
def test_a_request_to_terminate(by_parent):
    """The parent is torchrun, which ends its agents to begin again; anybody else asks the job to end in good order."""
    command = [sys.executable, "-c", script("time.sleep(60)")]
    agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    worker = int(agent.stdout.readline().split()[1])
    if by_parent:
        agent.terminate()
        assert agent.wait(300) == 1
    else:
        for pid in (worker, agent.pid):
            subprocess.run(["sh", "-c", f"kill -TERM {pid}"], check=True)
        assert agent.stdout.readline() == "stop\n"
        assert is_alive(worker)
        agent.kill()
        agent.wait()
    agent.stdout.close()
    wait_until_dead(worker)


def test_what_is_prepared_for_the_next_attempt():
    """The agent prepares while an attempt goes on that has completed something, and every fork after that has it."""
    work = (
        "(print('ready' in os.environ, flush=True), attempt % 2 == 0 and (progress(), progress())) and int(attempt < 3)"
    )
    meanwhile = "meanwhile=lambda: os.environ.update(ready=print('meanwhile', flush=True) or '1')"
    command = [sys.executable, "-c", script(work).replace("stop=", f"{meanwhile}, stop=")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0
    said = [line for line in done.stdout.splitlines() if not line[0].isdigit()]
    assert said == ["False", "meanwhile", "True", "True", "meanwhile", "True"]


def test_a_log_on_a_full_disk_changes_nothing():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", script("1 / attempt and 0")]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, timeout=300, check=False)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1"]


def test_a_worker_dies_with_its_agent():
    agent = subprocess.Popen([sys.executable, "-c", script("time.sleep(60)")], stdout=subprocess.PIPE, text=True)
    worker = int(agent.stdout.readline().split()[1])
    agent.kill()
    agent.wait()
    agent.stdout.close()
    wait_until_dead(worker)


ORPHAN = """(
    print("child", (child := os.fork()) or time.sleep(300), flush=True) or os.kill(os.getpid(), signal.{signal})
    if attempt < 1 else 0
)"""


@pytest.mark.parametrize("end", ["SIGKILL", "SIGSTOP"])
def test_a_worker_that_leaves_a_child_behind_is_followed_all_the_same(end):
    """The child holds whatever the worker held; it dies with the worker."""
    code = script(ORPHAN.format(signal=end))
    agent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        attempt, child = agent.stdout.readline().split()[0], int(agent.stdout.readline().split()[1])
        assert attempt == "0"
        assert agent.stdout.readline().split()[0] == "1"
        assert agent.wait(300) == 0
        wait_until_dead(child)
    finally:
        agent.kill()
        agent.wait()
        agent.stdout.close()


def test_a_worker_without_descriptors_for_processes_is_followed_all_the_same():
    """Where Linux is older than 5.3."""
    code = script("os.kill(os.getpid(), signal.SIGKILL) if attempt < 1 else 0")
    code = code.replace("agent._PAUSE", "del os.pidfd_open\nagent._PAUSE")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


UNDER_TORCHRUN = """
import os, time
from torch.multiprocessing import ProcessExitedException, start_processes
from subnetlab.launch import agent, launcher, process

def work(attempt, progress):
    child = os.fork() or time.sleep(300)
    print(os.getppid(), child, flush=True)
    time.sleep(300)

def be_agent(rank):
    launcher._be_agent([])

process.main = lambda words: agent.keep(work, max_restarts=0, silence=60.0)
os.environ |= {launcher.PARENT: str(os.getpid()), launcher._LOCK: str(os.open(os.devnull, os.O_RDONLY))}
agents = start_processes(be_agent, nprocs=1, join=False, start_method="fork")
try:
    while not agents.join():
        pass
    print("no failure")
except ProcessExitedException as error:
    print("code", error.exit_code)
"""


@pytest.mark.parametrize(("end", "code"), [("SIGKILL", -signal.SIGKILL), ("SIGINT", 1)])
def test_torchrun_sees_the_end_of_an_agent(torch, end, code):
    """Though a child of its worker, which has forked it, outlives both."""
    torchrun = subprocess.Popen([sys.executable, "-c", UNDER_TORCHRUN], stdout=subprocess.PIPE, text=True)
    agent, child = map(int, torchrun.stdout.readline().split())
    try:
        os.kill(agent, getattr(signal, end))
        assert torchrun.stdout.readline() == f"code {code}\n"
    finally:
        torchrun.kill()
        torchrun.wait()
        torchrun.stdout.close()
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def wait_until_dead(worker):
    deadline = time.monotonic() + 300
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(worker)


def is_alive(pid):
    """Return whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
