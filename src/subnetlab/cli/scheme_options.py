"""The options that say what is trained and how, the same in every command that trains one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..core.masks.table import law_by_name, plain_laws
from ..core.scheme import TrainingScheme

if TYPE_CHECKING:
    from ..core.masks import MaskLaw


@dataclass(frozen=True)
class SchemeOptions:
    """The network and the training scheme."""

    masks: Annotated[str, tyro.conf.arg(metavar=f"{{{','.join(plain_laws())}}}")] = "bernoulli"
    """Law of the masks: bernoulli, categorical (each neuron in one subnetwork), all (gradient descent, or local SGD
    with --shards)."""
    n_subnetworks: Annotated[int, tyro.conf.arg(aliases=["--p"])] = 10
    """p, the subnetworks per round."""
    selection_prob: Annotated[float, tyro.conf.arg(aliases=["--xi"])] = 0.5
    """xi, the chance that a subnetwork holds a neuron (bernoulli)."""
    rounds: int = 200
    """K."""
    local_steps: Annotated[int, tyro.conf.arg(aliases=["--tau"])] = 10
    """tau, the gradient steps of each subnetwork in a round."""
    step_size: Annotated[float | Literal["auto", "theory"], tyro.conf.arg(aliases=["--eta"])] = "auto"
    """eta: a number, auto (half of the largest stable step), or theory (the theorem's limit)."""
    width: Annotated[int, tyro.conf.arg(aliases=["--m"])] = 4000
    """m, the hidden neurons."""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--kappa"])] = 1.0
    """kappa, the standard deviation of the initial weights."""
    unselected: Literal["keep", "zero"] = "keep"
    """What becomes of neurons that no subnetwork holds: keep (the paper), zero (the authors' released code)."""
    shards: int | None = None
    """Split the rows into this many shards, one per subnetwork."""
    batch_size: int | None = None
    """Rows per local step; all if not given."""

    def scheme(self) -> TrainingScheme:
        """Return the training scheme."""
        return TrainingScheme(
            self._law(),
            rounds=self.rounds,
            local_steps=self.local_steps,
            step_size=self.step_size,
            unselected=self.unselected,
            shards=self.shards,
            batch_size=self.batch_size,
        )

    def _law(self) -> MaskLaw:
        # whole networks on the same rows would all do the same
        p = 1 if self.masks == "all" and not self.shards else self.n_subnetworks
        return law_by_name(self.masks, n_subnetworks=p, selection_prob=self.selection_prob)
