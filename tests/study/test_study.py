"""A study as it is opened, and a part of it."""

import numpy as np
import pytest


def test_select_refuses_unknown_names(study):
    with pytest.raises(ValueError, match="'widht' is no setting; there are: dataset"):
        study.select(widht=3)
    assert len(study.select(seed=[3, 4]).cells) == 12


@pytest.mark.parametrize(
    ("wanted", "cells"),
    [
        (3, 12),
        ([3, 4], 12),
        (range(3, 5), 12),
        ({3, 2**40}, 24),
        (np.array([3, 2**40]), 24),
        (np.int64(3), 12),
        (np.array(3), 12),
        ({3: "a"}.keys(), 12),
        ((seed for seed in (3,)), 12),
        (frozenset({2**40}), 12),
    ],
)
def test_select_takes_any_collection(study, wanted, cells):
    assert len(study.select(seed=wanted).cells) == cells


@pytest.mark.parametrize("wanted", [77, "3", [], 0.1 + 0.2, None])
def test_a_selection_of_nothing_is_refused(study, wanted):
    with pytest.raises(ValueError, match="seed must be among 3, 1099511627776, got "):
        study.select(seed=wanted)


def test_select_by_a_setting_that_is_a_list(tmp_path, inline, made_up, run_plan):
    study = run_plan(tmp_path, made_up, {}, {"diagnostics": ["movement", "patterns"]})
    assert len(study.select(diagnostics=["movement", "patterns"]).cells) == 1
    assert len(study.select(diagnostics=[]).cells) == 1


def test_select_by_the_papers_letters(tmp_path, inline, made_up, run_plan):
    study = run_plan(tmp_path, made_up, {"n_subnetworks": 1}, {"n_subnetworks": 2})
    assert [cell.settings["n_subnetworks"] for cell in study.select(p=2).cells] == [2]
    width = study.cells[0].settings["width"]
    assert len(study.select(m=width, p=[1, 2]).cells) == 2
    with pytest.raises(ValueError, match="n_subnetworks must be among 1, 2, got 3"):
        study.select(p=3)
