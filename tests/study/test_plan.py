"""Plans: what becomes of a file, and what is refused before any work."""

import pytest

from subnetlab.study import PlanError, StudyPlan

GOOD = """
name = "two laws"
[dataset]
name = "diabetes"
n_samples = [20, 30]
[settings]
width = 50
rounds = 3
seed = [0, 1]
[[grid]]
masks = "bernoulli"
n_subnetworks = [1, 2]
selection_prob = [0.5, 1]
[[grid]]
masks = "categorical"
n_subnetworks = [2, 4, 8]
local_steps = 5
"""


def plan_of(tmp_path, text):
    file = tmp_path / "plan.toml"
    file.write_text(text)
    return StudyPlan.from_toml(file)


def test_a_plan_is_the_union_of_its_grids(tmp_path):
    plan = plan_of(tmp_path, GOOD)
    assert plan.name == "two laws"
    assert len(plan.cells) == 2 * 2 * (2 * 2 + 3)
    assert len({cell.key() for cell in plan.cells}) == len(plan.cells)
    assert {cell.local_steps for cell in plan.cells if cell.masks == "categorical"} == {5}


def test_a_cell_in_two_grids_counts_once():
    grid = {"selection_prob": [0.5, 1.0]}
    settings = {"width": 5, "rounds": 1}
    plan = StudyPlan.from_dict({"dataset": {"name": "diabetes"}, "settings": settings, "grid": [grid, grid]})
    assert len(plan.cells) == 2


def test_several_datasets(tmp_path):
    text = GOOD.replace("[dataset]\n", "[[dataset]]\n").replace(
        "[settings]", '[[dataset]]\nname = "synthetic"\n[settings]'
    )
    assert {cell.dataset.name for cell in plan_of(tmp_path, text).cells} == {"diabetes", "synthetic"}


