"""The files that a training writes: its checkpoint, and the whole network's weights. Of several workers one writes."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..archive import ArchiveError
from ..atomic import atomic_file
from ..engines.distributed.group import JobError, PeerLostError
from .checkpoint import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from .training import ModuleTraining


class CheckpointFile:
    """A file that holds a training as it was after one of its last rounds.

    Parameters
    ----------
    path : path
    two : bool, default False
        Keep the file before the last one, too, and go on from it where the last one is damaged.
    """

    def __init__(self, path: str | Path, *, two: bool = False) -> None:
        self._path = Path(path)
        self._before = self._path.with_name(f"{self._path.name}.before") if two else None
        self._holds = -1  # completed rounds

    def restore(self, training: ModuleTraining) -> None:
        """Take a training to where the file was written, if it is there; see `Snapshot` for the errors."""
        if self._path.exists():
            snapshot, source = self._newest_whole()
            snapshot.restore(training, source)
            self._holds = training.rounds_done

    def _newest_whole(self) -> tuple[Snapshot, Path]:
        try:
            return Snapshot.read(self._path), self._path
        except ArchiveError as error:
            if self._before is None or not self._before.exists():
                raise
            warnings.warn(f"ModuleTraining: {error}; going on from the checkpoint before it", stacklevel=4)
            return Snapshot.read(self._before), self._before

    def write(self, training: ModuleTraining) -> None:
        """Write a training as it stands; see `by_the_first` for the errors."""
        snapshot = training.snapshot()

        def write() -> None:
            if self._before is not None and self._path.exists():
                with suppress(OSError):  # a file system without links keeps one file
                    self._before.unlink(missing_ok=True)
                    self._before.hardlink_to(self._path)
            snapshot.write(self._path)

        by_the_first(training, write)

    def keep(self, training: ModuleTraining) -> None:
        """Write a training that has gone on since the last time; warn if that cannot be done."""
        if self._holds == training.rounds_done:
            return
        try:
            self.write(training)
        except PeerLostError:  # an OSError, too
            raise
        except (OSError, JobError) as error:  # what was computed is still here
            warnings.warn(f"ModuleTraining: no checkpoint was written ({error}); training goes on", stacklevel=3)
        else:
            self._holds = training.rounds_done
            training.workers.checkpointed(training.rounds_done)


def by_the_first(training: ModuleTraining, write: Callable[[], None]) -> None:
    """Let the first of several workers write a file.

    Raises
    ------
    OSError
        If the file cannot be written; an older file stays as it was. Of several workers, all raise a JobError.
    """
    error = None
    if training.workers.rank == 0:
        try:
            write()
        except OSError as failed:
            error = failed
    training.workers.agree(error)


def write_weights(training: ModuleTraining, path: str | Path) -> None:
    """Write the state_dict of the whole network, each name with numbers of its own, also where names are tied."""
    from safetensors.torch import save

    state = training.model.state_dict()

    def write() -> None:
        data = save({name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()})
        with atomic_file(path) as file:
            file.write(data)

    by_the_first(training, write)


def in_folder(path: Path) -> Path:
    """Return the path of a checkpoint to come, if its folder is there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"ModuleTraining: checkpoint must be in a folder that exists, got {str(path)!r}")
    return path
