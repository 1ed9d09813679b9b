"""DiLoCo by torchft beside ours: seconds and bytes of a round, accuracy, and what a kill -9 of one worker costs.

    python benchmarks/torchft_diloco.py [--torchft PYTHON] [--rounds 20] [--kill-round 8]

784-256-256-10 in float32 on Fashion-MNIST, two workers, each on a machine of its own (network namespaces, needs root).
Both begin with the same weights and take the same batches of 64 rows: 25 steps of SGD (rate 0.1) on each worker, then a
step of the outer optimiser (SGD with rate 0.7 and Nesterov momentum 0.9). So without faults the weights must agree up
to rounding, which is printed. torchft runs over gloo, with its lighthouse on the first machine; where the interpreter
that --torchft names (by default this one) cannot import it, the script says so and ends.

In a second run of each, worker 1 kills itself in the middle of a round. `subnetlab launch` starts it again; torchft
leaves that to others, so it is started again here at once. The seconds run from the kill to the first round after it
that had not been done before.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

WIDTHS, WORKERS, TAU, BATCH, RATE = (784, 256, 256, 10), 2, 25, 64, 0.1
LIGHTHOUSE, PORT = 29810, 29811
TIMEOUT = 10.0  # seconds after which either takes another worker for lost
FINAL = "final.npz"


def perceptron() -> Any:
    import torch

    torch.manual_seed(0)
    layers = [part for a, b in pairwise(WIDTHS) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


def inner_optimizer(parameters: Any) -> Any:
    import torch

    return torch.optim.SGD(parameters, lr=RATE)


def die_once(folder: Path, worker: int, round: int, step: int) -> None:
    """Kill this process in the middle of the round that a file names, and remove the file."""
    file = folder / "kill"
    if worker == 1 and step == TAU // 2 and file.exists() and int(file.read_text()) == round:
        file.unlink()
        (folder / "killed").write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)


def ours(folder: Path) -> None:
    """Be a worker of `subnetlab launch`."""
    import torch

    import subnetlab as sl

    with np.load(folder / "data.npz") as data:
        x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
        rounds = len(data["rows"])
    scheme = sl.diloco(WORKERS, rounds, TAU, batch_size=BATCH)
    training = sl.ModuleTraining(sl.cut(perceptron(), x[:2]), scheme, optimizer=inner_optimizer)
    for round in training.rounds():
        for subnet in round:
            for step, (batch, target) in enumerate(subnet.batches((x, y))):
                die_once(folder, training.workers.rank, round.index, step)
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(batch), target))
    state = training.model.state_dict()
    if training.workers.rank == 0:
        np.savez(folder / FINAL, **{name: tensor.numpy() for name, tensor in state.items()})


def theirs(folder: Path, worker: int, address: str, lighthouse: str) -> None:
    """Be a replica of torchft."""
    import socket

    socket.gethostname = lambda: address  # by this name the others fetch its state; here each machine has no name
    import torch
    from torchft.local_sgd import DiLoCo
    from torchft.manager import Manager
    from torchft.process_group import ProcessGroupGloo

    torch.set_num_threads(1)
    with np.load(folder / "data.npz") as data:
        x, y, rows = torch.from_numpy(data["x"]), torch.from_numpy(data["y"]), torch.from_numpy(data["rows"])
    model = perceptron()
    store = torch.distributed.TCPStore(address, 0, is_master=True, wait_for_workers=False)
    limit = timedelta(seconds=TIMEOUT)
    manager = Manager(
        pg=ProcessGroupGloo(timeout=limit),
        min_replica_size=1,
        load_state_dict=model.load_state_dict,
        state_dict=model.state_dict,
        replica_id=f"worker{worker}",
        store_addr=address,
        store_port=store.port,
        rank=0,
        world_size=1,
        lighthouse_addr=lighthouse,
        hostname=address,
        use_async_quorum=False,
        timeout=limit,
        init_sync=False,  # all begin with the same weights; else the first round is one replica's
    )
    inner = inner_optimizer(model.parameters())
    outer = torch.optim.SGD(model.parameters(), lr=0.7, momentum=0.9, nesterov=True)
    log = folder / f"theirs-{worker}.jsonl"
    with DiLoCo(manager, [model], inner, outer, sync_every=TAU):
        while (done := manager.current_step()) < len(rows):
            for step, batch in enumerate(rows[done, worker]):
                die_once(folder, worker, done, step)
                inner.zero_grad()
                torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
                inner.step()  # after the last one, DiLoCo's hook exchanges the updates
            after = {"rounds": manager.current_step(), "time": time.time(), "workers": manager.num_participants()}
            if after["rounds"] > done:
                with log.open("a") as file:
                    file.write(json.dumps(after) + "\n")
    if worker == 0:
        np.savez(folder / FINAL, **{name: tensor.numpy() for name, tensor in model.state_dict().items()})
    manager.shutdown(wait=False)
    os._exit(0)


def serve_lighthouse() -> None:
    """Be torchft's lighthouse: it waits for replicas that live, and leaves out one that has been silent for 5 s."""
    from torchft.coordination import LighthouseServer

    server = LighthouseServer(
        bind=f"0.0.0.0:{LIGHTHOUSE}", min_replicas=1, join_timeout_ms=int(1000 * TIMEOUT), heartbeat_timeout_ms=5000
    )
    print("ready", flush=True)
    sys.stdin.read()
    server.shutdown()


