"""What a round of a 1.3 B transformer would take on 64 machines, by the model of docs/scale.md, and a check of it.

    python benchmarks/modules_scale.py            the table: a transformer of 24 layers, d = 2048, 50,257 tokens
    python benchmarks/modules_scale.py --check    waiting in a round of 784-1024-1024-10, predicted and measured

Bytes come from the cut: the network is cut with one and with two layers, a layer's numbers are the difference, and all
24 are alike. Seconds of computing come from the operations of a step, 6 for each number and token, and from the stated
speeds. Seconds on the wire are those of the model that was fitted to the shallow network (a2 and a3, docs/scale.md);
``--check`` (needs root) holds them against networks, bandwidths and delays that this fit has not seen.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "stress"))

PER_BYTE, PER_MESSAGE = 1.08, 1.46  # a2 and a3
LAYERS, WIDTH, HEADS, TOKENS = 24, 2048, 16, 50_257
MACHINES, SHARE, TAU, TOKENS_PER_STEP = 64, 1 / 16, 100, 8192


@dataclass(frozen=True)
class Place:
    """Where the machines are: bits and operations per second, and the delay of a message, one way, in seconds."""

    name: str
    bits: float
    delay: float
    operations: float


PLACES = (
    Place("homes: 20 Mbit/s up, 30 ms, 20 TFLOP/s", 20e6, 0.03, 20e12),
    Place("data centre: 10 Gbit/s, 50 us, 400 TFLOP/s", 10e9, 50e-6, 400e12),
    Place("data centre: 400 Gbit/s, 50 us, 400 TFLOP/s", 400e9, 50e-6, 400e12),
)


def wire(n_bytes: float, messages: float, bits: float, delay: float) -> float:
    """Seconds in which a worker sends so many bytes, in so many messages that wait for each other."""
    return PER_BYTE * 8 * n_bytes / bits + PER_MESSAGE * messages * delay


def of_ist(held: float, q: int) -> tuple[float, int]:
    """Bytes that a worker sends in a round, and messages in a row: slices, updates, and what workers report."""
    return 2 * (1 - 1 / q) * held * 4, 3


def of_all_reduce(size: float, q: int, times: int = 1) -> tuple[float, int]:
    """Bytes and messages in a row of so many all-reduces on a ring."""
    return times * 2 * (1 - 1 / q) * size * 4, times * 2 * (q - 1)


def numbers() -> tuple[int, int]:
    """Return how many numbers the transformer has, and how many a subnetwork holds."""
    import torch

    import subnetlab as sl

    class Network(torch.nn.Module):
        def __init__(self, layers: int) -> None:
            super().__init__()
            self.embed, self.place = torch.nn.Embedding(TOKENS, WIDTH), torch.nn.Embedding(1024, WIDTH)
            shape = {"d_model": WIDTH, "nhead": HEADS, "dim_feedforward": 4 * WIDTH, "dropout": 0.0}
            self.layers = torch.nn.ModuleList(
                torch.nn.TransformerEncoderLayer(**shape, batch_first=True, norm_first=True) for _ in range(layers)
            )
            self.norm, self.head = torch.nn.LayerNorm(WIDTH), torch.nn.Linear(WIDTH, TOKENS, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            h = self.embed(tokens) + self.place(torch.arange(tokens.shape[1]))
            for layer in self.layers:
                h = layer(h)
            return self.head(self.norm(h))

    def counted(layers: int) -> tuple[int, int]:
        model = Network(layers)
        cut = sl.cut(model, torch.randint(TOKENS, (2, 8)))
        scheme = sl.fedrolex(2, 1, 1, shares=SHARE, step_size=0.1)
        subnet = next(iter(next(sl.ModuleTraining(cut, scheme).rounds())))
        return tuple(sum(p.numel() for p in module.parameters()) for module in (model, subnet.module))

    one, two = counted(1), counted(2)
    return tuple(a + (LAYERS - 1) * (b - a) for a, b in zip(one, two, strict=True))


def table() -> None:
    """Print seconds of a round, computing and on the wire."""
    size, held = numbers()
    print(f"{size:,} numbers; a subnetwork with {SHARE:g} of heads and hidden units holds {held:,}")
    print(f"{MACHINES} machines, {TAU} steps of {TOKENS_PER_STEP} tokens on each in a round\n")
    print("| where | method | computing, s | wire, s | GB sent |", "|---|---|---|---|---|", sep="\n")
    methods = {
        "IST": (held, *of_ist(held, MACHINES)),
        "local SGD, DiLoCo": (size, *of_all_reduce(size, MACHINES)),
        "DDP": (size, *of_all_reduce(size, MACHINES, TAU)),
    }
    for place in PLACES:
        for method, (trained, n_bytes, messages) in methods.items():
            computing = TAU * 6 * trained * TOKENS_PER_STEP / place.operations
            seconds = wire(n_bytes, messages, place.bits, place.delay)
            print(f"| {place.name} | {method} | {computing:,.3g} | {seconds:,.3g} | {n_bytes / 1e9:,.3g} |")


def check() -> None:
    """Print predicted and measured seconds of waiting."""
    import bandwidth
    from distributed_namespaces import machines

    held = {"ist": of_ist(269_322, 4), "local_sgd": of_all_reduce(1_863_690, 4)}
    print("| Mbit/s | delay, ms | method | predicted, s | measured, s |", "|---|---|---|---|---|", sep="\n")
    for megabits, delay in ((50, 0.0), (200, 0.0), (400, 0.0), (100, 0.01)):
        with machines(4, delay) as made:
            for machine in made:
                machine.limit(megabits)
            for method, (n_bytes, messages) in held.items():
                predicted = wire(n_bytes, messages, megabits * 1e6, delay)
                _, waiting, _ = bandwidth.seconds_of_a_round(method, made)
                print(f"| {megabits} | {1e3 * delay:g} | {method} | {predicted:.3f} | {waiting:.3f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check() if parser.parse_args().check else table()
