"""A folder belongs to one study: it may grow, but what was fixed stays."""

import pytest

from subnetlab.study import Cell, PlanError, Store, StudyConflictError, StudyPlan, claim_folder

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


def test_columns_that_are_dropped_are_part_of_a_study(tmp_path):
    (tmp_path / "mine.csv").write_text("id,a,city,y\n4,1,Rome,3\n3,2,Oslo,4\n7,3,Rome,5\n")

    def own(**columns):
        content = {"dataset": {"name": "mine.csv", "target": "y", **columns}, "settings": SETTINGS}
        return StudyPlan.from_dict(content, folder=tmp_path).cells

    first = own(drop=["id", "city"])
    assert len(first) == 2  # a list is no axis
    assert Cell.from_settings(first[0].settings()) == first[0]
    with Store(tmp_path / "study") as store:
        claim_folder(store, first)
        claim_folder(store, first)
        with pytest.raises(StudyConflictError, match=r"drop: there .'id', 'city'., asked .'id'.\n .*categorical"):
            claim_folder(store, own(drop=["id"], categorical=["city"]))


def test_a_study_without_such_columns_is_noted_and_stored_as_before_there_were_any(tmp_path):
    cell = cells()[0]
    assert str(cell.dataset) == (
        "DatasetSpec(name='diabetes', n_samples=None, seed=0, n_validation=0, path=None, target=None, "
        "smallest_eigenvalue=None, n_features=None, scaling='raw', centre_target=False, intercept=False, impute=False)"
    )
    assert not {"drop", "categorical"} & cell.settings().keys()
    with Store(tmp_path) as store:
        claim_folder(store, cells())
        noted = store.noted("identity")
        del noted["settings"]["drop"], noted["settings"]["categorical"]
        store.note("identity", noted)
        claim_folder(store, cells())


@pytest.mark.parametrize("wrong", ["id", 3])
def test_columns_are_a_list(tmp_path, wrong):
    with pytest.raises(PlanError, match=r"dataset.drop: DatasetSpec: drop must be a tuple or list, got"):
        StudyPlan.from_dict({"dataset": {"name": "mine.csv", "drop": wrong}, "settings": SETTINGS})
