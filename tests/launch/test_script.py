"""A training script under `subnetlab launch` and under plain torchrun: real processes, the bits of one process."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

torch = pytest.importorskip("torch")

from subnetlab.launch.launcher import TextFile  # noqa: E402
from subnetlab.launch.rendezvous import listen  # noqa: E402

SCRIPT = """
import os, sys, time
from pathlib import Path

in_memory = [name in sys.modules for name in ("subnetlab.modules.cutting", "torch.utils.benchmark")]
import torch
import torch.utils.benchmark

import subnetlab as sl

mark, rounds = Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(6, 13), torch.nn.ReLU(), torch.nn.Linear(13, 3))
x, y = torch.randn(40, 6), torch.randint(3, (40,))
scheme = sl.independent_subnets(4, rounds=rounds, local_steps=2, batch_size=8)
training = sl.ModuleTraining(
    sl.cut(model, x[:2]), scheme, optimizer=lambda params: torch.optim.AdamW(params, lr=0.01), state="travels",
    checkpoint_every=3,
)
print("begins after round", training.rounds_done)
print("in memory", *in_memory)
for round in training.rounds():
    for subnet in round:
        for xb, yb in subnet.batches((x, y)):
            subnet.step(torch.nn.functional.cross_entropy(subnet.module(xb), yb))
    for fault in mark.glob(f"{training.workers.rank}-{round.index}-*"):
        what = fault.name.split("-")[2]
        fault.unlink()
        if what == "lose":
            for file in Path(os.environ["OUT"]).glob("training-*"):
                file.unlink()
        if what in ("kill", "lose"):
            os.kill(os.getpid(), 9)
        while what == "hang":
            time.sleep(1)
        if what == "edit":
            with open(__file__, "a") as file:
                file.write("# another text")
            os.kill(os.getpid(), 9)
        if what == "raise":
            raise ValueError("a fault of its own")
        if what == "stop":
            (Path(os.environ["OUT"]) / "stop").touch()
said = ["weights", *(float(t.double().sum()) for t in training.model.state_dict().values())]
os.write(1, (" ".join(map(str, said)) + "\\n").encode())  # at once: torchrun's workers write to one stream
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "train.py"
    file.write_text(SCRIPT)
    (tmp_path / "faults").mkdir()
    return file


