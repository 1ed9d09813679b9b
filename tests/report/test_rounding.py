"""Numbers on their way into a page."""

import numpy as np

from subnetlab.report.rounding import compact, spread, stretches


def test_numbers_are_rounded_and_thinned():
    assert compact([np.inf, 1 / 3, 2.0, -1e-12]) == [None, 0.33333, 2, -1e-12]
    assert spread(1000, 7).tolist()[0] == 0 and spread(1000, 7).tolist()[-1] == 999
    kept = stretches(1000, 80, 8)
    assert len(kept) <= 80 and {0, 999} <= set(kept.tolist())
    assert all(k + 1 in kept or k - 1 in kept for k in kept)
