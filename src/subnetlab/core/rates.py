"""Workers that are not equally fast: how many local steps the subnetworks of each one take."""

from __future__ import annotations

from collections.abc import Sequence

from . import checks


def check_rates(owner: str, rates: Sequence[float]) -> None:
    """Raise unless rates are one or more numbers in (0, 1].

    Parameters
    ----------
    owner : str
        Begins the message.
    rates : sequence of float
        How fast each worker is, the fastest 1.

    Raises
    ------
    TypeError, ValueError
        With the first rate that is none.

    Examples
    --------
    >>> check_rates("launch", (1, 0.25))
    """
    checks.instance(owner, "rates", rates, Sequence)
    if not rates:
        raise ValueError(f"{owner}: rates must be one or more numbers, got none")
    for rate in rates:
        if not 0 < checks.finite_number(owner, "rates", rate) <= 1:
            raise ValueError(f"{owner}: rates must be in (0, 1], the fastest worker's 1, got {rate}")


def steps_at_rates(rates: Sequence[float] | None, p: int, tau: int) -> tuple[int, ...]:
    """Return how many local steps each of p subnetworks takes, if each worker has its share of them.

    Parameters
    ----------
    rates : sequence of float, optional
        See `check_rates`; if None, all workers are equally fast.
    p, tau : int

    Raises
    ------
    TypeError, ValueError
        If a rate is not in (0, 1], or there are more of them than subnetworks.

    Examples
    --------
    >>> steps_at_rates((1, 0.25), p=4, tau=10)
    (10, 10, 2, 2)
    """
    if rates is None:
        return (tau,) * p
    check_rates("ModuleTraining", rates)
    if len(rates) > p:
        raise ValueError(f"ModuleTraining: rates must be one for each of 1 to {p} workers, got {len(rates)}")
    steps = [max(1, round(tau * rate)) for rate in rates]
    return tuple(steps[worker] for worker in range(len(rates)) for _ in range(*equal_share(p, worker, len(rates))))


def equal_share(length: int, worker: int, workers: int) -> tuple[int, int]:
    """Return the first thing of a worker's equal share of so many, and the first of the next one's.

    Examples
    --------
    >>> [equal_share(7, worker, 3) for worker in range(3)]
    [(0, 2), (2, 4), (4, 7)]
    """
    return length * worker // workers, length * (worker + 1) // workers
