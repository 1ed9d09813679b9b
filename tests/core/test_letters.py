"""A setting is called by its name or by the paper's letter, wherever it is given."""

import warnings

import pytest

from subnetlab.core.letters import LETTER_OF, LETTERS, spelled_out
from subnetlab.training.request import RENAMED


@pytest.mark.parametrize(("letter", "name"), LETTERS.items())
def test_a_letter_is_a_name_and_no_old_one(letter, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spelled_out("plan", {letter: [1], "seed": 3}, RENAMED) == {name: [1], "seed": 3}
    assert LETTER_OF[name] == letter


def test_a_setting_is_given_once():
    with pytest.raises(TypeError, match=r"^plan: width must be given once, got m, its letter, too$"):
        spelled_out("plan", {"width": 5, "m": 5}, RENAMED)


def select(**where):
    return spelled_out("plan", where, RENAMED)


def test_old_names_still_work_with_a_warning_at_the_caller():
    with pytest.warns(DeprecationWarning, match="plan: learn_signs is now learn_output_weights") as caught:
        assert select(learn_signs=True) == {"learn_output_weights": True}
    assert caught[0].filename == __file__
