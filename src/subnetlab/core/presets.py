"""Known methods as training schemes: each is Algorithm 1 with some of its settings fixed.

All of them take ``batch_size`` (rows per local step) and ``shards`` (parts of the data, subnetwork l seeing part l), so
that they can be run side by side on the same data in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .masks import AllNeurons, Balanced, Bernoulli, Categorical, Ordered, Rolling
from .scheme import OuterSGD, TrainingScheme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .masks.groups import CutGroups
    from .scheme import StepSize


def gradient_descent(
    rounds: int, step_size: StepSize = "auto", *, batch_size: int | None = None, shards: int | None = None
) -> TrainingScheme:
    """Return gradient descent on the whole network: p = 1, xi = 1, tau = 1.

    Examples
    --------
    >>> gradient_descent(rounds=200).masks
    AllNeurons(n_subnetworks=1)
    """
    return TrainingScheme(AllNeurons(), rounds, step_size=step_size, batch_size=batch_size, shards=shards)


def dropout(
    selection_prob: float,
    rounds: int,
    step_size: StepSize = "auto",
    *,
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return dropout: one Bernoulli subnetwork, one step per round (Corollary 1).

    ``selection_prob`` is the chance to KEEP a neuron, one minus what is usually called the dropout rate.

    Examples
    --------
    >>> dropout(0.8, rounds=200).masks
    Bernoulli(n_subnetworks=1, selection_prob=0.8)
    """
    return multi_sample_dropout(1, selection_prob, rounds, step_size, batch_size=batch_size, shards=shards)


def multi_sample_dropout(
    n_subnetworks: int,
    selection_prob: float,
    rounds: int,
    step_size: StepSize = "auto",
    *,
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return multi-sample dropout: p Bernoulli subnetworks, one step per round (Corollary 2).

    Examples
    --------
    >>> multi_sample_dropout(10, 0.5, rounds=200).local_steps
    1
    """
    law = Bernoulli(n_subnetworks, selection_prob)
    return TrainingScheme(law, rounds, step_size=step_size, batch_size=batch_size, shards=shards)


def independent_subnets(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    balanced: bool = False,
    cut_groups: CutGroups = "all",
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return Independent Subnet Training: every unit in one subnetwork, tau steps per round (Theorem 4).

    Parameters
    ----------
    n_subnetworks, rounds, local_steps : int
        p, K and tau.
    step_size : float or {"auto", "theory"}
    balanced : bool, default False
        Deal the units out in equal parts, as the code of IST's authors does; False draws each on its own, as the paper
        does.
    cut_groups : {"all", "alternate"} or tuple of str, default "all"
        Which layers of a deep network are cut in a round, see `TrainingScheme`.
    batch_size, shards : int, optional

    Examples
    --------
    >>> independent_subnets(4, rounds=200, local_steps=5).masks.selection_prob
    0.25
    """
    law = Balanced(n_subnetworks) if balanced else Categorical(n_subnetworks)
    return TrainingScheme(
        law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards, cut_groups=cut_groups
    )


def local_sgd(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return local SGD (federated averaging with ``shards``): p copies of the whole network, averaged every tau steps.

    Examples
    --------
    >>> local_sgd(4, rounds=10, local_steps=25, batch_size=32, shards=4).masks
    AllNeurons(n_subnetworks=4)
    """
    law = AllNeurons(n_subnetworks)
    return TrainingScheme(law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards)


def diloco(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    outer: OuterSGD | None = None,
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return DiLoCo: local SGD whose mean update goes through an outer optimiser (Nesterov momentum by default).

    Examples
    --------
    >>> diloco(4, rounds=10, local_steps=100, batch_size=32).outer
    OuterSGD(step_size=0.7, momentum=0.9, nesterov=True)
    """
    law = AllNeurons(n_subnetworks)
    outer = OuterSGD() if outer is None else outer
    return TrainingScheme(law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards, outer=outer)


def resist(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return ResIST: the residual blocks are dealt out in equal parts; cut the network with ``units="blocks"``.

    Examples
    --------
    >>> resist(4, rounds=10, local_steps=25, batch_size=32).masks
    Balanced(n_subnetworks=4)
    """
    law = Balanced(n_subnetworks)
    return TrainingScheme(law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards)


def heterofl(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    shares: float | Sequence[float] = (1.0, 0.5, 0.25),
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return HeteroFL: subnetwork l always holds the first units, a share of its own capacity.

    Examples
    --------
    >>> heterofl(3, rounds=10, local_steps=25, batch_size=32, shards=3).masks
    Ordered(n_subnetworks=3, shares=(1.0, 0.5, 0.25), drawn=False)
    """
    law = Ordered(n_subnetworks, shares)
    return TrainingScheme(law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards)


def fedrolex(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    shares: float | Sequence[float] = (1.0, 0.5, 0.25),
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return FedRolex: windows of units that move on by one in each round.

    Examples
    --------
    >>> fedrolex(2, rounds=10, local_steps=25, shares=0.5, batch_size=32).masks
    Rolling(n_subnetworks=2, shares=(0.5,))
    """
    law = Rolling(n_subnetworks, shares)
    return TrainingScheme(law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards)


def fjord(
    n_subnetworks: int,
    rounds: int,
    local_steps: int,
    step_size: StepSize = "auto",
    *,
    shares: float | Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    batch_size: int | None = None,
    shards: int | None = None,
) -> TrainingScheme:
    """Return FjORD: ordered dropout, each subnetwork drawing its share of the first units anew in every round.

    Examples
    --------
    >>> fjord(2, rounds=10, local_steps=25, batch_size=32).masks.drawn
    True
    """
    law = Ordered(n_subnetworks, shares, drawn=True)
    return TrainingScheme(law, rounds, local_steps, step_size, batch_size=batch_size, shards=shards)
