"""A folder belongs to one study: it may grow, but what was fixed stays."""

import pytest

from subnetlab.study import Store, StudyConflictError, StudyPlan, claim_folder

SETTINGS = {"width": 10, "rounds": 3, "selection_prob": 0.5, "seed": [0, 1]}


def cells(**changes):
    return StudyPlan.from_dict({"dataset": {"name": "diabetes"}, "settings": SETTINGS | changes}).cells


@pytest.mark.parametrize("change", [{"seed": [5, 6]}, {"seed": 7}, {"width": [10, 20]}, {"width": [20, 30]}, {}])
def test_lists_may_change(tmp_path, change):
    with Store(tmp_path) as store:
        claim_folder(store, cells())
        before = store.noted("identity")
        claim_folder(store, cells(**change))
        assert (store.noted("identity") == before) == (change == {})


def test_a_single_value_may_not(tmp_path):
    with Store(tmp_path) as store:
        claim_folder(store, cells())
        with pytest.raises(StudyConflictError) as refusal:
            claim_folder(store, cells(width=20, rounds=4))
        assert str(refusal.value).splitlines()[1:] == ["  width: there 10, asked 20", "  rounds: there 3, asked 4"]
        claim_folder(store, cells(width=20, rounds=4), force=True)
        claim_folder(store, cells(width=20, rounds=4))


def test_a_setting_that_an_older_version_did_not_know_had_its_default(tmp_path):
    with Store(tmp_path) as store:
        claim_folder(store, cells())
        noted = store.noted("identity")
        del noted["settings"]["learn_signs"]
        store.note("identity", noted)
        with pytest.raises(StudyConflictError, match="learn_output_weights: there False, asked True"):
            claim_folder(store, cells(learn_output_weights=True))
        claim_folder(store, cells())


def test_nor_may_the_content_of_a_file(tmp_path):
    from subnetlab.study.data import _load

    file = tmp_path / "mine.csv"
    file.write_text("a,b,y\n1,2,3\n2,1,4\n")
    plan = {"dataset": {"name": str(file), "target": "y"}, "settings": SETTINGS}
    with Store(tmp_path / "out") as store:
        claim_folder(store, StudyPlan.from_dict(plan).cells)
        file.write_text("a,b,y\n1,2,3\n2,1,5\n")
        _load.cache_clear()  # as in a new process
        with pytest.raises(StudyConflictError, match=r"mine.csv.*: there SHA-256 [0-9a-f]{12}, now [0-9a-f]{12}"):
            claim_folder(store, StudyPlan.from_dict(plan).cells)
