"""What can be changed in the explorer, and the settings that a request asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ...core import checks
from ...core.masks.table import plain_laws
from ...core.scheme import TrainingScheme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value: TypeAlias = float | str

STOPS: dict[str, tuple[Value, ...]] = {
    "masks": plain_laws(),
    "n_subnetworks": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32),
    "selection_prob": tuple(k / 10 for k in range(1, 11)),
    "local_steps": (1, 2, 3, 5, 8, 10, 15, 20, 30, 50),
    "step_size": ("auto", 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    "batch_size": (8, 16, 32, 64, 128, 256),
    "init_scale": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    "width": (100, 200, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000),
    "rounds": (10, 20, 50, 100, 200, 500, 1000),
    "seed": tuple(range(20)),
}
"""What the control of each setting offers; a request may hold any value that the rules allow."""

MOST = {"n_subnetworks": 64, "local_steps": 200, "width": 100_000, "rounds": 5000}
"""Beyond these a run is no longer something to watch; `subnetlab train` has no such limits."""


@dataclass(frozen=True)
class LiveSettings:
    """What the runs of all networks have; the defaults are the paper's.

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule.
    """

    masks: str = "bernoulli"
    n_subnetworks: int = 10
    selection_prob: float = 0.5
    local_steps: int = 10
    step_size: float | str = "auto"
    rounds: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        checks.one_of("explore", "masks", self.masks, plain_laws())
        for name, most in MOST.items():
            if hasattr(self, name) and checks.whole_number("explore", name, getattr(self, name), least=1) > most:
                raise ValueError(f"explore: {name} must be at most {most} here, got {getattr(self, name)}")
        checks.probability("explore", "selection_prob", self.selection_prob)
        checks.seed_number("explore", self.seed)
        self.scheme()

    def scheme(self) -> TrainingScheme:
        """Return the training scheme."""
        p = 1 if self.masks == "all" else self.n_subnetworks
        return TrainingScheme.from_settings(
            self.masks,
            defaults={"n_subnetworks": p, "selection_prob": self.selection_prob},  # the page sends all its controls
            rounds=self.rounds,
            local_steps=self.local_steps,
            step_size=self.step_size,
            batch_size=getattr(self, "batch_size", None),
        )


@dataclass(frozen=True)
class ExploreSettings(LiveSettings):
    """The settings of one live run of the shallow network."""

    init_scale: float = 1.0
    width: int = 4000

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive_number("explore", "init_scale", self.init_scale)


@dataclass(frozen=True)
class ModuleSettings(LiveSettings):
    """The settings of one live run of a module, trained by plain SGD."""

    n_subnetworks: int = 4
    step_size: float = 0.1
    rounds: int = 50
    batch_size: int = 32


def stops_of(kind: type[LiveSettings]) -> dict[str, tuple[Value, ...]]:
    """Return what each control offers, in the order of `STOPS`; a step size is "auto" only where that is the default.

    Examples
    --------
    >>> stops_of(ModuleSettings)["step_size"][0]
    0.001
    """
    defaults = asdict(kind())
    return {
        name: tuple(stop for stop in stops if stop != "auto" or defaults[name] == "auto")
        for name, stops in STOPS.items()
        if name in defaults
    }


def read_settings(query: Mapping[str, Sequence[str]], kind: type[LiveSettings] = ExploreSettings) -> LiveSettings:
    """Return the settings that the query of an address holds, as `urllib.parse.parse_qs` gives it.

    Raises
    ------
    ValueError
        If it names something that is no setting, names it twice, or holds a value that breaks its rule.

    Examples
    --------
    >>> read_settings({"n_subnetworks": ["4"], "step_size": ["0.02"]}).scheme().masks
    Bernoulli(n_subnetworks=4, selection_prob=0.5)
    """
    kinds = {name: type(default) for name, default in asdict(kind()).items()}
    values: dict[str, Any] = {}
    for name, texts in query.items():
        if name not in kinds:
            raise ValueError(f"explore: {name!r} is no setting; there are: {', '.join(kinds)}")
        if len(texts) != 1:
            raise ValueError(f"explore: {name} must be given once, got {len(texts)} values")
        values[name] = _parsed(name, kinds[name], texts[0])
    return kind(**values)


def _parsed(name: str, kind: type, text: str) -> Any:
    if name == "masks" or (kind is str and text == "auto"):
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"explore: {name} must be {what}, got {text!r}") from None
