"""Is a mask law what it must be? All of it on request, and what is cheap before every run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .masks.law import partitions
from .scheme import TrainingScheme
from .scheme_record import scheme_from_record, scheme_to_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .arrays import BoolArray
    from .masks import MaskLaw

_WIDTHS = (1, 2, 3, 17, 64)
_SUBNETWORKS = (1, 2, 5)
_SEEDS = (0, 7, 2**64 - 1)
_MANY_ROUNDS = 200  # in which shares are counted


def check_first_masks(law: MaskLaw, seed: int, width: int) -> None:
    """Raise before a run where a law draws what is no mask, or could not be saved afterwards.

    Parameters
    ----------
    law : MaskLaw
    seed, width : int
        Of the run.

    Raises
    ------
    TypeError, ValueError
        If the masks of round 0 are no (p, m) array of bool, or the law's class or fields cannot be saved.

    Examples
    --------
    >>> from subnetlab import Bernoulli
    >>> check_first_masks(Bernoulli(2, 0.5), seed=0, width=10)
    """
    _masks(type(law).__name__, law, seed, 0, width)
    _record(law)


def check_mask_law(law: MaskLaw, *, widths: Iterable[int] = _WIDTHS, rounds: int = 3) -> None:
    """Check that a mask law of your own keeps all of the rules of `MaskLaw`, as check_estimator does for estimators.

    It is tried as given and with other numbers of subnetworks, on networks of several widths: its masks are arrays of
    bool of shape (p, m), pure functions of (seed, round); `sample_subnetwork` returns their rows; p, xi and the largest
    share are in their ranges, and xi is the share of neurons that it selects; `check` refuses with ValueError alone; a
    law that says that it partitions does; its class is a frozen dataclass, and what is saved of it gives the same law
    back.

    Parameters
    ----------
    law : MaskLaw
    widths : iterable of int
        Widths m to try. The law's `check` may refuse some of them, not all.
    rounds : int, default 3
        How many rounds to draw.

    Raises
    ------
    TypeError, ValueError
        At the first rule that is broken; the message names the law, the rule and what came instead.

    Examples
    --------
    >>> import subnetlab as sl
    >>> sl.check_mask_law(sl.Categorical(4))
    """
    name = type(law).__name__
    TrainingScheme(law, rounds=rounds)  # the members
    widths = _checked_widths(widths)
    frozen = is_dataclass(law) and getattr(type(law), "__dataclass_params__").frozen  # noqa: B009
    _require(name, frozen, "must be a frozen dataclass")
    tried = 0
    for variant in _variants(law):
        again: MaskLaw = scheme_from_record(*_record(variant)).masks
        _require(name, again == variant, f"must equal what is read back from its record, got {again!r} for {variant!r}")
        for width in widths:
            try:
                variant.check(width, rounds)
            except ValueError:
                continue
            _check_numbers(name, variant, width)
            _check_draws(name, variant, again, width, rounds)
            _check_share(name, variant, width)
            tried += 1
    _require(name, tried > 0, f"must accept some width, but its check refuses {widths}: pass other widths")


def _checked_widths(widths: Any) -> tuple[int, ...]:
    if isinstance(widths, str) or not isinstance(widths, Iterable):
        raise TypeError(f"check_mask_law: widths must be a list of whole numbers, got {widths!r}")
    return tuple(checks.whole_number("check_mask_law", "widths", width, least=1) for width in widths)


def _variants(law: Any) -> Iterator[Any]:
    """Return the law, and the same with other numbers of subnetworks where it can be made."""
    yield law
    if any(field.name == "n_subnetworks" for field in fields(law)):
        for p in _SUBNETWORKS:
            with suppress(TypeError, ValueError):  # fields that fit one number of subnetworks alone
                yield replace(law, n_subnetworks=p)


def _check_numbers(name: str, law: MaskLaw, width: int) -> None:
    checks.whole_number(name, "n_subnetworks", law.n_subnetworks, least=1)
    checks.probability(name, "selection_prob", law.selection_prob)
    checks.probability(name, "largest_share", float(law.largest_share(width)))


def _check_share(name: str, law: MaskLaw, width: int) -> None:
    """Check that neurons are selected as often as the law says, to five standard errors of the most uneven masks."""
    try:
        law.check(width, _MANY_ROUNDS)
    except ValueError:  # masks that are given for fewer rounds
        return
    share = float(np.mean([_masks(name, law, _SEEDS[0], k, width).mean() for k in range(_MANY_ROUNDS)]))
    xi = law.selection_prob
    allowed = 5 * math.sqrt(xi * (1 - xi) / _MANY_ROUNDS) + 1 / width  # masks of a round may all be alike
    _require(name, abs(share - xi) <= allowed, f"must select a share of {xi:g} of the neurons, got {share:.3g}")


def _check_draws(name: str, law: MaskLaw, again: MaskLaw, width: int, rounds: int) -> None:
    """Check all masks of some rounds, drawn twice in two orders, and each of their rows."""
    draws = [(seed, k) for seed in _SEEDS for k in range(rounds)]
    first = {draw: np.array(_masks(name, law, *draw, width)) for draw in draws}
    for seed, k in reversed(draws):
        masks, where = first[seed, k], f"(seed {seed}, round {k}, width {width})"
        same = np.array_equal(masks, again.sample(seed, k, width))
        _require(name, same, f"must draw the same masks for the same seed and round whatever came before, {where}")
        if partitions(law):
            _require(name, bool((masks.sum(axis=0) == 1).all()), f"says that it partitions but does not, {where}")
        for l, mask in enumerate(masks):
            row = np.asarray(law.sample_subnetwork(seed, k, width, l))
            same = row.dtype == bool and np.array_equal(row, mask)
            _require(name, same, f"must return row {l} of sample from sample_subnetwork, {where}, got {row!r}")


def _masks(name: str, law: MaskLaw, seed: int, round: int, width: int) -> BoolArray:
    masks: Any = law.sample(seed, round, width)
    wanted, found = (law.n_subnetworks, width), getattr(masks, "shape", None)
    dtype = getattr(masks, "dtype", type(masks).__name__)
    right = isinstance(masks, np.ndarray) and masks.dtype == bool and found == wanted
    _require(name, right, f"must draw masks of bool of shape (p, m) = {wanted}, got {dtype} of shape {found}")
    return masks


def _record(law: MaskLaw) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the law's record, as it comes back from a file."""
    record, arrays = scheme_to_record(TrainingScheme(law, rounds=1))
    try:
        return json.loads(json.dumps(record)), arrays
    except TypeError as error:
        name = type(law).__name__
        raise TypeError(f"{name}: must have fields of numbers, texts, tuples or arrays to be saved ({error})") from None


def _require(name: str, met: bool, rule: str) -> None:
    if not met:
        raise ValueError(f"{name}: {rule}")
