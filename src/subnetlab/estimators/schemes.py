"""From an estimator's parameters to a TrainingScheme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..core import checks
from ..core.masks.table import law_settings
from ..core.scheme import TrainingScheme

if TYPE_CHECKING:
    from collections.abc import Mapping

SchemeName: TypeAlias = Literal["ist", "dropout", "multi_sample_dropout", "gradient_descent"]

FEW_ROWS = 500  # up to here "auto" means full batches, in float64, and no early stopping
_BATCH = 200
_FULL_STEPS, _MOST_STEPS = 100, 2000


@dataclass(frozen=True)
class _Scheme:
    """A named scheme: its law of masks, whether a round may hold several local steps, and whether p is one."""

    masks: str
    local: bool
    single: bool = False

    @property
    def used(self) -> set[str]:
        """The parameters of an estimator that the scheme takes."""
        taken = law_settings(self.masks) - ({"n_subnetworks"} if self.single else set())
        return taken | ({"local_steps"} if self.local else set())


_SCHEMES: dict[SchemeName, _Scheme] = {
    "ist": _Scheme("categorical", local=True),
    "dropout": _Scheme("bernoulli", local=False, single=True),
    "multi_sample_dropout": _Scheme("bernoulli", local=False),
    "gradient_descent": _Scheme("all", local=True, single=True),  # the masks never change: rounds do not matter
}
OF_NAMED_SCHEMES = ("n_subnetworks", "selection_prob", "rounds", "local_steps", "step_size", "batch_size")
_OF_SOME_SCHEMES = ("n_subnetworks", "selection_prob", "local_steps")
_OF_EARLY_STOPPING = ("validation_fraction", "n_rounds_no_change")


def unused_parameters(
    scheme: SchemeName | TrainingScheme, early_stopping: Any, parameters: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[str]:
    """Return the parameters that somebody has set but the scheme, or a fit without early stopping, does not use.

    Examples
    --------
    >>> unused_parameters("ist", "auto", {"selection_prob": 0.9}, {"selection_prob": 0.5})
    ['selection_prob']
    """
    if isinstance(scheme, TrainingScheme):
        unused: list[str] = list(OF_NAMED_SCHEMES)
    else:
        unused = [name for name in _OF_SOME_SCHEMES if name not in _SCHEMES[scheme].used]
    if not early_stopping:
        unused += _OF_EARLY_STOPPING
    return [name for name in unused if name in parameters and parameters[name] != defaults[name]]


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
    return TrainingScheme.from_settings(
        named.masks,
        defaults={"n_subnetworks": 1 if named.single else p, "selection_prob": xi},
        owner=owner,
        rounds=checks.whole_number(owner, "rounds", rounds, least=1),
        local_steps=tau,
        step_size=step_size,
        batch_size=None if batch_size == n_samples else batch_size,
    )
