"""What is explored: a network with its data, and how a run of it becomes a stream of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from .settings import LiveSettings

Events: TypeAlias = "Generator[dict[str, Any], None, None]"


@dataclass(frozen=True, eq=False)
class Subject:
    """A network with its data.

    Parameters
    ----------
    heading, headline : str
        What the page says of network and data.
    settings : type
        Of the runs.
    events : callable
        From settings to the events of a run, ready for JSON. The first is "start" (measure, engine, step_size, rounds,
        local_steps, full_error before round 0), then comes "prediction" where there is one, then a "round" for each
        (errors after sampling, after each local step and after aggregation), and "end" or "diverged".
    measure : str
        The word for the errors.
    last_step : str
        What the errors are after, or before, at the end of local training.
    said : str
        What is seen in the figure of the errors.
    predicted : bool, default False
        Whether there is a prediction.
    groups : int, default 0
        The number of groups of units.
    layers : mapping from str to str, optional
        Measures by layer that a "round" holds by name, and what is seen in the picture of each.
    """

    heading: str
    headline: str
    settings: type[LiveSettings]
    events: Callable[[Any], Events]
    measure: str
    last_step: str
    said: str
    predicted: bool = False
    groups: int = 0
    layers: Mapping[str, str] = field(default_factory=dict)