def run_ours(folder: Path, made: list) -> list[dict]:
    """Run the launch on both machines; return its rounds."""
    out = folder / "job"
    command = [sys.executable, "-m", "subnetlab.cli.main", "launch", "--quiet", "--workers", WORKERS, "--out", out]
    command += ["--local-workers", 1, "--address", f"{made[0].address}:{PORT}", "--timeout", TIMEOUT]
    processes = [
        subprocess.Popen(m.command(*map(str, [*command, "--machine", m.number, __file__, "--ours", folder])))
        for m in made
    ]
    if any(process.wait() for process in processes):
        raise RuntimeError("ours failed")
    events = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [event for event in events if event["event"] == "script_round"]


def run_theirs(folder: Path, made: list, python: str) -> list[dict]:
    """Run a replica of torchft on each machine; one that is killed is started again. Return the first one's rounds."""
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "eth", "OMP_NUM_THREADS": "1"}
    lighthouse = subprocess.Popen(
        made[0].command(python, __file__, "--lighthouse"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    lighthouse.stdout.readline()

    def start(machine: Any) -> subprocess.Popen:
        named = [str(machine.number), machine.address, f"http://{made[0].address}:{LIGHTHOUSE}"]
        with (folder / f"theirs-{machine.number}.log").open("a") as log:
            return subprocess.Popen(
                machine.command(python, __file__, "--theirs", str(folder), *named),
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # as torchrun starts ours: Linux shares processors out by sessions
            )

    replicas = [start(machine) for machine in made]
    while None in (codes := [replica.poll() for replica in replicas]):
        for number, code in enumerate(codes):
            if code:
                replicas[number] = start(made[number])
        time.sleep(0.05)
    lighthouse.communicate()
    return [json.loads(line) for line in (folder / "theirs-0.jsonl").read_text().splitlines()]


def prepared(folder: Path, rounds: int, kill_round: int | None) -> None:
    """Write the rows of Fashion-MNIST, and those of every batch, which are what `Subnet.batches` takes."""
    import subnetlab as sl
    from subnetlab.modules.batches import rows_of_step

    data = sl.load_dataset("fashion_mnist")
    where = [
        [
            [
                rows_of_step(0, worker, k * TAU + t, n_samples=len(data.X), batch_size=BATCH, shards=None)
                for t in range(TAU)
            ]
            for worker in range(WORKERS)
        ]
        for k in range(rounds)
    ]
    folder.mkdir()
    np.savez(folder / "data.npz", x=data.X.astype(np.float32), y=data.y.astype(np.int64), rows=np.array(where))
    if kill_round is not None:
        (folder / "kill").write_text(str(kill_round))


def accuracy(weights: dict[str, np.ndarray]) -> float:
    import subnetlab as sl

    data = sl.load_dataset("fashion_mnist")
    hidden = data.test_X.astype(np.float32)
    for i in (0, 2, 4):
        hidden = hidden @ weights[f"{i}.weight"].T + weights[f"{i}.bias"]
        hidden = hidden if i == 4 else np.maximum(hidden, 0)
    return float((hidden.argmax(1) == data.test_y).mean())


def first_time(events: list[dict], round: int) -> float:
    return min(event["time"] for event in events if event["rounds"] >= round)


def report(name: str, events: list[dict], sent: int, folder: Path, undisturbed: dict | None) -> dict:
    """Print the row of a run; return its weights."""
    with np.load(folder / FINAL) as file:
        weights = dict(file)
    rounds = max(event["rounds"] for event in events)
    seconds = statistics.median(b["time"] - a["time"] for a, b in pairwise(events))
    row = [name, f"{seconds:.2f}", f"{sent / WORKERS / rounds / 1e6:.2f}", f"{accuracy(weights):.4f}"]
    if undisturbed is not None:
        struck = float((folder / "killed").read_text())
        before = max(event["rounds"] for event in events if event["time"] < struck)
        same = all(weights[name].tobytes() == undisturbed[name].tobytes() for name in weights)
        alone = sum(event["workers"] < WORKERS for event in events)
        row += [f"{first_time(events, before + 1) - struck:.1f}", str(alone), "yes" if same else "no"]
    print("|", " | ".join(row), "|", flush=True)
    return weights


def main() -> int:
    """Run both, or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torchft", default=sys.executable, help="a Python that can import torchft")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kill-round", type=int, default=8)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--theirs", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--lighthouse", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours is not None:
        ours(options.ours)
    elif options.theirs is not None:
        folder, worker, *addresses = options.theirs
        theirs(Path(folder), int(worker), *addresses)
    elif options.lighthouse:
        serve_lighthouse()
    else:
        return compare(options)
    return 0


def compare(options: argparse.Namespace) -> int:
    sys.path.append(str(Path(__file__).resolve().parent.parent / "stress"))
    from distributed_namespaces import available, machines

    found = subprocess.run([options.torchft, "-c", "import torchft"], capture_output=True, text=True, check=False)
    if found.returncode:
        print(f"torchft_diloco: skipped, {options.torchft} has no torchft ({found.stderr.splitlines()[-1]})")
        return 0
    if not available():
        print("torchft_diloco: skipped, network namespaces need root")
        return 0
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[1]:.0f}")
    print("| | s per round | MB per worker and round | test accuracy | s after a kill | rounds by one | same bits |")
    print("|---|---|---|---|---|---|---|")
    weights: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch, machines(WORKERS) as made:
        for kill_round in (None, options.kill_round):
            for name in ("subnetlab", "torchft"):
                folder = Path(scratch, f"{name}-{kill_round}")
                prepared(folder, options.rounds, kill_round)
                before = sum(machine.bytes_sent() for machine in made)
                events = run_ours(folder, made) if name == "subnetlab" else run_theirs(folder, made, options.torchft)
                sent = sum(machine.bytes_sent() for machine in made) - before
                found = report(
                    name if kill_round is None else f"{name}, worker 1 killed",
                    events,
                    sent,
                    folder,
                    None if kill_round is None else weights[name],
                )
                weights.setdefault(name, found)
    ours, theirs = weights["subnetlab"], weights["torchft"]
    apart = max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)
    print(f"largest difference of a weight, without faults: {apart:.1e}")
    print(f"load at the end {os.getloadavg()[1]:.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
