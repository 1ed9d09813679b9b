"""The files that a training writes: its checkpoint, and the whole network's weights. Of several workers one writes."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..archive import ArchiveError
from ..engines.distributed.group import JobError, PeerLostError
from .checkpoint import Contents, Snapshot, metadata_of
from .factors import folded
from .tensor_file import write_tensors

if TYPE_CHECKING:
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
        """Take a training to where the file was written, if the first worker has it; see `Snapshot` for the errors.

        A worker that sees another folder than the first one gets a copy.
        """
        for path in (self._path, self._before):
            if path is not None:
                training.workers.have_alike(path)
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
        """Write a training as it stands; see `write_tensors` for the errors."""
        found = Contents.of(training)
        metadata = metadata_of(found.record)
        write_tensors(training.workers, self._path, found.tensors, found.shapes, metadata, before=self._keep_the_last)

    def _keep_the_last(self) -> None:
        if self._before is not None and self._path.exists():
            with suppress(OSError):  # a file system without links keeps one file
                self._before.unlink(missing_ok=True)
                self._before.hardlink_to(self._path)

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


def write_weights(training: ModuleTraining, path: str | Path) -> None:
    """Write the state_dict of the whole network, each name with numbers of its own, also where names are tied.

    See `write_tensors` for the errors.
    """
    cut, aliases = training.cut, training.cut.graph.aliases
    parts = folded(cut, training.home, training.whole_factors(), training.workers.rows)
    names = {name: aliases.get(name, name) for name in cut.model.state_dict()}
    if unknown := [name for name, first in names.items() if first not in parts]:
        raise ValueError(
            f"ModuleTraining: export writes parameters and buffers, got {unknown[0]!r} in the state_dict, too: save "
            "training.model.state_dict() instead"
        )
    shapes = {name: training.shape(first) for name, first in names.items()}
    write_tensors(training.workers, path, {name: parts[first] for name, first in names.items()}, shapes, {})


def in_folder(path: Path) -> Path:
    """Return the path of a checkpoint to come, if its folder is there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"ModuleTraining: checkpoint must be in a folder that exists, got {str(path)!r}")
    return path
