"""The examples run, are short, and stand on their own."""

import ast
import math
import pathlib
import runpy
import subprocess
import sys

import numpy as np
import pytest

RUN = {"algorithm1": "errors", "algorithm1_deep": "losses"}  # example: what it prints


@pytest.mark.parametrize(("name", "lines", "library"), [("algorithm1", 60, "numpy"), ("algorithm1_deep", 90, "torch")])
def test_algorithm1_is_short_and_imports_one_library_alone(repository, name, lines, library):
    source = (repository / "examples" / f"{name}.py").read_text()
    assert len(source.splitlines()) < lines
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported == {library}


def test_every_example_is_run_by_a_test_of_its_own(repository):
    names = {path.stem for path in (repository / "examples").glob("*.py")}
    assert {f"test_{name}_prints_falling_{what}" for name, what in RUN.items()} <= set(globals())
    assert names == set(RUN)


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


def test_algorithm1_deep_prints_falling_losses(repository):
    pytest.importorskip("torch")
    command = [sys.executable, repository / "examples" / "algorithm1_deep.py"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.split(":")[0] for line in printed] == ["perceptron", "CNN"]
    for line in printed:
        before, after = (float(word) for word in line.split()[-3::2])
        assert after < before / 2


def test_algorithm1_deep_by_hand():
    """One hidden layer of two units, one linear step each: every entry moves by the mean over its holders."""
    torch = pytest.importorskip("torch")
    deep = runpy.run_path(str(pathlib.Path(__file__).parents[1] / "examples" / "algorithm1_deep.py"))
    axes = {"v": [("h", 1)], "b": [None]}
    theta = {"v": torch.tensor([1.0, 2.0]), "b": torch.tensor([0.5])}

    def network(theta, x, unit):  # the logits of two classes; the gradient of the loss is softmax minus one-hot
        logit = (theta["v"] * unit["h"] * x).sum(dim=1) + theta["b"]
        return torch.stack([logit, torch.zeros_like(logit)], dim=1)

    x = torch.tensor([[1.0, 1.0]])
    batches = [[(x, torch.tensor([0]))], [(x, torch.tensor([0]))]]
    masks = {"h": torch.tensor([[True, False], [True, False]])}
    after = deep["train_round"](network, axes, theta, masks, batches, eta=1.0, xi=0.5)
    slope = 1 / (1 + math.exp(-(2 * 1.0 + 0.5))) - 1  # unit 0 alone, its output doubled by 1 / xi
    assert after["v"].tolist() == pytest.approx([1.0 - 2 * slope, 2.0])  # nobody holds unit 1
    assert after["b"].item() == pytest.approx(0.5 - slope)
