"""What can be changed in the explorer, and the settings that a request asks for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from ...core import checks
from ...core.masks.table import plain_laws
from ...core.scheme import TrainingScheme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value: TypeAlias = float | str


@dataclass(frozen=True)
class Control:
    """One setting of the page: a slider over its stops, or a choice of words.

    Parameters
    ----------
    name : str
        The field of `ExploreSettings`.
    letter : str
        The paper's, shown beside the label.
    label : str
    stops : tuple
        What the slider offers. A request may hold any value that the rules allow.
    """

    name: str
    letter: str
    label: str
    stops: tuple[Value, ...]


CONTROLS = (
    Control("masks", "M", "mask law", plain_laws()),
    Control("n_subnetworks", "p", "subnetworks", (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32)),
    Control("selection_prob", "ξ", "selection probability", tuple(k / 10 for k in range(1, 11))),
    Control("local_steps", "τ", "local steps", (1, 2, 3, 5, 8, 10, 15, 20, 30, 50)),
    Control("step_size", "η", "step size", ("auto", 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)),
    Control("init_scale", "κ", "initial scale", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)),
    Control("width", "m", "hidden neurons", (100, 200, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000)),
    Control("rounds", "K", "rounds", (10, 20, 50, 100, 200, 500, 1000)),
    Control("seed", "", "seed", tuple(range(20))),
)

MOST = {"n_subnetworks": 64, "local_steps": 200, "width": 100_000, "rounds": 5000}
"""Beyond these a run is no longer something to watch; `subnetlab train` has no such limits."""


@dataclass(frozen=True)
class ExploreSettings:
    """The settings of one live run; the defaults are the paper's.

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
    init_scale: float = 1.0
    width: int = 4000
    rounds: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        checks.one_of("explore", "masks", self.masks, plain_laws())
        for name, most in MOST.items():
            if checks.whole_number("explore", name, getattr(self, name), least=1) > most:
                raise ValueError(f"explore: {name} must be at most {most} here, got {getattr(self, name)}")
        checks.probability("explore", "selection_prob", self.selection_prob)
        checks.positive_number("explore", "init_scale", self.init_scale)
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
        )


def read_settings(query: Mapping[str, Sequence[str]]) -> ExploreSettings:
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
    kinds = {field.name: type(field.default) for field in fields(ExploreSettings)}
    values: dict[str, Any] = {}
    for name, texts in query.items():
        if name not in kinds:
            raise ValueError(f"explore: {name!r} is no setting; there are: {', '.join(kinds)}")
        if len(texts) != 1:
            raise ValueError(f"explore: {name} must be given once, got {len(texts)} values")
        values[name] = _parsed(name, kinds[name], texts[0])
    return ExploreSettings(**values)


def _parsed(name: str, kind: type, text: str) -> Any:
    if name == "masks" or text == "auto":
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"explore: {name} must be {what}, got {text!r}") from None
