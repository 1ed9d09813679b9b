"""What the tests of commands share: a plan of four cells on a file of one's own."""

import pytest

PLAN = """
[dataset]
name = "mine.csv"
target = "price"
[settings]
width = 20
rounds = 3
n_subnetworks = [1, 2]
selection_prob = 0.5
seed = [0, 1]
"""


@pytest.fixture
def plan(tmp_path):
    rows = "\n".join(f"{i % 3},{i % 5},{i}" for i in range(1, 12))
    (tmp_path / "mine.csv").write_text(f"rooms,floor,price\n{rows}\n")
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"