def run(command, code=0, text="", **environment):
    done = subprocess.run(
        [*map(str, command)],
        env=ENVIRONMENT | environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def weights(output):
    (line,) = {line for line in output.splitlines() if line.startswith("weights")}
    return line


def launch(script, out, *words, workers=3, code=0, rounds=8):
    command = [sys.executable, "-m", "subnetlab", "launch", "--workers", workers, "--out", out, "--quiet", *words]
    return run([*command, script, script.parent / "faults", rounds], code, OUT=str(out))


@cache
def alone():
    """The weights that one process ends with, after eight rounds."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "train.py")
        file.write_text(SCRIPT)
        return weights(run([sys.executable, file, folder, 8]).stdout)


def test_faults_leave_no_trace_in_the_bits(tmp_path, script):
    """One worker is killed in the fourth round, another fails in the seventh."""
    for fault in ("1-3-kill", "0-6-raise"):
        (tmp_path / "faults" / fault).touch()
    done = launch(script, tmp_path / "out")
    assert weights(done.stdout) == alone()
    assert [line for line in done.stdout.splitlines() if line.startswith("begins")] == [
        f"begins after round {k}" for k in (0, 3, 6)
    ]
    assert done.stdout.count("in memory True False") == 1
    assert done.stdout.count("in memory True True") == 2
    assert done.stderr.count("the script begins again") == 2
    with open(tmp_path / "out" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rounds"]) for row in rows] == list(range(1, 9))
    assert all(int(row["workers"]) == 3 and int(row["bytes_sent"]) > 0 for row in rows)


def test_workers_that_hang_between_rounds_are_replaced(tmp_path, script):
    """One that hangs, then the one that serves the store in which the others meet."""
    for fault in ("1-3-hang", "0-5-hang"):
        (tmp_path / "faults" / fault).touch()
    # on a busy machine all three stood still for five seconds once, and their agents replaced them without a word
    done = launch(script, tmp_path / "out", "--timeout", "12", "--patience", "4")
    assert weights(done.stdout) == alone()
    for rank in (0, 1):
        log = (tmp_path / "out" / f"worker-0-{rank}.log").read_text()
        assert "the others have begun again without this worker, and 2 s later it was, here:" in log


def test_disks_of_two_machines_are_lost_one_after_the_other(tmp_path, script, host):
    """Each has a folder of its own. The second one loses its checkpoint, then the first one does."""
    for fault in ("1-3-lose", "0-6-lose"):
        (tmp_path / "faults" / fault).touch()
    outs = [tmp_path / "first", tmp_path / "second"]
    free = listen(host, 0)
    several = ["--local-workers", 1, "--address", "{}:{}".format(*free.getsockname())]
    free.close()
    with ThreadPoolExecutor(2) as pool:
        machines = [
            pool.submit(launch, script, out, *several, "--machine", number, workers=2)
            for number, out in enumerate(outs)
        ]
        said, other = (machine.result().stdout for machine in machines)
    assert [line for line in said.splitlines() if line.startswith("begins")] == [
        f"begins after round {k}" for k in (0, 3, 6)
    ]
    assert weights(said) == weights(other) == alone()
    assert "going on from that of worker 1, after round 6" in (outs[0] / "worker-0-0.log").read_text()
    for name in ("training-1.safetensors", "training-1.safetensors.before"):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


ENDLESS = """
# what nobody tells to end, which an orderly end does not wait for
import multiprocessing, threading, time
threading.Thread(target=threading.Event().wait).start()
multiprocessing.Process(target=time.sleep, args=(300,)).start()
"""


def test_an_orderly_end_and_going_on_with_other_workers_and_more_rounds(tmp_path, script):
    (tmp_path / "faults" / "1-3-stop").touch()
    script.write_text(ENDLESS + SCRIPT)
    done = launch(script, tmp_path / "out", code=130, rounds=6)
    script.write_text(SCRIPT)
    assert "stopped after a checkpoint" in done.stderr
    assert "weights" not in done.stdout
    again = launch(script, tmp_path / "out", workers=2)
    assert again.stdout.startswith(("begins after round 4", "begins after round 5"))
    assert weights(again.stdout) == alone()


WAYS_TO_END = """
except KeyboardInterrupt:
    if training.workers.rank == 0:
        sys.exit(130)
    if training.workers.rank == 1:
        raise ValueError("an end of its own")
print("the last line")
"""


def test_a_script_that_is_stopped_may_end_as_it_likes(tmp_path, script):
    """Worker 0 exits with a code, worker 1 raises an error, and worker 2 goes on to its last line."""
    (tmp_path / "faults" / "1-3-stop").touch()
    before, loop = SCRIPT.split("for round in", 1)
    loop = "\n".join("    " + line for line in f"for round in{loop}".split("said =")[0].splitlines())
    script.write_text(f"{before}try:\n{loop}\n{WAYS_TO_END}")
    done = launch(script, tmp_path / "out", code=130)
    assert done.stdout.count("begins") == 1
    assert "stopped after a checkpoint" in done.stderr
    assert "the last line" in (tmp_path / "out" / "worker-0-2.log").read_text()


IN_A_THREAD = """
import runpy, threading
from pathlib import Path

train = str(Path(__file__).with_name("train.py"))
thread = threading.Thread(target=runpy.run_path, args=(train,), kwargs={"run_name": "__main__"})
thread.start()
thread.join()
"""


def test_a_training_in_a_thread_is_stopped_and_survives_a_fault(tmp_path, script):
    for fault in ("1-3-kill", "0-5-stop"):
        (tmp_path / "faults" / fault).touch()
    file = tmp_path / "threaded.py"
    file.write_text(IN_A_THREAD)
    done = launch(file, tmp_path / "out", code=130)
    assert done.stderr.count("the script begins again") == 1
    assert "stopped after a checkpoint" in done.stderr
    again = launch(file, tmp_path / "out", workers=2)
    assert again.stdout.startswith("begins after round 6")
    assert weights(again.stdout) == alone()


def test_a_checkpoint_with_one_other_bit(tmp_path, script, with_a_bit_changed):
    """The one before it counts, with the same bits in the end; where that is damaged, too, the launch says so."""
    newest, before = (tmp_path / "out" / name for name in ("training-1.safetensors", "training-1.safetensors.before"))
    launch(script, tmp_path / "out", workers=2, rounds=6)
    damaged = with_a_bit_changed(newest.read_bytes(), "entry/0.weight")
    newest.write_bytes(damaged)
    again = launch(script, tmp_path / "out", workers=2)
    assert "begins after round 3\n" in again.stdout
    assert "going on from the checkpoint before it, after round 3" in again.stdout
    assert weights(again.stdout) == alone()
    newest.write_bytes(damaged)
    before.write_bytes(with_a_bit_changed(before.read_bytes(), "state/0.weight/exp_avg"))
    refused = launch(script, tmp_path / "out", workers=2, code=1)
    assert "training-1.safetensors: not a readable subnetlab-module-run file (its checksum must be" in refused.stderr
    assert "weights" not in refused.stdout


def test_rates_decide_the_bits_and_workers_do_not(tmp_path, script):
    """The oracle is told the rates by the script itself."""
    rated = script.with_name("rated.py")
    rated.write_text(SCRIPT.replace("checkpoint_every=3", "rates=(1, 1, 0.5)"))
    expected = weights(run([sys.executable, rated, tmp_path / "faults", 8]).stdout)
    done = launch(script, tmp_path / "out", "--rates", "1", "1", "0.5", "--device", "cpu", workers=2)
    assert weights(done.stdout) == expected
    done = launch(script, tmp_path / "out", "--rates", "1", "1", workers=1, code=1, rounds=9)
    assert "rates: [1.0, 1.0, 0.5] there, [1.0, 1.0] here" in done.stderr
    done = launch(script, tmp_path / "new", "--rates", "1", "2", workers=2, code=2)
    assert done.stderr.startswith("subnetlab launch: rates must be in (0, 1]")
    assert not (tmp_path / "new").exists()
    done = launch(script, tmp_path / "new", "--rates", "--threads", "1", workers=2, code=2)
    assert done.stderr == "subnetlab launch: rates must be one or more numbers, got none\n"


def test_an_error_of_the_script_itself(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("import subnetlab as sl\nsl.cut(None, None)\n")
    done = launch(file, tmp_path / "out", workers=2, code=1)
    assert "wrong.py failed twice alike: " in done.stderr
    assert "Traceback" in (tmp_path / "out" / "worker-0-1.log").read_text()
    events = [json.loads(line)["event"] for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert events == ["begin", "begin", "end"]
    told = run([sys.executable, "-m", "subnetlab", "launch", "status", tmp_path / "out"]).stdout
    assert f"{tmp_path / 'out'}: failed, 0 rounds, 2 workers, 1 restart: launch: " in told
    assert told.split("alike: ")[1] == done.stderr.split("alike: ")[1]


def test_a_folder_that_is_gone_at_the_end(tmp_path):
    """With it are the checkpoints, which nothing but a warning of the worker tells."""
    file = tmp_path / "remove.py"
    file.write_text("import os, shutil\nshutil.rmtree(os.environ['OUT'])")
    done = launch(file, tmp_path / "out", workers=1, code=1)
    assert "launch: --out must stay while the job runs, got " in done.stderr


def test_a_script_that_is_edited_while_it_runs(tmp_path, script):
    """Its rounds would be of two texts."""
    (tmp_path / "faults" / "1-3-edit").touch()
    done = launch(script, tmp_path / "out", workers=2, code=1)
    assert f"launch: script must stay as it is while its job runs, got another text in {script}" in done.stderr
    assert "weights" not in done.stdout


ALL_ALIKE = "rounds, training.model, training.entries, save and export must be asked for by all workers alike, got "


LEAVES = """
    if training.workers.rank and round.index == 3:
        break
    for fault in"""


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        ("\nsaid =", "\nif training.workers.rank: sys.exit()\nsaid =", ["the whole network", "the end of the script"]),
        ("\n    for fault in", LEAVES, ["a round", "the whole network"]),
    ],
    ids=["the last line of worker 0 alone", "a worker that leaves the loop"],
)
def test_workers_that_part_end_the_job_at_once(tmp_path, script, old, new, places):
    """Each would wait for the other until its time is up, and again after every restart."""
    script.write_text(SCRIPT.replace(old, new))
    done = launch(script, tmp_path / "out", workers=2, code=1)
    first, second = places
    assert f"{ALL_ALIKE}worker 0 waiting at {first}" in done.stderr
    assert f" and worker 1 at {second}" in done.stderr
    assert "begins again" not in done.stderr
    for rank in range(2):
        assert "waiting, or at work, here:" in (tmp_path / "out" / f"worker-0-{rank}.log").read_text()


def test_a_character_that_is_written_in_two_parts(tmp_path):
    file = tmp_path / "log"
    text = TextFile(file)
    assert text.more() == ""
    file.write_bytes("é".encode()[:1])
    assert text.more() == ""
    file.write_bytes("éa".encode() + b"\xc3")
    assert text.more() == "éa"
    assert text.more(last=True) == "\ufffd"


def test_every_worker_has_random_numbers_of_its_own(tmp_path, script):
    """All are forks of one process; weights that nobody seeded must not be alike by chance, and are refused."""
    (tmp_path / "unseeded.py").write_text(
        SCRIPT.replace("torch.manual_seed(0)", "import numpy; print('drawn', numpy.random.random(), flush=True)")
    )
    done = launch(tmp_path / "unseeded.py", tmp_path / "out", workers=2, code=1)
    assert "the network's first weights (seed torch before it is made) must be the same on all workers" in done.stderr
    logs = [(tmp_path / "out" / f"worker-0-{rank}.log").read_text() for rank in range(2)]
    assert logs[0].split("drawn ")[1].split()[0] != logs[1].split("drawn ")[1].split()[0]


PROGRAM = """
import atexit, gzip, multiprocessing, os, subprocess, sys, threading, time
from pathlib import Path

def late():
    threading.main_thread().join()
    (folder / "thread").write_text("ran")

if __name__ == "__main__":
    left_behind = os.fork()
    if not left_behind:
        os.closerange(0, 3)  # the test waits for their end
        time.sleep(300)
        os._exit(0)
    multiprocessing.set_start_method("fork")
    folder = Path(sys.argv[1]) / os.environ.get("RANK", "0")
    folder.mkdir(parents=True)
    (folder / "left").write_text(str(left_behind))
    unclosed = open(folder / "file", "w")
    unclosed.write("written")
    packed = gzip.open(folder / "packed", "wb")
    packed.write(b"written")
    atexit.register(lambda: (folder / "exit").write_text("ran"))
    threading.Thread(target=late).start()
    daemon, ended = (multiprocessing.Process(target=time.sleep, args=(300,), daemon=True) for _ in range(2))
    daemon.start()
    ended.start()
    ended.terminate()
    ended.join()
    (folder / "daemon").write_text(str(daemon.pid))
    print(sys.stdin.read(), multiprocessing.current_process().name, multiprocessing.parent_process(), ended.exitcode)
    subprocess.run([sys.executable, Path(__file__).with_name("child.py")], check=True)
"""
CHILD = """
import os, tempfile
import neighbour

print(neighbour.NAME, tempfile.gettempdir(), os.environ.get("PYTHONPATH"), os.environ.get("PYTHONSAFEPATH"))
"""


def test_a_script_begins_and_ends_as_in_python(tmp_path, host):
    """And what it leaves behind does not hold the address."""
    file, here, there = tmp_path / "program.py", tmp_path / "here", tmp_path / "there"
    for name, text in {"program": PROGRAM, "child": CHILD, "neighbour": "NAME = 'beside it'"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    free = listen(host, 0)
    port = free.getsockname()[1]
    free.close()
    command = ["launch", "--workers", 2, "--out", tmp_path / "out", "--quiet", "--address", f"{host}:{port}"]
    folders = (here / "0", there / "0", there / "1")
    try:
        expected = run([sys.executable, file, here], text="rows").stdout
        found = run([sys.executable, "-m", "subnetlab", *command, file, there], text="rows").stdout
        listen(host, port).close()
        assert found == expected
        assert found.startswith("rows MainProcess None -15\nbeside it /")
        other = (tmp_path / "out" / "worker-0-1.log").read_text()
        assert other == expected.removeprefix("rows")  # which the first one reads
        for folder in folders:
            assert gzip.decompress((folder / "packed").read_bytes()) == b"written"
            found = {name: (folder / name).read_text() for name in ("file", "exit", "thread")}
            assert found == {"file": "written", "exit": "ran", "thread": "ran"}
            with pytest.raises(ProcessLookupError):
                os.kill(int((folder / "daemon").read_text()), 0)
    finally:
        for file in tmp_path.glob("*/*/left"):
            os.kill(int(file.read_text()), signal.SIGKILL)  # it is there


def test_plain_torchrun(tmp_path, script):
    """The group is the one that torchrun's variables name."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    output = run([*command, script, tmp_path / "faults", 8]).stdout
    assert weights(output) == alone()
    assert output.count("weights") == 2


def test_a_script_that_is_not_there(tmp_path):
    done = run([sys.executable, "-m", "subnetlab", "launch", "--workers", "2", tmp_path / "none.py"], 1)
    assert done.stderr.startswith("subnetlab launch: script must be a file, got ")
    done = run([sys.executable, "-m", "subnetlab", "launch", "--p", "2", Path(__file__)], 2)
    assert done.stderr.startswith("subnetlab launch: no such option or argument: --p")
