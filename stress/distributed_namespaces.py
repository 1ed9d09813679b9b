"""Machines made of network namespaces on one bridge; needs root. Nothing outside the bridge is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def available() -> bool:
    """Return whether namespaces can be made here."""
    name = f"sl-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    return made


@dataclass(frozen=True)
class Machine:
    """One namespace: machine ``number`` at ``10.77.0.(number + 1)``."""

    number: int
    prefix: str

    @property
    def namespace(self) -> str:
        """Its name for ``ip netns``."""
        return f"{self.prefix}-{self.number}"

    @property
    def address(self) -> str:
        """Its address on the bridge."""
        return f"10.77.0.{self.number + 1}"

    def command(self, *arguments: str) -> list[str]:
        """Return a command that runs on this machine."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def cut(self) -> None:
        """Pull the network cable."""
        _ip("-n", self.namespace, "link", "set", "eth", "down")

    def restore(self) -> None:
        """Plug the network cable in."""
        _ip("-n", self.namespace, "link", "set", "eth", "up")

    def limit(self, megabits: float) -> None:
        """Limit what this machine sends (token bucket)."""
        burst = max(8000, int(megabits * 1e6 / 8 * 0.005))  # 5 ms at full rate
        rate = f"{megabits}mbit"
        shape = ["root", "tbf", "rate", rate, "burst", str(burst), "latency", "200ms"]
        subprocess.run(self.command("tc", "qdisc", "replace", "dev", "eth", *shape), check=True)

    def bytes_sent(self) -> int:
        """Return the bytes that left this machine, headers included."""
        path = "/sys/class/net/eth/statistics/tx_bytes"
        return int(subprocess.run(self.command("cat", path), check=True, capture_output=True, text=True).stdout)


@contextmanager
def machines(count: int, delay: float = 0.0) -> Iterator[list[Machine]]:
    """Make the machines; they are gone after the block. ``delay`` is one way, in seconds."""
    prefix = f"sl{os.getpid()}"
    made = [Machine(number, prefix) for number in range(count)]
    switch, relay = f"{prefix}-sw", None
    try:
        _ip("netns", "add", switch)  # the bridge lives in a namespace of its own
        if not delay:
            _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", switch, "link", "set", "bridge", "up")
        for machine in made:
            name, port = machine.namespace, f"port{machine.number}"
            _ip("netns", "add", name)
            _ip("-n", name, "link", "add", "eth", "type", "veth", "peer", "name", port, "netns", switch)
            _ip("-n", switch, "link", "set", port, *([] if delay else ["master", "bridge"]), "up")
            _ip("-n", name, "address", "add", f"{machine.address}/24", "dev", "eth")
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", "eth", "up")
        if delay:
            ports = [f"port{machine.number}" for machine in made]
            script = str(Path(__file__).with_name("distributed_relay.py"))
            relay = subprocess.Popen(["ip", "netns", "exec", switch, sys.executable, script, str(delay), *ports])
        yield made
    finally:
        if relay is not None:
            relay.kill()
            relay.wait()
        for name in (*(machine.namespace for machine in made), switch):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
