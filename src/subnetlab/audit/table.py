"""Every statement of the paper and the function that judges it: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..surroundings import undisturbed
from . import (
    claims,
    corollary_checks,
    hypothesis_checks,
    initial_lemmas,
    later_claims,
    mask_lemmas,
    printed_forms,
    round_lemmas,
    spread_lemmas,
    theorem_checks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .finding import Finding

STATEMENTS: dict[str, Callable[[], Finding]] = {
    "Theorem 1": hypothesis_checks.theorem1_check,
    "Theorem 2": hypothesis_checks.theorem2_check,
    "Hypothesis 1": hypothesis_checks.hypothesis1_check,
    "Theorem 3": theorem_checks.theorem3_check,
    "Theorem 3, (6)": printed_forms.theorem3_width,
    "Theorem 3, (7)": printed_forms.theorem3_bias_term,
    "Corollary 1": corollary_checks.corollary1_check,
    "Corollary 2": corollary_checks.corollary2_check,
    "Corollary 3": corollary_checks.corollary3_check,
    "Theorem 4": theorem_checks.theorem4_check,
    "Theorem 4, exponents": printed_forms.theorem4_exponents,
    "Theorem 4, width of the text": printed_forms.theorem4_width_of_the_text,
    "Theorem 4, width of the proof": printed_forms.theorem4_width_of_the_proof,
    "Theorem 4, (2)": printed_forms.theorem4_recursion,
    "Theorem 5": printed_forms.theorem5_check,
    "Theorem 5, steps": printed_forms.theorem5_steps,
    "Equation (1)": printed_forms.equation1_rate,
    "Lemma 1": mask_lemmas.lemma1,
    "Lemma 2": mask_lemmas.lemma2,
    "Lemma 3": spread_lemmas.lemma3,
    "Lemma 4": spread_lemmas.lemma4,
    "Lemma 5": round_lemmas.lemma5,
    "Lemma 6": round_lemmas.lemma6,
    "Lemma 7": round_lemmas.lemma7,
    "Lemma 8": round_lemmas.lemma8,
    "Lemma 9": round_lemmas.lemma9,
    "Lemma 10": round_lemmas.lemma10,
    "Lemma 11": round_lemmas.lemma11,
    "Lemma 12": round_lemmas.lemma12,
    "Lemma 13": mask_lemmas.lemma13,
    "Lemma 14": mask_lemmas.lemma14,
    "Lemma 15": theorem_checks.lemma15_check,
    "Lemma 16": initial_lemmas.lemma16,
    "Lemma 17": initial_lemmas.lemma17,
    "Lemma 18": mask_lemmas.lemma18,
    "Lemma 19": mask_lemmas.lemma19,
    "Lemma 20": mask_lemmas.lemma20,
    "Lemma 21": mask_lemmas.lemma21,
    "Lemma 22": initial_lemmas.lemma22,
    "Lemma 23": initial_lemmas.lemma23,
    "Lemma 24": spread_lemmas.lemma24,
    "Lemma 25": spread_lemmas.lemma25,
    "Lemma 26": initial_lemmas.lemma26,
    "Property 1": initial_lemmas.property1,
    "Property 2": initial_lemmas.property2,
    "Property 3": initial_lemmas.property3,
    "Property 4": initial_lemmas.property4,
    "Property 5": initial_lemmas.property5,
    "R1": claims.error_falls_with_p,
    "R2": claims.error_rises_with_tau,
    "R3": claims.bias_falls_with_p,
    "R4": claims.categorical_is_better,
    "R5": claims.rate_improves_with_p,
    "R6": claims.dominated_after_nk,
    "R7": claims.error_stays_as_xi_falls,
    "R8": claims.no_error_at_full_selection,
    "R9": claims.masked_kernel_unbiased,
    "R10": claims.masked_kernel_biased_later,
    "R11": claims.sampling_decomposition,
    "R12": claims.kernel_change_order,
    "R13": later_claims.later_gradients,
    "R14": later_claims.tight_bounds,
    "R15": later_claims.biased_gradients,
    "R16": later_claims.no_linear_combination,
    "R17": later_claims.last_term_grows_with_p,
    "R18": later_claims.rounds_needed,
    "R19": later_claims.width_and_rounds,
}


def audit(names: list[str] | None = None) -> dict[str, Finding]:
    """Return the finding of each statement, computed now.

    Parameters
    ----------
    names : list of str, optional
        Which; None means all.

    Raises
    ------
    ValueError
        If there is no such statement.

    Examples
    --------
    >>> audit(["Lemma 18"])["Lemma 18"].verdict
    'exact'
    """
    names = list(STATEMENTS) if names is None else names
    unknown = [name for name in names if name not in STATEMENTS]
    if unknown:
        raise ValueError(f"audit: statement must be one of {', '.join(STATEMENTS)}, got {unknown[0]!r}")
    return {name: undisturbed(threads=1)(STATEMENTS[name])() for name in names}