def test_files_are_looked_for_beside_the_plan(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b,y\n1,2,3\n2,1,4\n")
    text = GOOD.replace('"diabetes"\nn_samples = [20, 30]', '"mine.csv"\ntarget = "y"')
    cell = plan_of(tmp_path, text).cells[0]
    assert cell.dataset.name == str(tmp_path / "mine.csv")
    assert cell.dataset.load().X.shape == (2, 2)


def test_a_list_setting_is_no_axis(tmp_path):
    plan = plan_of(tmp_path, GOOD.replace("rounds = 3", 'rounds = 3\ndiagnostics = ["patterns", "movement"]'))
    assert {cell.diagnostics for cell in plan.cells} == {("patterns", "movement")}


def test_flags_take_the_place_of_the_files_settings(tmp_path):
    (tmp_path / "plan.toml").write_text(GOOD)
    plan = StudyPlan.from_toml(tmp_path / "plan.toml", settings={"width": [7]}, dataset={"n_samples": 5})
    assert {(cell.width, cell.dataset.n_samples) for cell in plan.cells} == {(7, 5)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width = 50", "widht = 50", r"plan.toml: settings.widht is no setting; did you mean 'width'\?"),
        ("width = 50", 'width = "50"', "plan.toml: settings.width: Cell: width must be a whole number, got '50'"),
        ("width = 50", "width = []", "plan.toml: settings.width must hold at least one value, got an empty list"),
        ("width = 50", "width = [[1], [2]]", "settings.width must be a list of single values"),
        ("width = 50", "width = [5, 5]", "settings.width must not repeat a value"),
        ("width = 50", "", "plan.toml: settings.width must be given"),
        ("width = 50", "width = 50.5", "settings.width: Cell: width must be a whole number"),
        ("width = 50", "width = true", "settings.width: Cell: width must be a whole number"),
        ("width = 50", "width = {a = 1}", "settings.width must be a value or a list"),
        ('"bernoulli"', '"categorical"', r"grid\[0\].selection_prob: Cell: selection_prob must be absent"),
        ("local_steps = 5", "selection_prob = 0.5", r"grid\[1\].selection_prob: Cell: selection_prob must be absent"),
        ("[0.5, 1]", "[0.5, 1.5]", r"grid\[0\].selection_prob: .* must be in \(0, 1\], got 1.5"),
        ("[0.5, 1]", '["a"]', r"grid\[0\].selection_prob"),
        ("[dataset]\n", "[data]\n", "plan.toml: data is no setting; did you mean 'dataset'"),
        ("[dataset]\n", "[where]\n", r"plan.toml: where is no setting\. There are: name, dataset, settings, grid"),
        ("[settings]", "[setings]", "setings is no setting; did you mean 'settings'"),
        ("n_samples = [20, 30]", "n_sample = 3", "dataset.n_sample is no setting; did you mean 'n_samples'"),
        ("n_samples = [20, 30]", "n_samples = 0", "dataset.n_samples: DatasetSpec: n_samples must be at least 1"),
        ("n_samples = [20, 30]", 'scaling = "log"', "dataset.scaling: Preprocessing: scaling must be one of"),
        ('name = "diabetes"\n', "", "plan.toml: dataset.name must be given"),
        ("rounds = 3", "rounds = 3\nrounds = 4", r"must be a TOML file: .*line 9"),
        ("rounds = 3", 'rounds = 3\nengine = ["auto", "warp"]', "settings.engine: Cell: engine must be one of"),
        ("rounds = 3", 'rounds = 3\ndiagnostics = "patterns"', "settings.diagnostics"),
        ("rounds = 3", 'rounds = 3\nstep_size = ["auto", "best"]', "settings.step_size: .* must be one of"),
        (
            "rounds = 3",
            "rounds = 3\nlearn_signs = true\nlearn_output_weights = true",
            "settings: learn_output_weights must be given once, got learn_signs, its old name, too",
        ),
        (
            "rounds = 3",
            "rounds = 3\nlearn_output_weights = 1",
            "settings.learn_output_weights: Cell: learn_output_weights must be a bool",
        ),
        ("rounds = 3", 'rounds = 3\nloss = ["squared", "hinge"]', "settings.loss: Cell: loss must be one of"),
        ("rounds = 3", 'rounds = 3\nnetwork_seed = "sead"', "settings.network_seed: .* a whole number or 'seed'"),
        ("rounds = 3", "rounds = 3\nstep_size = -1.0", "settings.step_size: .* must be above 0"),
        ('name = "two laws"', "name = 7", "plan.toml: name must be a text"),
    ],
)
def test_bad_plans_name_file_key_and_rule(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(PlanError, match=message):
        plan_of(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize("content", [{}, {"dataset": 3, "settings": {}}, {"dataset": [], "settings": {}}])
def test_plans_without_substance(content):
    with pytest.raises(PlanError):
        StudyPlan.from_dict(content)


def test_more_cells_than_a_study_can_hold_are_refused_before_they_are_made():
    settings = {"width": 9, "rounds": 1, "selection_prob": 0.5, "seed": list(range(5000))}
    for content in (
        {"dataset": {"name": "synthetic"}, "settings": settings | {"network_seed": list(range(4000))}},
        {"dataset": {"name": "synthetic", "seed": list(range(4000))}, "settings": settings},
    ):
        with pytest.raises(
            PlanError, match="settings must give at most 100,000 cells, got 20,000,000; split the study"
        ):
            StudyPlan.from_dict(content)


def test_more_datasets_than_a_study_can_hold_are_refused_before_they_are_made():
    dataset = {"name": "synthetic", "seed": list(range(5000)), "n_samples": list(range(1, 4001))}
    with pytest.raises(PlanError, match="dataset must give at most 100,000 cells, got 20,000,000"):
        StudyPlan.from_dict({"dataset": dataset, "settings": {"width": 9, "rounds": 1, "selection_prob": 0.5}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_subnetworks": 10**12}, r"n_subnetworks must give masks \(p, m\) that fit into the memory of this machine"),
        ({"masks": "categorical", "selection_prob": None, "n_subnetworks": 10**12}, "n_subnetworks must give masks"),
        ({"rounds": 10**13}, "rounds must give errors of all local steps that fit into the memory"),
        ({"local_steps": 10**13}, "local_steps must give errors of a round that fit into the memory"),
        ({"rounds": 10**6, "local_steps": 10**3, "n_subnetworks": 10**4, "record": "subnetworks"}, "record must give"),
    ],
)
def test_sizes_that_no_machine_has_are_refused_before_memory_is_taken(change, message):
    settings = {"width": 90, "rounds": 1, "selection_prob": 0.5} | change
    plan = StudyPlan.from_dict({"dataset": {"name": "synthetic", "n_samples": 5}, "settings": settings})
    with pytest.raises(ValueError, match=message):
        plan.check()


def test_the_old_name_of_a_plan_works_and_warns():
    import subnetlab.study as study

    with pytest.warns(DeprecationWarning, match="subnetlab.study.Plan is now StudyPlan"):
        assert study.Plan is StudyPlan
    with pytest.raises(AttributeError, match="has no attribute 'Plans'"):
        _ = study.Plans


def test_settings_may_be_called_by_the_papers_letters(tmp_path):
    letters = GOOD
    for name, letter in {
        "width": "m",
        "rounds": "K",
        "n_subnetworks": "p",
        "selection_prob": "xi",
        "local_steps": "tau",
    }.items():
        letters = letters.replace(f"{name} =", f"{letter} =")
    assert "width" not in letters
    plan = plan_of(tmp_path, letters)
    assert plan.cells == plan_of(tmp_path, GOOD).cells
    assert "n_subnetworks = [1, 2]" in plan.to_toml()  # kept under one name
    more = StudyPlan.from_dict(plan.content, settings={"eta": 0.5, "kappa": [1.0, 2.0]})
    assert {(cell.step_size, cell.init_scale) for cell in more.cells} == {(0.5, 1.0), (0.5, 2.0)}


def test_a_setting_by_name_and_letter_is_refused(tmp_path):
    with pytest.raises(PlanError, match="settings: width must be given once, got m, its letter, too"):
        plan_of(tmp_path, GOOD.replace("width = 50", "width = 50\nm = 50"))
