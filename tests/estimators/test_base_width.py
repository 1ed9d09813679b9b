"""The width "auto" grows with the outputs that share the neurons."""

import numpy as np
from sklearn.neighbors import NearestCentroid

import subnetlab as sl

RNG = np.random.default_rng(0)


def test_a_hundred_separable_classes_are_learned():
    of = np.repeat(np.arange(100), 6)
    X = RNG.standard_normal((100, 20))[of] + 0.1 * RNG.standard_normal((600, 20))
    assert NearestCentroid().fit(X, of).score(X, of) == 1
    model = sl.SubnetClassifier(random_state=0).fit(X, of)
    assert model.network_.width == 2000
    assert model.score(X, of) > 0.95


def test_sixty_four_outputs_are_learned():
    X = RNG.standard_normal((300, 20))
    y = X @ RNG.standard_normal((20, 64))
    assert sl.SubnetRegressor(random_state=0).fit(X, y).score(X, y) > 0.95


def test_few_outputs_have_the_width_of_one():
    X = RNG.standard_normal((30, 3))
    for outputs, width in ((1, 128), (10, 128), (11, 220)):
        y = RNG.standard_normal((30, outputs))
        assert sl.SubnetRegressor(random_state=0, rounds=1).fit(X, y).network_.width == width
