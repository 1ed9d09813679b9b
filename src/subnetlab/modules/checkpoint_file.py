"""The files that a training writes: its checkpoint, and the whole network's weights.

Of several workers one writes. A checkpoint is written by a second one, too, if that one sees another folder, so that it
outlives the loss of any one disk.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from ..archive import ArchiveError
from ..atomic import checked_path
from ..engines.distributed.group import JobError, PeerLostError
from .checkpoint import Contents, Snapshot, metadata_of
from .factors import folded
from .tensor_file import write_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .training import ModuleTraining

FILE = "ModuleTraining: checkpoint"


class CheckpointFile:
    """A file that holds a training as it was after one of its last rounds.

    Parameters
    ----------
    path : path
    name : str
        The owner and the argument that errors of the path begin with.
    two : bool, default False
        Keep the file before the last one, too, and go on from it where the last one is damaged.
    """

    def __init__(self, path: str | Path, name: str = FILE, *, two: bool = False) -> None:
        self._path = checked_path(path, name)
        self._name = name
        self._before = self._path.with_name(f"{self._path.name}.before") if two else None
        self._holds = -1  # completed rounds
        self._counts = True  # the newest file can be read, so it may take the place of the one before it
        self._writers: Sequence[int] | None = None

    def restore(self, training: ModuleTraining) -> None:
        """Take a training to where the newest file of any worker was written, if there is one.

        Every worker that has another file, or none, gets a copy. Damaged files do not count, and those of other
        settings count at the first worker alone, which refuses them.

        Raises
        ------
        ArchiveError, ValueError, OSError
            See `Snapshot`. Several workers raise a JobError.
        PeerLostError
            If a worker is lost.
        """
        workers, error = training.workers, None
        rounds, held, damage = -1, None, None
        try:
            rounds, held, damage = self._newest_whole(training)
        except (OSError, ValueError) as failed:
            error = failed
        workers.agree(error)
        source, worker = workers.newest_file(self._path, held, rounds)
        if source is None:
            workers.agree(damage)
            return
        self._counts |= source == self._path
        Snapshot.read(source).restore(training, source)  # again: a newer file may lie there now
        self._holds = training.rounds_done
        behind = f"{self._path}: older than another worker's checkpoint, or not there" if worker else None
        if why := damage or (behind if workers.rank == 0 else None):
            found = "the checkpoint before it" if source == self._before else f"that of worker {worker}"
            warnings.warn(f"ModuleTraining: {why}; going on from {found}, after round {self._holds}", stacklevel=3)

    def _newest_whole(self, training: ModuleTraining) -> tuple[int, Path | None, ArchiveError | None]:
        """Return the rounds and the file of the newest checkpoint here, and what is wrong with a newer one."""
        damage = None
        for path in (self._path, self._before):
            if path is None or not path.exists():
                continue
            try:
                snapshot = Snapshot.read(path)
                snapshot.check(training, path)
            except ArchiveError as error:
                damage, self._counts = damage or error, False
            except ValueError:
                if training.workers.rank == 0:
                    raise
                break
            else:
                return snapshot.rounds_done, path, damage
        return -1, None, damage

    def write(self, training: ModuleTraining, writers: Sequence[int] = (0,)) -> None:
        """Write a training as it stands; see `write_tensors` for the errors."""
        found = Contents.of(training)
        write_tensors(
            training.workers,
            self._path,
            found.tensors,
            found.shapes,
            metadata_of(found.record),
            name=self._name,
            checksum=True,
            before=self._keep_the_last,
            writers=writers,
        )
        self._counts = True

    def _keep_the_last(self) -> None:
        if self._before is not None and self._counts and self._path.exists():
            with suppress(OSError):  # a file system without links keeps one file
                self._before.unlink(missing_ok=True)
                self._before.hardlink_to(self._path)

    def keep(self, training: ModuleTraining) -> None:
        """Write a training that has gone on since the last time; warn if that cannot be done."""
        if self._holds == training.rounds_done:
            return
        if self._writers is None:
            self._writers = training.workers.on_two_disks(self._path.parent)
        try:
            self.write(training, self._writers)
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
    tensors = {name: parts[first] for name, first in names.items()}
    write_tensors(training.workers, path, tensors, shapes, {}, name="ModuleTraining.export: path")
