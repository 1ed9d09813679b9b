"""What a worker's command line says: the words that a launcher writes and each of its workers reads."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class WorkerOptions:
    """What each worker is told besides the job; the fields are the options of its command line.

    Parameters
    ----------
    folder : Path
        Holds the job; between machines a shared one.
    workers : int
        q, on all machines together.
    address : str
        ``HOST:PORT`` on machine 0; port 0, on one machine under a launcher, is any free one.
    machine : int
        This machine's number.
    every : int
        Rounds between checkpoints.
    timeout, patience : float
        See `Rendezvous`.
    max_restarts : int
        See `keep`.
    script : tuple of str, default ()
        A script of the user's and its arguments, instead of the job's file.
    sha256 : str, optional
        Of the script when the job began: one that is edited later is not taken up by an attempt in between.
    rates : tuple of float, optional
        How fast the workers are that a script's trainings are planned for.
    device : str, optional
        Where a script's trainings take place that do not say it.
    own_law : str, optional
        ``module:Class`` of the user's own mask law, which the workers import: they import nothing that the job's file
        names.
    private : Path, optional
        The launcher's own folder, if there is a launcher.
    """

    folder: Path
    workers: int
    address: str
    machine: int = 0
    every: int = 10
    timeout: float = 60.0
    patience: float = 60.0
    max_restarts: int = 100
    script: tuple[str, ...] = ()
    sha256: str | None = None
    rates: tuple[float, ...] | None = None
    device: str | None = None
    own_law: str | None = None
    private: Path | None = None

    def arguments(self) -> list[str]:
        """Return the words that `parse` reads."""
        told = {f"--{name.replace('_', '-')}": value for name, value in vars(self).items() if name != "folder"}
        told["--script"] = json.dumps(self.script)
        told["--rates"] = None if self.rates is None else json.dumps(self.rates)
        return [str(self.folder.absolute()), *(f"{n}={value}" for n, value in told.items() if value is not None)]

    @classmethod
    def parse(cls, arguments: Sequence[str] | None) -> WorkerOptions:
        """Return the options that a command line names."""
        parser = argparse.ArgumentParser(prog="subnetlab.launch.process")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--workers", type=int, required=True)
        parser.add_argument("--address", required=True)
        parser.add_argument("--script", type=lambda text: tuple(json.loads(text)), default=())
        parser.add_argument("--rates", type=lambda text: tuple(json.loads(text)))
        parser.add_argument("--device", help="of trainings that name none")
        parser.add_argument("--sha256", help="of the script when the job began")
        parser.add_argument("--own-law", help="module:Class of the user's own mask law")
        parser.add_argument("--private", type=Path, help="the launcher's own folder, if there is a launcher")
        for name in ("machine", "every", "timeout", "patience", "max_restarts"):
            default = getattr(cls, name)
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
        return cls(**vars(parser.parse_args(arguments)))
