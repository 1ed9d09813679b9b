"""`subnetlab study` in a real terminal: the bar, Ctrl-C by its key, and the same command again in a pipe."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from subnetlab.study import open_study

CELLS = 30
COMMAND = [
    *(sys.executable, "-m", "subnetlab", "study", "--dataset", "diabetes", "--n-samples", "30", "--jobs", "1"),
    *("--m", "1000", "--rounds", "100", "--p", "4", "--xi", "0.5", "--tau", "5", "--engine", "primal", "--seed"),
    *(*map(str, range(CELLS)), "--out"),
]
COLUMNS = 50


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def read(terminal, until=None):
    """What the terminal shows, up to a pattern or to the end."""
    shown = ""
    while until is None or not re.search(until, shown):
        try:
            arrived = os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        shown += arrived
    return shown


def test_the_bar_fits_and_ctrl_c_keeps_what_is_done(tmp_path):
    terminal, inner = pty.openpty()
    resize(inner, COLUMNS)
    leader = ["sh", "-c", 'exec "$@" < "$0"', os.ttyname(inner)]  # opening it makes it the session's own terminal
    process = subprocess.Popen([*leader, *COMMAND, str(tmp_path)], stdout=inner, stderr=inner, start_new_session=True)
    os.close(inner)
    wide = read(terminal, until=rf" 3/{CELLS} ")
    resize(terminal, COLUMNS - 15)
    narrow = read(terminal, until=rf" 6/{CELLS} ")
    os.write(terminal, b"\x03")  # the key; the terminal makes a signal of it
    end = read(terminal)
    assert process.wait(60) == 130
    os.close(terminal)
    bars = [frame for frame in (wide + narrow).split("\r") if "%|" in frame]
    assert sum(f" 0/{CELLS} " in bar for bar in bars) > 1  # the clock goes on while the first worker starts
    assert max(map(len, bars)) == COLUMNS - 1
    assert len(bars[-1]) == COLUMNS - 16
    assert re.search(r"cell/s|s/cell", bars[0])
    assert "Traceback" not in end
    assert end.endswith("subnetlab study: interrupted; finished cells are stored, the same command goes on\r\n")
    kept = open_study(tmp_path).counts()["ok"]
    assert 6 <= kept < CELLS

    piped = subprocess.run([*COMMAND, str(tmp_path), "--json"], check=True, capture_output=True, text=True)
    assert piped.stderr == ""
    counts = json.loads(piped.stdout)
    assert (counts["ok"], counts["reused"]) == (CELLS, kept)
