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

CELLS = 200  # more than any machine trains while the test looks at the bar
COMMAND = [
    *(sys.executable, "-m", "subnetlab", "study", "--dataset", "diabetes", "--n-samples", "30", "--jobs", "1"),
    *("--m", "1000", "--rounds", "300", "--p", "4", "--xi", "0.5", "--tau", "5", "--engine", "primal"),
]
COLUMNS = 50


def command(folder, cells):
    return [*COMMAND, "--out", str(folder), "--seed", *map(str, range(cells))]


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def read(terminal, enough=lambda shown: False):
    """What the terminal shows until it is enough, or to the end."""
    shown = ""
    while not enough(shown):
        try:
            arrived = os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        shown += arrived
    return shown


def bars(shown):
    return [frame for frame in shown.split("\r") if "%|" in frame]


def clock_went_on(shown):
    """Whether a narrow bar was drawn again with the same number of cells; the last frame may be cut short."""
    complete = [bar for bar in bars(shown.rpartition("\r")[0]) if len(bar) == COLUMNS - 16]
    counts = [number for bar in complete for number in re.findall(rf" (\d+)/{CELLS} ", bar)]
    return len(counts) > len(set(counts))


def test_the_bar_fits_and_ctrl_c_keeps_what_is_done(tmp_path):
    terminal, inner = pty.openpty()
    resize(inner, COLUMNS)
    leader = ["sh", "-c", 'exec "$@" < "$0"', os.ttyname(inner)]  # opening it makes it the session's own terminal
    process = subprocess.Popen([*leader, *command(tmp_path, CELLS)], stdout=inner, stderr=inner, start_new_session=True)
    os.close(inner)
    wide = read(terminal, lambda shown: re.search(rf" [1-9]\d*/{CELLS} ", shown))
    resize(terminal, COLUMNS - 15)
    read(terminal, clock_went_on)
    os.write(terminal, b"\x03")  # the key; the terminal makes a signal of it
    end = read(terminal)
    assert process.wait() == 130
    os.close(terminal)
    assert max(map(len, bars(wide))) == COLUMNS - 1
    assert re.search(r"cell/s|s/cell", bars(wide)[0])
    assert "Traceback" not in end
    assert end.endswith("subnetlab study: interrupted; finished cells are stored, the same command goes on\r\n")
    kept = open_study(tmp_path).counts()["ok"]
    assert 1 <= kept < CELLS

    piped = subprocess.run([*command(tmp_path, kept + 2), "--json"], check=True, capture_output=True, text=True)
    assert piped.stderr == ""
    counts = json.loads(piped.stdout)
    assert (counts["ok"], counts["reused"]) == (kept + 2, kept)
