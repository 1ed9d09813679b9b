import dataclasses

import numpy as np
import pytest

from subnetlab.reproduction.settings import ReproductionSettings, reasons
from subnetlab.reproduction.table import figure_plan, resolved
from subnetlab.study.data import DatasetSpec

DATA = DatasetSpec("diabetes", n_samples=20)


def test_the_papers_numbers_are_the_defaults():
    settings = ReproductionSettings(DATA)
    assert (settings.width, settings.rounds) == (4000, 200)
    assert settings.bernoulli_subnetworks == (1, 2, 4, 7, 10)
    assert settings.bernoulli_selection_probs == (0.1, 0.3, 0.5, 0.7, 1.0)
    assert settings.bernoulli_local_steps == 5
    assert settings.categorical_subnetworks == (2, 4, 6, 8, 10)
    assert settings.categorical_local_steps == (1, 2, 5, 10, 20)
    assert settings.seeds == 8


def test_everything_that_the_paper_leaves_open_has_a_reason():
    fixed_by_the_paper = {"dataset", "width", "rounds"}
    names = {field.name for field in dataclasses.fields(ReproductionSettings)}
    assert reasons().keys() == names - fixed_by_the_paper
    assert all(reasons().values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "reproduce: rounds must be at least 1, got 0"),
        ({"final_rounds": 300}, "reproduce: final_rounds must be at most rounds = 200, got 300"),
        ({"bernoulli_selection_probs": (0.5, 1.2)}, r"bernoulli_selection_probs must be in \(0, 1\], got 1.2"),
        ({"categorical_local_steps": ()}, "categorical_local_steps must be one or more values in ascending order"),
        ({"bernoulli_subnetworks": (4, 2)}, "bernoulli_subnetworks must be one or more values in ascending order"),
        ({"step_size": -1.0}, "reproduce: step_size must be above 0, got -1.0"),
        ({"init_scale": 0.0}, "reproduce: init_scale must be above 0, got 0.0"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        ReproductionSettings(DATA, **change)


def test_one_step_size_for_all_cells_half_of_what_is_stable():
    settings = resolved(ReproductionSettings(DATA))
    X = DATA.load().X
    angle = np.arccos(np.clip(X @ X.T, -1, 1))  # by arccos, independent of the package's kernel
    largest = np.linalg.eigvalsh((X @ X.T) * (np.pi - angle) / (2 * np.pi))[-1]
    assert settings.step_size == float(f"{1 / largest:.1e}")
    every = [cell for figure in ("2a", "2b", "2c") for cell in figure_plan(figure, settings).cells]
    assert {cell.step_size for cell in every} == {settings.step_size}
