"""Training schemes: which masks, how many rounds and local steps, what step size (Section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from . import checks
from .aggregation import UNSELECTED, Unselected
from .masks import AllNeurons, Bernoulli, Categorical

if TYPE_CHECKING:
    from .masks import MaskLaw

StepSize: TypeAlias = float | Literal["auto", "theory"]


@dataclass(frozen=True)
class TrainingScheme:
    """Algorithm 1 with everything that it leaves open.

    Parameters
    ----------
    masks : MaskLaw
        The law of the masks; it fixes p and xi.
    rounds, local_steps : int
        K and tau, at least 1.
    step_size : float or {"auto", "theory"}
        eta > 0, the same in every round. "auto" is half of the largest stable step of the largest subnetwork
        expected, 1 / lambda_max of its finite NTK at initialisation. "theory" is the largest step for which
        the paper proves convergence (Theorem 3 or 4). See `subnetlab.training`.
    unselected : {"keep", "zero"}, default "keep"
        What aggregation does with a neuron that nobody holds: "keep" (the paper) or "zero" (the authors'
        released code), see `subnetlab.core.aggregation.aggregate`.
    shards : int, optional
        Split the rows into this many fixed shards; subnetwork l sees shard l modulo ``shards`` only.
    batch_size : int, optional
        Rows per local step, drawn without replacement; the gradient is scaled to stay unbiased.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.

    Examples
    --------
    >>> from subnetlab.core.masks import Bernoulli
    >>> scheme = TrainingScheme(masks=Bernoulli(10, 0.5), rounds=200, local_steps=10, step_size=0.02)
    >>> scheme.masks.n_subnetworks
    10
    """

    masks: MaskLaw
    rounds: int
    local_steps: int = 1
    step_size: StepSize = "auto"
    unselected: Unselected = "keep"
    shards: int | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        owner = "TrainingScheme"
        if isinstance(self.masks, type) or not hasattr(self.masks, "sample"):
            raise TypeError(f"{owner}: masks must be a mask law such as Bernoulli(10, 0.5), got {self.masks!r}")
        checks.one_of(owner, "unselected", self.unselected, UNSELECTED)
        for name in ("rounds", "local_steps", "shards", "batch_size"):
            value = getattr(self, name)
            if value is not None or name in ("rounds", "local_steps"):
                object.__setattr__(self, name, checks.whole_number(owner, name, value, least=1))
        if isinstance(self.step_size, str):
            checks.one_of(owner, "step_size", self.step_size, ("auto", "theory"))
        else:
            object.__setattr__(self, "step_size", checks.positive_number(owner, "step_size", self.step_size))

    def check(self, width: int, n_samples: int) -> None:
        """Raise ValueError unless the scheme can train ``width`` neurons on ``n_samples`` rows."""
        self.masks.check(width, self.rounds)
        for name, value in (("shards", self.shards), ("batch_size", self.batch_size)):
            if value is not None and value > n_samples:
                raise ValueError(f"TrainingScheme: {name} must be at most the number of rows {n_samples}, got {value}")


def gradient_descent(rounds: int, step_size: StepSize = "auto") -> TrainingScheme:
    """Return gradient descent on the whole network: p = 1, xi = 1, tau = 1.

    Examples
    --------
    >>> gradient_descent(rounds=200).masks
    AllNeurons(n_subnetworks=1)
    """
    return TrainingScheme(AllNeurons(), rounds=rounds, step_size=step_size)


def dropout(selection_prob: float, rounds: int, step_size: StepSize = "auto") -> TrainingScheme:
    """Return dropout: one Bernoulli subnetwork, one step per round (Corollary 1).

    ``selection_prob`` is the chance to KEEP a neuron, one minus what is usually called the dropout rate.

    Examples
    --------
    >>> dropout(0.8, rounds=200).masks
    Bernoulli(n_subnetworks=1, selection_prob=0.8)
    """
    return multi_sample_dropout(1, selection_prob, rounds, step_size)


def multi_sample_dropout(
    n_subnetworks: int, selection_prob: float, rounds: int, step_size: StepSize = "auto"
) -> TrainingScheme:
    """Return multi-sample dropout: p Bernoulli subnetworks, one step per round (Corollary 2).

    Examples
    --------
    >>> multi_sample_dropout(10, 0.5, rounds=200).local_steps
    1
    """
    return TrainingScheme(Bernoulli(n_subnetworks, selection_prob), rounds=rounds, step_size=step_size)


def independent_subnets(
    n_subnetworks: int, rounds: int, local_steps: int, step_size: StepSize = "auto"
) -> TrainingScheme:
    """Return Independent Subnet Training: categorical masks, tau steps per round (Theorem 4).

    Examples
    --------
    >>> independent_subnets(4, rounds=200, local_steps=5).masks.selection_prob
    0.25
    """
    return TrainingScheme(Categorical(n_subnetworks), rounds=rounds, local_steps=local_steps, step_size=step_size)
