"""What is trained for the figures of depth; none of it is in the paper, so each choice has its reason here.

The paper's three figures are asked of five networks with both losses, by the scheme as the paper has it (scale 0, all
groups cut, full batches). Methods are compared beside them on more rows, by minibatches, with the loss that people use.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core import checks

NETWORKS: dict[str, str] = {
    "1 layer": "mlp(64)",
    "2 layers": "mlp(64, 64)",
    "4 layers": "mlp(64, 64, 64, 64)",
    "4 layers, a = 1/2": "mlp(64, 64, 64, 64)",
    "CNN": "cnn(4, 8, 32)",
    "ResNet": "resnet(8, 2)",
}
"""What is trained, by the words of figures. All weights are trained, from torch's initial ones."""

SCALES = {"4 layers, a = 1/2": 0.5}
"""The scale a of networks that are not trained with that of the paper, 0."""

LOSSES = ("squared", "cross_entropy")

LARGEST_EIGENVALUES: dict[str, dict[str, float]] = {
    "fashion_mnist": {
        "mlp(64)": 3464.0,
        "mlp(64, 64)": 736.0,
        "mlp(64, 64, 64, 64)": 185.0,
        "cnn(4, 8, 32)": 508.0,
        "resnet(8, 2)": 380.0,
    },
    "digits": {
        "mlp(64)": 520.0,
        "mlp(64, 64)": 292.0,
        "mlp(64, 64, 64, 64)": 186.0,
        "cnn(4, 8, 32)": 230.0,
        "resnet(8, 2)": 504.0,
    },
}
"""lambda_max of each whole network's tangent kernel on the first 100 rows, at the initial weights of seed 0, measured
by `subnetlab.module_ntk`."""

ROWS, HELD_OUT, CLASSES = 100, 200, 10
METHOD_RATES = (0.01, 0.05, 0.2, 0.8)
SEARCH_SEED = 1000


@dataclass(frozen=True)
class DepthSettings:
    """The settings of one look at depth.

    Parameters
    ----------
    dataset : {"fashion_mnist", "digits"}
        Digits serve where Fashion-MNIST is not there.
    networks : tuple of str
        Keys of `NETWORKS`.
    losses : tuple of str
    rounds, seeds : int
        K and the repetitions of every cell, each with its own initial network and masks.
    final_rounds : int
        Of which the error of a cell is the geometric mean.
    bernoulli_subnetworks, bernoulli_selection_probs, bernoulli_local_steps
        The grid of Figure 2b; its cell in the middle is Figure 2a.
    categorical_subnetworks, categorical_local_steps
        The grid of Figure 2c.
    depths : tuple of int
        Hidden layers of the perceptrons on which methods are compared.
    method_width, method_rows, method_rounds, method_steps, method_batch : int
        Their width, rows, rounds and local steps of four subnetworks, and rows per step.
    rates : tuple of float
        Learning rates that are tried for each method, on a seed of its own.

    Raises
    ------
    TypeError, ValueError
        If a setting breaks its rule.

    Examples
    --------
    >>> round(DepthSettings("fashion_mnist").step_size("1 layer", "squared"), 3)
    0.14
    """

    dataset: str
    networks: tuple[str, ...] = tuple(NETWORKS)
    losses: tuple[str, ...] = LOSSES
    rounds: int = 20
    seeds: int = 5
    final_rounds: int = 5
    bernoulli_subnetworks: tuple[int, ...] = (1, 2, 4)
    bernoulli_selection_probs: tuple[float, ...] = (0.25, 0.5, 1.0)
    bernoulli_local_steps: int = 5
    categorical_subnetworks: tuple[int, ...] = (2, 3, 4)
    categorical_local_steps: tuple[int, ...] = (1, 3, 5)
    depths: tuple[int, ...] = (1, 2, 4)
    method_width: int = 256
    method_rows: int = 6000
    method_held_out: int = 2000
    method_rounds: int = 10
    method_steps: int = 25
    method_batch: int = 64
    rates: tuple[float, ...] = METHOD_RATES

    def __post_init__(self) -> None:
        checks.one_of("reproduce", "dataset", self.dataset, tuple(LARGEST_EIGENVALUES))
        for name in ("rounds", "seeds", "final_rounds"):
            checks.whole_number("reproduce", name, getattr(self, name), least=1)
        if self.final_rounds > self.rounds:
            raise ValueError(f"reproduce: final_rounds must be at most rounds = {self.rounds}, got {self.final_rounds}")

    def step_size(self, network: str, loss: str) -> float:
        """Return eta of all cells of a network, to two digits.

        For the squared loss, a mean over n rows and o outputs, half of the largest stable step of the whole network as
        in the other figures, n o / (2 lambda_max). For cross-entropy, whose curvature is at most one half, a quarter of
        it, n / lambda_max: at half of it two of the networks blow up, since their curvature grows while they learn.
        """
        largest = LARGEST_EIGENVALUES[self.dataset][NETWORKS[network]]
        eta = ROWS * CLASSES / (2 * largest) if loss == "squared" else ROWS / largest
        return float(f"{eta:.1e}")


QUICK = {
    "networks": ("1 layer", "4 layers"),
    "losses": ("squared",),
    "rounds": 10,
    "seeds": 2,
    "final_rounds": 2,
    "bernoulli_subnetworks": (1, 4),
    "bernoulli_selection_probs": (0.5, 1.0),
    "categorical_subnetworks": (2, 4),
    "categorical_local_steps": (1, 4),
    "depths": (1, 4),
    "method_width": 64,
    "method_rows": 1000,
    "method_held_out": 400,
    "method_rounds": 6,
    "method_steps": 10,
    "rates": (0.01, 0.1),
}
"""What ``--quick`` puts in place of the defaults: is it whole?"""
