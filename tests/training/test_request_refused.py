"""train(): every argument that breaks its rule is refused by name, before any work."""

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.engines.table import ENGINES

X = np.eye(4, 3) + 0.1
Y = np.ones(4)
NETWORK = sl.ShallowReLU.initialize(10, 3)
SCHEME = sl.gradient_descent(2, 0.1)
GOOD = {"network": NETWORK, "X": X, "y": Y, "scheme": SCHEME}
FIXED = sl.FixedMasks(np.ones((2, 1, 10), dtype=bool), 1.0)


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch):
    """No engine may be made, no step size computed."""

    def started(*args, **kwargs):
        raise AssertionError("work began before the checks were through")

    monkeypatch.setattr("subnetlab.training.session.create", started)
    monkeypatch.setattr("subnetlab.training.request.resolve_step_size", started)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"network": X}, TypeError, "train: network must be a ShallowReLU, got ndarray"),
        ({"scheme": 0.1}, TypeError, "train: scheme must be a TrainingScheme, got float"),
        ({"X": X[0]}, ValueError, "train: X must have shape (n_samples, n_features), got (3,)"),
        ({"X": X[:, :2]}, ValueError, "train: X must have the network's 3 features, got 2"),
        ({"X": np.where(X > 1, np.nan, X)}, ValueError, "train: X must be finite, got nan at (0, 0) (3 such values)"),
        (
            {"X": np.eye(4, 3)},
            ValueError,
            "train: X must not have rows of zeros (the network has no bias, so it cannot learn them), "
            "got 1, the first at row 3",
        ),
        ({"X": X.astype(str)}, TypeError, "train: X must hold real numbers, got dtype <U32"),
        ({"y": Y[:3]}, ValueError, "train: y must have shape (4,) or (4, n_outputs), got (3,)"),
        ({"y": Y * np.inf}, ValueError, "train: y must be finite, got inf at (0,) (4 such values)"),
        (
            {"y": Y[:, np.newaxis]},
            ValueError,
            "train: y must fit the network's output_weights (10,), got shape (4, 1)",
        ),
        ({"validation": X}, TypeError, "train: validation must be a pair (X, y), got ndarray"),
        ({"validation": (X,)}, TypeError, "train: validation must be a pair (X, y), got tuple"),
        ({"validation": (X[:, :2], Y)}, ValueError, "train: X_validation must have the network's 3 features, got 2"),
        (
            {"validation": (X, Y[:3])},
            ValueError,
            "train: y_validation must have shape (4,) or (4, n_outputs), got (3,)",
        ),
        (
            {"validation": (X, np.ones((4, 2)))},
            ValueError,
            "train: y_validation must fit the network's output_weights (10,), got shape (4, 2)",
        ),
        ({"sample_weight": Y[:3]}, ValueError, "train: sample_weight must have shape (4,), got (3,)"),
        (
            {"sample_weight": -Y},
            ValueError,
            "train: sample_weight must be non-negative and not all zero, got minimum -1.0",
        ),
        ({"seed": -1}, ValueError, "train: seed must be at least 0, got -1"),
        ({"seed": 2**64}, ValueError, f"train: seed must be below 2**64, got {2**64}"),
        ({"seed": "0"}, TypeError, "train: seed must be a whole number, got '0'"),
        ({"device": "tpu"}, ValueError, "train: device must be one of 'cpu', 'cuda', got 'tpu'"),
        ({"engine": "fast"}, ValueError, f"train: engine must be 'auto' or one of {', '.join(ENGINES)}, got 'fast'"),
        ({"dtype": "float16"}, ValueError, "train: dtype must be one of 'float64', 'float32', got 'float16'"),
        ({"threads": 0}, ValueError, "train: threads must be at least 1, got 0"),
        ({"threads": 1.0}, TypeError, "train: threads must be a whole number, got 1.0"),
        (
            {"record": "all"},
            ValueError,
            "train: record must be one of 'mean', 'subnetworks', 'rounds', 'none', got 'all'",
        ),
        ({"diagnostics": "patterns"}, TypeError, "train: diagnostics must be a tuple or list, got str"),
        (
            {"diagnostics": ("loss",)},
            ValueError,
            "train: diagnostics must be one of 'patterns', 'movement', got 'loss'",
        ),
        ({"threads": 10**6}, ValueError, "train: threads must be at most 1024, got 1000000"),
        ({"progress": "x"}, TypeError, "train: progress must be a bool, got str"),
        ({"on_round": "print"}, TypeError, "train: on_round must be callable, got 'print'"),
        (
            {"scheme": sl.TrainingScheme(FIXED, 3)},
            ValueError,
            "FixedMasks: masks must cover 3 rounds, got 2",
        ),
        (
            {"scheme": sl.TrainingScheme(sl.AllNeurons(), 2, batch_size=5)},
            ValueError,
            "TrainingScheme: batch_size must be at most the number of rows 4, got 5",
        ),
        (
            {"scheme": sl.TrainingScheme(sl.AllNeurons(), 2, shards=5)},
            ValueError,
            "TrainingScheme: shards must be at most the number of rows 4, got 5",
        ),
    ],
)
def test_refused(bad, error, message, refused):
    with refused(error, message):
        sl.train(**{**GOOD, **bad})


def test_what_an_engine_lacks_is_refused_with_the_engines_that_can(refused):
    with pytest.raises(ValueError, match=r"^train: engine 'reference' does not support float32; engines that can: "):
        sl.train(**GOOD, engine="reference", dtype="float32")
    if "sample_weight" not in ENGINES["primal"].capabilities:
        with pytest.raises(ValueError, match=r"^train: engine 'primal' does not support sample_weight; engines that"):
            sl.train(**GOOD, engine="primal", sample_weight=Y)
