"""`subnetlab plan`: settings that are predicted to reach a target error, the fastest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core import checks
from ..core.masks.naming import law_name
from ..progress import progress_bar
from ..theory.followed_plan import MOST_WORK, fastest_followed
from ..theory.planner import Costs, plan, trade_off
from ..theory.prediction import MOST_ROWS_FOLLOWED
from .json_text import json_text
from .options import DataOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..theory.planner import TrainingPlan


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab plan`."""

    target_error: float
    """The error |y - u|^2 to reach, summed over the rows."""
    data: DataOptions = field(default_factory=DataOptions)
    costs: Costs = field(default_factory=Costs)
    n_subnetworks: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of subnetworks to try."""
    selection_prob: tuple[float, ...] = (0.2, 0.5, 0.8, 1.0)
    """Selection probabilities to try with Bernoulli masks."""
    local_steps: tuple[int, ...] = (1, 2, 5, 10, 20)
    """Local steps to try."""
    width: tuple[int, ...] = (4000, 16_000)
    """Widths to try."""
    init_scale: float = 1.0
    """kappa, the standard deviation of the initial weights."""
    max_rounds: int = 10_000
    """Settings that need more rounds are left out."""
    best: int = 10
    """How many plans to print."""
    json: bool = False
    """Print JSON."""


def run(options: Options) -> int:
    """Plan and print; exit code 1 if nothing reaches the target."""
    checks.whole_number("plan", "best", options.best, least=1)
    data = options.data.load()
    plans = plan(
        data.X,
        data.y,
        options.target_error,
        options.costs,
        n_subnetworks=options.n_subnetworks,
        selection_probs=options.selection_prob,
        local_steps=options.local_steps,
        widths=options.width,
        init_scale=options.init_scale,
        max_rounds=options.max_rounds,
    )
    front = trade_off(plans)
    if options.json:
        print(
            json_text({"plans": [_record(p) for p in plans[: options.best]], "trade_off": [_record(p) for p in front]})
        )
        return 0 if plans else 1
    if not plans:
        print(
            f"nothing tried is predicted to reach {options.target_error:g}; try more --max-rounds, smaller --kappa, "
            f"more --width or --tau"
        )
        return 1
    print(f"fastest of {len(plans)} settings that are predicted to reach {options.target_error:g}:")
    print("\n".join(_line(p) for p in plans[: options.best]))
    print("\ntime against traffic (nothing beats these in both):")
    print("\n".join(_line(p) for p in front))
    print("\n" + _followed(plans, options))
    promise = plans[0].guarantee(data.X, data.y, options.init_scale)
    unmet = [c.name for c in promise.conditions if not c.met]
    print(
        f"{promise.statement} on the first: {promise.reason or 'hypotheses not met: ' + (', '.join(unmet) or 'none')}"
    )
    if promise.floor is not None:
        print(f"its floor is {promise.floor:.4g}, predicted is {plans[0].floor:.4g}")
    return 0


def _followed(plans: Sequence[TrainingPlan], options: Options) -> str:
    """Return the plan that is fastest where patterns change: the plans take them to stay."""
    stay = "patterns of activation were taken to stay"
    if len(plans[0].model.X) > MOST_ROWS_FOLLOWED:
        return f"{stay}: check the first plans by training"
    with progress_bar(MOST_WORK, "step") as advance:
        found = fastest_followed(
            plans,
            options.target_error,
            init_scale=options.init_scale,
            most_work=MOST_WORK,
            looked_at=lambda work: advance("with patterns that change", work),
        )
    if found is None:
        return f"{stay}, and no plan was found that reaches the target where they change: check them by training"
    return f"with patterns that change, for one initial network, the fastest is\n{_line(found)}"


def _record(plan: TrainingPlan) -> dict[str, Any]:
    scheme = plan.scheme
    return {
        "masks": law_name(type(scheme.masks)),
        "n_subnetworks": scheme.masks.n_subnetworks,
        "selection_prob": scheme.masks.selection_prob,
        "local_steps": scheme.local_steps,
        "step_size": scheme.step_size,
        "width": plan.width,
        "rounds": scheme.rounds,
        "seconds": plan.seconds,
        "bytes": plan.traffic,
        "predicted_error": plan.predicted_error,
        "floor": plan.floor,
    }


def _line(plan: TrainingPlan) -> str:
    r = _record(plan)
    return (
        f"  {r['seconds']:10.4g} s {r['bytes']:10.4g} bytes  {r['masks']:<11} p={r['n_subnetworks']:<3} "
        f"xi={r['selection_prob']:<6.3g} tau={r['local_steps']:<3} eta={r['step_size']:<8.4g} m={r['width']:<6} "
        f"rounds={r['rounds']:<6} error {r['predicted_error']:.4g}, floor {r['floor']:.4g}"
    )
