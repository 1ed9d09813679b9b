"""A training inside Ray Train's TorchTrainer: the bits of one process, also after a worker was lost.

    python stress/ray_train.py

Ray (``pip install 'ray[train]'``) is no dependency of this project; without it, the script says so and ends. Ray starts
all workers again when one is lost, and the training goes on from its newest checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

ROUNDS, LOST_AT = 12, 8  # a checkpoint after each 5 rounds


def train(config: dict[str, str]) -> None:
    """Train a small network with batch norm and AdamW; the worker of rank 0 writes a digest of its state."""
    import torch
    from torch import nn

    import subnetlab as sl

    folder = Path(config["folder"])
    digits = sl.load_dataset("digits")
    rows = torch.as_tensor(digits.X), torch.as_tensor(digits.y)
    torch.manual_seed(0)
    training = sl.ModuleTraining(
        sl.cut(nn.Sequential(nn.Linear(64, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 10)), rows[0][:2]),
        sl.independent_subnets(4, rounds=ROUNDS, local_steps=4, batch_size=32),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        state="travels",
        checkpoint=folder / "run.safetensors",
        checkpoint_every=5,
    )
    with open(folder / "begun.txt", "a") as file:
        file.write(f"{training.workers.rank} of {training.workers.size} at {training.rounds_done}\n")
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches(rows):
                subnet.step(nn.functional.cross_entropy(subnet(x), y))
        last = training.rounds_done == LOST_AT and training.workers.rank == 1
        if last and config["lose"] and not (folder / "lost").exists():
            (folder / "lost").touch()
            os._exit(1)
    entries = training.entries
    if training.workers.rank == 0:
        digest = hashlib.sha256()
        for name in sorted(entries):
            digest.update(name.encode() + entries[name].numpy().tobytes())
        (folder / "digest.txt").write_text(digest.hexdigest())


def with_ray(folder: Path, workers: int, lose: str) -> None:
    """Train in Ray's workers."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    TorchTrainer(
        train,
        train_loop_config={"folder": str(folder), "lose": lose},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=workers),
        run_config=RunConfig(storage_path=str(folder / "ray"), failure_config=FailureConfig(max_failures=2)),
    ).fit()


def main() -> int:
    """Compare three ways; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    if importlib.util.find_spec("ray") is None:
        print("Ray is not installed, so nothing was tried: pip install 'ray[train]'")
        return 0
    digests = {}
    with tempfile.TemporaryDirectory() as name:
        for way in ("one process", "Ray", "Ray, a worker lost"):
            folder = Path(name) / way.replace(" ", "-")
            folder.mkdir()
            if way == "one process":
                train({"folder": str(folder), "lose": ""})
            else:
                with_ray(folder, workers, "yes" if "lost" in way else "")
            digests[way] = (folder / "digest.txt").read_text()
            begun = ", ".join(sorted((folder / "begun.txt").read_text().splitlines()))
            print(f"{way}: {digests[way][:16]} (began as {begun})", flush=True)
    same = len(set(digests.values())) == 1
    print("the same bits" if same else "OTHER BITS")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
