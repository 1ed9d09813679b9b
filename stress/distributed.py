"""Random faults over one run on two machines (network namespaces), two workers each: the bits must not notice.

    python stress/distributed.py [--faults 50] [--kinds kill again exception stop cut] [--script]

The run is of the shallow network, or with ``--script`` of a convolutional one, by a training script, on machines that
share no folder, which may lose their disks (``--kinds ... disk``). The error (or the
loss) of every round, also of those that were done again after a fault, and the weights at the end must have the bits of
one process that nothing disturbs. Reported per kind, here and in docs/reliability.md: seconds from the last fault to
the first round that had not been done before. Timeout 5 s, patience 4 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from distributed_namespaces import available, machines
from pages import put_between_marks

import subnetlab as sl

if TYPE_CHECKING:
    from distributed_namespaces import Machine

KINDS = ("kill", "again", "exception", "stop", "cut")
OF_SCRIPTS = ("disk",)
TIMEOUT, PATIENCE = 5.0, 4.0
LIMITS = {"kill": 5.0, "again": 5.0, "disk": 5.0, "exception": 5.0, "stop": TIMEOUT + 35, "cut": TIMEOUT + 10}
NAMES = {
    "kill": "kill -9 of a worker",
    "again": "kill -9 of a worker, and of another while they begin again",
    "disk": "kill -9 of a worker, and a machine loses its checkpoints",
    "exception": "exception in a worker (SIGINT)",
    "stop": f"SIGSTOP of a worker (timeout {TIMEOUT:.0f} s)",
    "cut": f"network cut of a machine, for 2 to 20 s (timeout {TIMEOUT:.0f} s, patience {PATIENCE:.0f} s)",
}
SIGNALS = {"kill": signal.SIGKILL, "exception": signal.SIGINT, "stop": signal.SIGSTOP}
SCRIPT = Path(__file__).with_name("launched_script.py")
GAP = (5, 30)  # new rounds between two faults
RECOVERY = (0.0, 2.0)  # seconds after the start of a worker that begins again
CUT = (2.0, 20.0)  # seconds without network: shorter and longer than it takes to go on without the other machine


class Log:
    """What rank 0 wrote, read again and again."""

    def __init__(self, path: Path, round_event: str) -> None:
        self._path, self.round_event = path, round_event

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""
        if not self._path.exists():
            return []
        lines = self._path.read_text().splitlines(keepends=True)
        events = (json.loads(line) for line in lines if line.endswith("\n"))
        return [event for event in events if event["event"] == kind]

    def newest_round(self) -> int:
        """Return the number of rounds done."""
        return max((event["rounds"] for event in self.events(self.round_event)), default=0)

    def wait_for_round(self, round: int, seconds: float = 600.0) -> float:
        """Wait until a round is done; return when it was first done."""
        deadline = time.time() + seconds
        while time.time() < deadline:
            times = [event["time"] for event in self.events(self.round_event) if event["rounds"] >= round]
            if times:
                return min(times)
            time.sleep(0.02)
        raise TimeoutError(f"round {round} was not done within {seconds} s")


def launch(machine: Machine, folder: Path, rounds: int, script: bool) -> subprocess.Popen[bytes]:
    """Start this machine's two workers."""
    options = {
        "--out": folder,
        "--workers": 4,
        "--local-workers": 2,
        "--machine": machine.number,
        "--address": "10.77.0.1:29555",
        "--timeout": TIMEOUT,
        "--patience": PATIENCE,
        "--max-restarts": 1000,
    }
    shallow = {"--dataset": "synthetic", "--p": 6, "--rounds": rounds, "--tau": 4, "--width": 2000}
    shallow["--checkpoint-every"] = 5
    arguments = [str(part) for option in (options | ({} if script else shallow)).items() for part in option]
    arguments += [str(SCRIPT), str(rounds)] if script else []
    return subprocess.Popen(machine.command(sys.executable, "-m", "subnetlab.cli.main", "launch", *arguments))


def strike(kind: str, made: list[Machine], folders: list[Path], log: Log, chance: random.Random) -> tuple[float, float]:
    """Do the harm; return when, and when the network was restored (or the same time)."""
    if kind != "cut":
        pids = log.events("begin")[-1]["pids"]
        pid = chance.choice(pids)
        if kind == "again":
            agent = chance.choice([parent_of(other) for other in pids if other != pid])
            os.kill(pid, signal.SIGKILL)
            return kill_in_recovery(agent, pids, chance.uniform(*RECOVERY))
        if kind == "disk":
            for file in chance.choice(folders).glob("training-*"):
                file.unlink(missing_ok=True)
        now = time.time()
        os.kill(pid, SIGNALS.get(kind, signal.SIGKILL))
        return now, now
    machine, now = chance.choice(made), time.time()
    machine.cut()
    time.sleep(chance.uniform(*CUT))
    machine.restore()
    return now, time.time()


def kill_in_recovery(agent: int, before: list[int], seconds: float) -> tuple[float, float]:
    """Kill a worker some time after it began again: it loads, meets the others, or reads the checkpoint."""
    while True:
        pid = new_child(agent, before)
        time.sleep(seconds)
        now = time.time()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it lost the others, and another one takes its place
            before = [*before, pid]
        else:
            return now, now


