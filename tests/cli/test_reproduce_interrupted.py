"""`reproduce` in a process of its own: killed or stopped at work, it goes on and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time

from subnetlab.study import open_study
from subnetlab.study.store import DATABASE

CELLS = 2 * 2 * 4  # seeds x p x tau
COMMAND = [
    *(sys.executable, "-m", "subnetlab", "reproduce", "--dataset", "diabetes", "--n-samples", "30", "--jobs", "1"),
    *("--figures", "2c", "--seeds", "2", "--categorical-subnetworks", "2", "4"),
    *(
        "--categorical-local-steps",
        "1",
        "2",
        "3",
        "5",
        "--width",
        "1000",
        "--rounds",
        "100",
        "--engine",
        "primal",
        "--out",
    ),
]
RESULTS = ["figure_2c.csv", "figure_2c_measures.csv", "verdicts.csv"]


def start_and_wait(out, results):
    process = subprocess.Popen(
        [*COMMAND, str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if (out / DATABASE).exists() and open_study(out).counts()["ok"] >= results:
                return process
        except OSError:  # its tables are being made
            continue
        time.sleep(0.01)
    raise AssertionError(f"{results} results were not seen: {process.communicate()}")


def kept(out):
    return open_study(out).counts()["ok"]


def test_nothing_is_lost(tmp_path):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "interrupted"
    subprocess.run([*COMMAND, str(undisturbed)], check=True, capture_output=True)

    process = start_and_wait(out, results=2)
    process.kill()
    process.communicate(timeout=60)
    after_kill = kept(out)
    assert 2 <= after_kill < CELLS

    process = start_and_wait(out, results=after_kill + 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the worker, too
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (130, False)
    assert "finished cells are stored, the same command goes on" in errors
    after_interrupt = kept(out)
    assert after_kill + 2 <= after_interrupt < CELLS
    assert not (out / "verdicts.csv").exists()

    subprocess.run([*COMMAND, str(out)], check=True, capture_output=True)
    log = (out / "study.log").read_text()
    for reused in (0, after_kill, after_interrupt):
        assert f"{CELLS} cells, {reused} with a result" in log
    for name in RESULTS:
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
    assert open_study(out).table().identical(open_study(undisturbed).table())
