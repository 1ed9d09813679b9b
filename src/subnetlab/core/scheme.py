"""What a run of Algorithm 1 leaves open: which masks, how many rounds and local steps, what step size (Section 3)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from . import checks
from .aggregation import UNSELECTED, Unselected
from .masks.groups import ByGroup
from .masks.law import NEEDED, partitions
from .masks.naming import law_from_settings

if TYPE_CHECKING:
    from .masks import MaskLaw
    from .masks.groups import CutGroups

StepSize: TypeAlias = float | Literal["auto", "theory"]


@dataclass(frozen=True)
class OuterSGD:
    """What is done with the mean update of a round, taken as a negative gradient; the defaults are DiLoCo's.

    Parameters
    ----------
    step_size : float, default 0.7
        Above 0; 1 without momentum adds the mean update as it is, which is Algorithm 1.
    momentum : float, default 0.9
        In [0, 1).
    nesterov : bool, default True

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.
    """

    step_size: float = 0.7
    momentum: float = 0.9
    nesterov: bool = True

    def __post_init__(self) -> None:
        checks.positive_number("OuterSGD", "step_size", self.step_size)
        if not 0 <= checks.finite_number("OuterSGD", "momentum", self.momentum) < 1:
            raise ValueError(f"OuterSGD: momentum must be in [0, 1), got {self.momentum}")
        checks.instance("OuterSGD", "nesterov", self.nesterov, bool)


@dataclass(frozen=True)
class TrainingScheme:
    """Algorithm 1 with everything that it leaves open.

    Parameters
    ----------
    masks : MaskLaw or mapping from group to MaskLaw
        The law of the masks; it fixes p and xi. One law serves every group of units of a network; a mapping gives
        groups laws of their own, with one p, and leaves the groups that it does not name whole.
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
    cut_groups : {"all", "alternate"} or tuple of str, default "all"
        Which groups of units are cut in a round. "alternate" never cuts both ends of an entry: every second layer, the
        others in the next round. Networks with one group know no difference.
    outer : OuterSGD, optional
        Take the mean update of each round through an outer optimiser (DiLoCo); networks of torch alone.

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
    cut_groups: CutGroups = "all"
    outer: OuterSGD | None = None

    def __post_init__(self) -> None:
        owner = "TrainingScheme"
        for law in self.masks.values() if isinstance(self.masks, Mapping) else (self.masks,):
            if isinstance(law, type) or not hasattr(law, "sample"):
                raise TypeError(f"{owner}: masks must be a mask law such as Bernoulli(10, 0.5), got {law!r}")
            if missing := [member for member in NEEDED if not hasattr(law, member)]:
                raise TypeError(f"{owner}: masks must have {', '.join(missing)}, which {type(law).__name__} has not")
        if isinstance(self.masks, Mapping):
            object.__setattr__(self, "masks", ByGroup(self.masks))
        if isinstance(self.cut_groups, str):
            checks.one_of(owner, "cut_groups", self.cut_groups, ("all", "alternate"))
        else:
            object.__setattr__(self, "cut_groups", tuple(self.cut_groups))
        if self.outer is not None:
            checks.instance(owner, "outer", self.outer, OuterSGD)
        checks.one_of(owner, "unselected", self.unselected, UNSELECTED)
        for name in ("rounds", "local_steps", "shards", "batch_size"):
            value = getattr(self, name)
            if value is not None or name in ("rounds", "local_steps"):
                object.__setattr__(self, name, checks.whole_number(owner, name, value, least=1))
        if isinstance(self.step_size, str):
            checks.one_of(owner, "step_size", self.step_size, ("auto", "theory"))
        else:
            object.__setattr__(self, "step_size", checks.positive_number(owner, "step_size", self.step_size))

    @classmethod
    def from_settings(
        cls,
        masks: str,
        *,
        n_subnetworks: int | None = None,
        selection_prob: float | None = None,
        defaults: Mapping[str, Any] | None = None,
        owner: str = "TrainingScheme",
        **settings: Any,
    ) -> TrainingScheme:
        """Return the scheme that flat settings describe, as command lines, plans, pages and estimators have them.

        Parameters
        ----------
        masks : str
            The law's name in ``subnetlab.core.masks.LAWS``, or ``module:Class`` of a module that is loaded.
        n_subnetworks, selection_prob : optional
            p and xi. None is not given; what is given must be a setting of the law.
        defaults : mapping, optional
            What p and xi are where they are not given and the law has them.
        owner : str
            Whose settings errors about the law say they are.
        **settings
            The other parameters of `TrainingScheme`.

        Raises
        ------
        TypeError, ValueError
            If there is no such law, it has no such setting or lacks one, or a setting breaks its rule.

        Examples
        --------
        >>> TrainingScheme.from_settings("bernoulli", n_subnetworks=3, defaults={"selection_prob": 0.5}, rounds=9).masks
        Bernoulli(n_subnetworks=3, selection_prob=0.5)
        """
        given = {"n_subnetworks": n_subnetworks, "selection_prob": selection_prob}
        return cls(law_from_settings(masks, given, defaults or {}, owner=owner), **settings)

    def check(self, width: int, n_samples: int) -> None:
        """Raise ValueError unless the scheme can train a shallow network of ``width`` neurons on ``n_samples`` rows."""
        owner = "TrainingScheme"
        if isinstance(self.masks, Mapping):
            raise ValueError(
                f"{owner}: masks must be one law for a shallow network, got groups {', '.join(self.masks)}"
            )
        if not isinstance(self.cut_groups, str):
            raise ValueError(f"{owner}: cut_groups must be 'all' for a shallow network, got {self.cut_groups!r}")
        if self.outer is not None:
            raise ValueError(f"{owner}: outer must be None for a shallow network, got {self.outer!r}")
        p, tau = self.masks.n_subnetworks, self.local_steps
        checks.memory(owner, "n_subnetworks", "masks (p, m)", p * width)
        checks.memory(owner, "local_steps", "errors of a round", 8 * p * tau)
        checks.memory(owner, "rounds", "errors of all local steps", 8 * self.rounds * tau)
        self.masks.check(width, self.rounds)
        if partitions(self.masks) and p > width:
            warnings.warn(
                f"{owner}: {p} subnetworks share {width} neurons, so that at least {p - width} of them hold none in "
                f"every round",
                UserWarning,
                stacklevel=2,
            )
        self.check_rows(n_samples)

    def check_rows(self, n_samples: int) -> None:
        """Raise ValueError unless there are rows for every shard and every batch."""
        for name, value in (("shards", self.shards), ("batch_size", self.batch_size)):
            if value is not None and value > n_samples:
                raise ValueError(f"TrainingScheme: {name} must be at most the number of rows {n_samples}, got {value}")