def parent_of(pid: int) -> int:
    """Return the process that started another one: a worker's agent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def new_child(agent: int, before: list[int], seconds: float = 60.0) -> int:
    """Wait until an agent has another worker than before; return it."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        children = map(int, Path(f"/proc/{agent}/task/{agent}/children").read_text().split())
        for child in children:
            if child not in before:
                return child
        time.sleep(0.01)
    raise TimeoutError(f"agent {agent} did not start another worker within {seconds} s")


def main() -> int:
    """Run the faults; return 0 if all limits are met."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--kinds", nargs="+", choices=KINDS + OF_SCRIPTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--script", action="store_true", help="a convolutional network by a script")
    options = parser.parse_args()
    kinds = options.kinds or (*KINDS, *(OF_SCRIPTS if options.script else ()))
    if not options.script and "disk" in kinds:
        parser.error("disk is for --script: the machines of the shallow job share a folder")
    if not available():
        print("distributed: skipped, network namespaces need root", file=sys.stderr)
        return 0
    chance = random.Random(options.seed)
    rounds = options.faults * 120 + 50
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="subnetlab-stress-") as scratch, machines(2) as made:
        folders = [Path(scratch, f"run-{machine.number if options.script else 0}") for machine in made]
        folder = folders[0]
        log = Log(folder / "log.jsonl", "script_round" if options.script else "round")
        processes = [launch(machine, own, rounds, options.script) for machine, own in zip(made, folders, strict=True)]
        log.wait_for_round(3)
        for number in range(options.faults):
            kind = kinds[number % len(kinds)]
            log.wait_for_round(log.newest_round() + chance.randint(*GAP))
            before = log.newest_round()
            struck, restored = strike(kind, made, folders, log, chance)
            # a round may end between the look at the log and the fault: the one after it is new for sure
            resumed = log.wait_for_round(max(before + 2, 1 + _newest(log, struck)))
            seconds[kind].append(resumed - struck)
            print(
                f"{number + 1:3d} {kind:<10} round {before:5d}  new round after {resumed - struck:6.2f} s"
                + (f", network back after {restored - struck:.1f} s" if kind == "cut" else ""),
                flush=True,
            )
        (folder / "stop").touch()  # the rest of the rounds would show nothing new
        codes = [process.wait(timeout=600) for process in processes]
        done = log.newest_round()
        same = _same_script(folder, done, log) if options.script else _same(sl.load_run(folder / "run.npz"), log)
    return _verdict(seconds, codes, same, done, "script" if options.script else "distributed")


def _newest(log: Log, when: float) -> int:
    """Return the newest round done before a time."""
    return max((event["rounds"] for event in log.events(log.round_event) if event["time"] <= when + 0.05), default=0)


def _same(run: sl.TrainingRun, log: Log) -> bool:
    """Return whether one process, undisturbed, gives these bits, also in the rounds that were done again."""
    options = {"engine": "distributed", "record": "subnetworks"}
    scheme = sl.TrainingScheme(**{**vars(run.scheme), "rounds": run.history.rounds})
    alone = sl.train(run.initial_network, run.data.X, run.data.y, scheme, **options)
    rounds = _same_rounds(log, "full_error", alone.history.full_error[1:].tolist())
    weights = alone.network.weights.tobytes() == run.network.weights.tobytes()
    return rounds and weights and alone.history == run.history


def _same_rounds(log: Log, name: str, expected: list[float]) -> bool:
    """Return whether every round that the log names has the error of the undisturbed process, bit for bit."""
    wrong = [event for event in log.events(log.round_event) if event[name] != expected[event["rounds"] - 1]]
    for event in wrong:
        print(f"other bits: {event}, not {expected[event['rounds'] - 1]!r}", file=sys.stderr)
    return not wrong


def _same_script(folder: Path, rounds: int, log: Log) -> bool:
    """Return whether the script in one process, undisturbed, has the same losses, weights and optimiser state."""
    from safetensors.numpy import load_file

    alone, losses = folder / "alone.safetensors", folder / "losses.txt"
    subprocess.run([sys.executable, str(SCRIPT), str(rounds), str(alone), str(losses)], check=True)
    if not _same_rounds(log, "loss", [float(line) for line in losses.read_text().splitlines()]):
        return False
    mine, theirs = load_file(alone), load_file(folder / "training-1.safetensors")
    return mine.keys() == theirs.keys() and all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)


def _verdict(seconds: dict[str, list[float]], codes: list[int], same: bool, rounds: int, marks: str) -> int:
    bits = f"same bits as one undisturbed process, in every round: {'yes' if same else 'NO'}"
    lines = [
        f"{sum(map(len, seconds.values()))} faults in {rounds} rounds; {bits}; {os.cpu_count()} processors, "
        f"load at the end {os.getloadavg()[1]:.0f}.",
        "",
        "| fault | how often | new round after: median | worst | limit for the median | as promised |",
        "|---|---|---|---|---|---|",
    ]
    met = same
    for kind, times in seconds.items():
        kept = median(times) < LIMITS[kind]
        met &= kept
        numbers = f"{len(times)} | {median(times):.2f} s | {max(times):.2f} s | {LIMITS[kind]:.0f} s"
        lines.append(f"| {NAMES[kind]} | {numbers} | {'yes' if kept else 'NO'} |")
    print(f"exit codes {codes}", *lines, sep="\n")
    put_between_marks("reliability.md", marks, lines)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
