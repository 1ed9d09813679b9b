"""The examples run, are short, and stand on their own."""

import ast
import os
import subprocess
import sys

import numpy as np
import pytest


def test_algorithm1_is_short_and_imports_numpy_alone(repository):
    source = (repository / "examples" / "algorithm1.py").read_text()
    assert len(source.splitlines()) < 60
    imported = [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert imported == ["numpy"]


def test_every_example_runs(repository, tmp_path):
    examples = sorted((repository / "examples").glob("*.py"))
    assert examples
    for example in examples:
        environment = {**os.environ, "MPLBACKEND": "agg"}
        subprocess.run([sys.executable, example], cwd=tmp_path, env=environment, check=True, capture_output=True)


def test_algorithm1_prints_falling_errors(repository):
    command = [sys.executable, repository / "examples" / "algorithm1.py"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    for line in printed[:2]:
        first, last = (float(word) for word in line.split()[-3::2])
        assert last < first
    assert len(printed) == 3


def test_the_gradient_of_algorithm1_is_the_slope_of_its_loss(algorithm1):
    """The oracle of the engines is held to calculus."""
    rng = np.random.default_rng(0)
    X, y, W = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal((4, 3))
    a, mask = np.array([1.0, -1.0, 1.0, 1.0]), np.array([True, True, False, True])

    def loss(V):
        return 0.5 * np.sum((y - algorithm1.subnetwork_output(V, a, mask, X)) ** 2)

    gradient = algorithm1.local_gradient(W, a, mask, X, y)
    for place in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[place] = 1e-6
        assert gradient[place] == pytest.approx((loss(W + step) - loss(W - step)) / 2e-6, rel=1e-6, abs=1e-8)
