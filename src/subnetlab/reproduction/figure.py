"""What a figure is: a plan to train, and a function that draws and judges what the store then holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..core import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np

    from ..study.result import CellResult
    from .claims import ClaimVerdict
    from .settings import ReproductionSettings


@dataclass(frozen=True)
class View:
    """How results are looked at; another view costs no training."""

    shown: Literal["sampled", "local", "full"] = "full"
    """The error that the heatmaps show: after sampling, after local training, or of the aggregated network. The
    others are drawn beside it in a second file."""
    variance: Literal["seeds", "subnetworks"] = "seeds"
    """Over what Figure 2a takes mean and variance."""
    dynamics_rounds: int = 125
    """Rounds that Figure 2a shows."""
    inset_rounds: int = 4
    """Rounds that its detail shows."""

    def check(self) -> None:
        """Raise TypeError or ValueError if it cannot be drawn; apart from the making, so that the message is whole."""
        from ..figures.dynamics import MOST_INSET_ROUNDS  # with matplotlib, which --help need not load

        checks.whole_number("reproduce", "dynamics_rounds", self.dynamics_rounds, least=1)
        checks.whole_number("reproduce", "inset_rounds", self.inset_rounds, least=1)
        if self.inset_rounds > MOST_INSET_ROUNDS:
            raise ValueError(
                f"reproduce: inset_rounds must be at most {MOST_INSET_ROUNDS}, or labels touch, got {self.inset_rounds}"
            )


@dataclass(frozen=True, eq=False)
class Material:
    """What a figure is made of.

    Parameters
    ----------
    cells : ndarray of Cell
        An axis per setting in the figure's ``axes``.
    results : mapping of str to CellResult
        What the store holds, by the keys of cells.
    settings : ReproductionSettings
    view : View
    folder : Path
        For the figure's files.
    """

    cells: np.ndarray
    results: Mapping[str, CellResult]
    settings: ReproductionSettings
    view: View
    folder: Path


@dataclass(frozen=True)
class PaperFigure:
    """One figure; its plan is the file of its name in `subnetlab.reproduction.plans`.

    Parameters
    ----------
    axes : tuple of str
        The settings that its plan varies.
    draw : callable
        Writes the figure's files and returns the verdicts on its claims; raises `CellsMissingError` if it cannot.
    """

    axes: tuple[str, ...]
    draw: Callable[[Material], list[ClaimVerdict]]
