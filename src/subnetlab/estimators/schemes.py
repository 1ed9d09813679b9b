"""From an estimator's parameters to a TrainingScheme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..core import checks
from ..core.masks import AllNeurons, Bernoulli, Categorical
from ..core.scheme import TrainingScheme

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.masks import MaskLaw

SchemeName: TypeAlias = Literal["ist", "dropout", "multi_sample_dropout", "gradient_descent"]

FEW_ROWS = 500  # up to here "auto" means full batches, in float64, and no early stopping
_BATCH = 200
_FULL_STEPS, _MOST_STEPS = 100, 2000


@dataclass(frozen=True)
class _Scheme:
    """A named scheme: its masks from p and xi, and whether a round may hold several local steps."""

    masks: Callable[[int, float], MaskLaw]
    local: bool


_SCHEMES: dict[SchemeName, _Scheme] = {
    "ist": _Scheme(lambda p, xi: Categorical(p), local=True),
    "dropout": _Scheme(lambda p, xi: Bernoulli(1, xi), local=False),
    "multi_sample_dropout": _Scheme(Bernoulli, local=False),
    "gradient_descent": _Scheme(lambda p, xi: AllNeurons(), local=True),  # the masks never change: rounds do not matter
}


def build_scheme(
    owner: str,
    scheme: SchemeName | TrainingScheme,
    n_samples: int,
    *,
    n_subnetworks: Any,
    selection_prob: Any,
    rounds: Any,
    local_steps: Any,
    step_size: Any,
    batch_size: Any,
) -> TrainingScheme:
    """Return the scheme for ``n_samples`` rows; a TrainingScheme passes as it is.

    Parameters
    ----------
    rounds : int or "auto"
        "auto" is as many as hold 100 local steps on full batches, or one local step per row, up to 2,000.
    batch_size : int, None or "auto"
        Rows per local step, all of them if there are no more; "auto" is all up to 500 rows and 200 above.

    Raises
    ------
    TypeError, ValueError
        If a parameter breaks its rule.
    """
    if isinstance(scheme, TrainingScheme):
        return scheme
    checks.one_of(owner, "scheme", scheme, tuple(_SCHEMES))
    named = _SCHEMES[scheme]
    p = checks.whole_number(owner, "n_subnetworks", n_subnetworks, least=1)
    xi = checks.probability(owner, "selection_prob", selection_prob)
    tau = checks.whole_number(owner, "local_steps", local_steps, least=1) if named.local else 1
    if batch_size == "auto":
        batch_size = None if n_samples <= FEW_ROWS else _BATCH
    if batch_size is not None:
        batch_size = min(n_samples, checks.whole_number(owner, "batch_size", batch_size, least=1))
    if rounds == "auto":
        full = batch_size is None or batch_size == n_samples
        rounds = -(-(_FULL_STEPS if full else min(n_samples, _MOST_STEPS)) // tau)
    return TrainingScheme(
        named.masks(p, xi),
        rounds=checks.whole_number(owner, "rounds", rounds, least=1),
        local_steps=tau,
        step_size=step_size,
        batch_size=None if batch_size == n_samples else batch_size,
    )
