"""What a script has started dies with it; its beginning and end as a whole are in `test_script`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import multiprocessing, threading, time
from subnetlab.launch.ending import begin_like_a_program

begin_like_a_program()
by_main, by_another = (multiprocessing.Process(target=time.sleep, args=(300,), daemon=True) for _ in range(2))
by_main.start()
thread = threading.Thread(target=by_another.start)
thread.start()
thread.join()
by_another.terminate()
by_another.join()
print(by_main.pid, by_another.exitcode, flush=True)
time.sleep(300)
"""


def test_a_process_of_a_script_dies_with_it_and_not_with_the_thread_that_made_it():
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    child, code = map(int, script.stdout.readline().split())
    script.kill()
    script.wait()
    assert script.stdout.read() == ""  # at the end of the child, which holds it, too
    script.stdout.close()
    assert code == -15  # its thread had ended before
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()
