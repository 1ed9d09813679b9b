"""What the pages of runs share, of a shallow network and of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parts import Definitions, Folded, Heading, Paragraph, Part, Table
from .provenance import ROUNDED, data_origin, plain
from .rounding import finite, shown, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import FloatArray, IntArray
    from .source import RunSource

_TABLE_ROWS = 50


def lede(source: RunSource, done: int, measured: Mapping[str, FloatArray], too_large: str) -> str:
    """Return how a run went, in a sentence or two.

    Parameters
    ----------
    source : RunSource
    done : int
        The number of completed rounds, K.
    measured : mapping from str to ndarray
        What may be told, "The training error of the whole network" for example; the first that has two finite values
        is.
    too_large : str
        What is behind a divergence.
    """
    run = source.run
    rounds = f"{done} round{'s' * (done != 1)}"
    known = {what: finite(values) for what, values in measured.items() if len(finite(values)) > 1}
    if done == 0:
        course = "No round was completed."
    elif not known:
        course = f"{rounds} made, and nothing of their course recorded."
    else:
        what, values = next(iter(known.items()))
        verb = "fell" if values[-1] < values[0] else "rose"
        course = f"{what} {verb} from {shown(float(values[0]))} to {shown(float(values[-1]))} in {rounds}."
    ends = {
        "finished": "",
        "unfinished": f" The run is not finished: {done} of {run.scheme.rounds} rounds are made.",
        "diverged": f" The run diverged in round {done}: {too_large}.",
    }
    return course + ends[run.status]


def numbers_table(
    what: str, said: str, columns: Mapping[str, FloatArray], rows: IntArray, row_name: str = "round"
) -> Folded:
    """Return numbers by round, folded; of many rounds some, evenly spread.

    Parameters
    ----------
    what, said : str
        What they are, in the line that is always seen and in the caption.
    columns : mapping from str to ndarray
        All at least as long as the largest of ``rows`` asks for.
    rows : ndarray of int
        The places of the numbers, and the names of the rows.
    row_name : str, default "round"
    """
    kept = [int(k) for k in rows[spread(len(rows), _TABLE_ROWS)]]
    cells = [[str(k), *(shown(float(values[k])) for values in columns.values())] for k in kept]
    which = f"all {len(rows)}" if len(kept) == len(rows) else f"{len(kept)} of {len(rows)}, evenly spread"
    header = [row_name, *columns]
    return Folded(f"{what} as a table ({which} rows)", [Table(f"{said}.", header, cells)])


def settings_parts(
    source: RunSource, settings: Mapping[str, Mapping[str, object]], made_by: Mapping[str, object]
) -> list[Part]:
    """Return settings, those under headings one below the other, and where data and run come from."""
    parts: list[Part] = []
    for heading, items in settings.items():
        parts += [Heading(heading), Definitions(items, "settings wide")] if heading else [Definitions(items)]
    origin = {**data_origin(source.provenance), **{str(name): plain(value) for name, value in made_by.items()}}
    if origin:
        parts += [Heading("Where it comes from"), Definitions(origin)]
    return [*parts, Paragraph(ROUNDED, "note")]
