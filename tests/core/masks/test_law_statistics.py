"""Masks follow their laws: frequencies, independence.

Seeds are fixed, so each test either always passes or always fails; ALARM bounds the chance that a correct law had
failed a test when its seed was chosen (Bonferroni inside each test).
"""

import numpy as np
import pytest
from scipy import stats

from subnetlab import Bernoulli, Categorical

ALARM = 1e-4
ROUNDS, WIDTH = 200, 100


def draws(law, seed=5):
    """All masks of the first rounds, shape (K, p, m)."""
    return np.array([law.sample(seed, k, WIDTH) for k in range(ROUNDS)])


@pytest.mark.parametrize("xi", [0.03, 0.3, 0.5, 0.9])
def test_bernoulli_frequencies(xi):
    masks = draws(Bernoulli(4, xi))
    pvalues = [stats.binomtest(int(masks.sum()), masks.size, xi).pvalue]
    for axis in range(3):  # of each round, subnetwork and neuron
        counts = masks.sum(axis=tuple({0, 1, 2} - {axis}))
        trials = masks.size // len(counts)
        z2 = np.sum((counts - trials * xi) ** 2 / (trials * xi * (1 - xi)))
        pvalues += [stats.chi2.sf(z2, len(counts)), stats.chi2.cdf(z2, len(counts))]  # too uneven, too even
    assert min(pvalues) > ALARM / len(pvalues)


def test_selection_counts_are_binomial():
    p, xi = 5, 0.4
    counts = np.bincount(draws(Bernoulli(p, xi)).sum(axis=1).ravel(), minlength=p + 1)
    expected = stats.binom.pmf(np.arange(p + 1), p, xi) * ROUNDS * WIDTH
    assert stats.chisquare(counts, expected).pvalue > ALARM


def agreement_pvalue(a, b, xi):
    """Two-sided p-value of the number of places where two masks agree, were they independent."""
    return stats.binomtest(int(np.sum(a == b)), a.size, xi**2 + (1 - xi) ** 2).pvalue


def test_bernoulli_masks_are_independent():
    xi = 0.3
    masks = draws(Bernoulli(3, xi))
    pvalues = [
        agreement_pvalue(masks[1:], masks[:-1], xi),  # rounds
        agreement_pvalue(masks[:, 1:], masks[:, :-1], xi),  # subnetworks
        agreement_pvalue(masks[:, :, 1:], masks[:, :, :-1], xi),  # neurons
        agreement_pvalue(masks[1:, 0], masks[:-1, 1], xi),  # across rounds and subnetworks
        agreement_pvalue(masks, draws(Bernoulli(3, xi), seed=6), xi),  # seeds
    ]
    assert min(pvalues) > ALARM / len(pvalues)


@pytest.mark.parametrize("law", [Categorical(4), Categorical(3, (0.6, 0.3, 0.1))], ids=["uniform", "uneven"])
def test_categorical_frequencies_and_independence(law):
    p = law.n_subnetworks
    q = np.array(law.probabilities or [1 / p] * p)
    owners = np.array([law.owners(5, k, WIDTH) for k in range(ROUNDS)])
    pvalues = [stats.chisquare(np.bincount(owners.ravel(), minlength=p), q * owners.size).pvalue]
    for now, then in ((owners[1:], owners[:-1]), (owners[:, 1:], owners[:, :-1])):  # rounds, neurons
        pairs = np.bincount((p * now + then).ravel(), minlength=p * p)
        pvalues.append(stats.chisquare(pairs, np.outer(q, q).ravel() * now.size).pvalue)
    assert min(pvalues) > ALARM / len(pvalues)
