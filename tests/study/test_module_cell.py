"""Cells of torch modules: a plain loop gives the same errors, and what makes no sense is refused before work."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.by_name import drawn, mlp  # noqa: E402
from subnetlab.study import Cell, DatasetSpec, Store, StudyPlan, execute, open_study, run_cell  # noqa: E402
from subnetlab.study.estimate import estimate  # noqa: E402

DATA = DatasetSpec("diabetes", n_samples=8)
CELL = Cell(
    DATA,
    None,
    rounds=3,
    masks="bernoulli",
    n_subnetworks=3,
    selection_prob=0.5,
    local_steps=2,
    step_size=0.05,
    network="mlp(6, 5)",
    scale=0.5,
    curves="float64",
    seed=4,
    network_seed="seed",
)


def plain(cell, masks_of):
    """Algorithm 1 for a perceptron, with masks multiplied in; whoever holds both ends of an entry holds the entry."""
    data = cell.dataset.load()
    x, y = torch.tensor(data.X), torch.tensor(data.y)[:, None]
    model = drawn(lambda: mlp(x.shape[1], 1, 6, 5), cell.own_network_seed, "float64")
    theta = [p.detach().clone() for p in model.parameters()]
    xi, a = cell.selection_prob, cell.scale

    def output(params, first, second, factor):
        h = (x @ params[0].T + params[1]).relu() * first * factor
        h = (h @ params[2].T + params[3]).relu() * second * factor
        return h @ params[4].T + params[5]

    def error(params, first, second, factor):
        return ((output(params, first, second, factor) - y) ** 2).mean()

    def whole():
        return float(error(theta, torch.ones(6), torch.ones(5), xi ** (1 - a)))

    inside, full = [], [whole()]
    for k in range(cell.rounds):
        masks = masks_of(k)
        changes, holders, errors = [0.0] * 6, [0.0] * 6, []
        for l in range(cell.n_subnetworks):
            m1, m2 = (torch.tensor(masks[group][l], dtype=torch.float64) for group in ("0", "2"))
            own = [p.clone().requires_grad_() for p in theta]
            column = []
            for _ in range(cell.local_steps):
                loss = error(own, m1, m2, xi**-a)
                column.append(loss.item())
                gradients = torch.autograd.grad(loss, own)
                own = [(p - cell.step_size * g).detach().requires_grad_() for p, g in zip(own, gradients, strict=True)]
            errors.append([*column, error(own, m1, m2, xi**-a).item()])
            held = [m1[:, None], m1, m2[:, None] * m1, m2, m2[None, :], torch.ones(1)]
            for i in range(6):
                changes[i] = changes[i] + held[i] * (own[i].detach() - theta[i])
                holders[i] = holders[i] + held[i]
        theta = [
            t + c / torch.clamp(torch.as_tensor(n), min=1) for t, c, n in zip(theta, changes, holders, strict=True)
        ]
        inside.append(np.mean(errors, axis=0))
        full.append(whole())
    return np.array(inside), np.array(full)


def test_a_cell_is_algorithm_1():
    model = drawn(lambda: mlp(10, 1, 6, 5), 0, "float64")
    scheme = sl.multi_sample_dropout(3, 0.5, rounds=3, step_size=0.1)
    training = sl.ModuleTraining(sl.cut(model, torch.rand(2, 10).double()), scheme, seed=4)
    inside, full = plain(CELL, training.masks)
    result = run_cell(CELL.resolved())
    assert (result.status, result.rounds, result.step_size) == ("ok", 3, 0.05)
    np.testing.assert_allclose(result.curves["sampled_error"], inside[:, 0], rtol=1e-10)
    np.testing.assert_allclose(result.curves["local_error"], inside[:, 1:], rtol=1e-10)
    np.testing.assert_allclose(result.curves["full_error"], full, rtol=1e-10)
    assert result.finals["final_full_error"] == pytest.approx(full[-1], rel=1e-10)
    masked = run_cell(replace(CELL, engine="masked"))
    np.testing.assert_allclose(masked.curves["full_error"], full, rtol=1e-10)


def test_cells_after_one_another_do_not_know_of_each_other():
    """The cut of a network serves several cells of a process; each has initial weights of its own."""
    first = run_cell(CELL.resolved())
    run_cell(replace(CELL, seed=5).resolved())
    again = run_cell(CELL)  # the engine left to be chosen
    np.testing.assert_array_equal(again.curves["full_error"], first.curves["full_error"])


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_classes_have_an_accuracy(loss):
    """Of the rows kept for testing: measured at both ends, or as often as is asked for."""
    cell = replace(
        CELL, dataset=DatasetSpec("digits", n_samples=100), network="mlp(16)", loss=loss, dtype="float32", rounds=4
    )
    cell = replace(cell, step_size=2.0 if loss == "squared" else 0.5, local_steps=20)
    result = run_cell(cell.resolved())
    accuracy = result.curves["accuracy"]
    assert np.isfinite(accuracy).tolist() == [True, False, False, False, True]
    assert accuracy[-1] > 0.5 > 0.3 > accuracy[0]
    assert result.finals["final_accuracy"] == accuracy[-1]
    assert np.isfinite(result.curves["full_error"]).all()
    known = run_cell(replace(cell, evaluate_every=2).resolved())
    for name in ("accuracy", "full_error", "validation_error"):
        assert np.isfinite(known.curves[name]).tolist() == [True, False, True, False, True]
    assert known.curves["accuracy"][-1] == accuracy[-1]


def test_images_keep_their_pixels_unless_they_are_treated():
    plain_pixels, treated = (DatasetSpec("digits", n_samples=9, scaling=s).load().X for s in ("raw", "centred"))
    np.testing.assert_array_equal(plain_pixels, sl.load_dataset("digits", n_samples=9).X)
    np.testing.assert_allclose(np.linalg.norm(treated, axis=1), 1)


def test_a_step_too_large_is_a_result():
    result = run_cell(replace(CELL, step_size=1e80).resolved())
    assert result.status == "diverged"
    assert "diverged in round" in result.message
    assert len(result.curves["full_error"]) == result.rounds + 1 <= 3


@pytest.mark.parametrize("record", ["mean", "subnetworks", "rounds"])
def test_what_is_recorded(record):
    curves = run_cell(replace(CELL, record=record).resolved()).curves
    assert np.isfinite(curves["full_error"]).all()
    assert ("subnetwork_errors" in curves) == (record == "subnetworks")
    assert np.isfinite(curves["local_error"]).all() == (record != "rounds")
    if record == "subnetworks":
        assert curves["subnetwork_errors"].shape == (3, 3, 3)
        np.testing.assert_allclose(curves["subnetwork_errors"].mean(axis=2)[:, 1:], curves["local_error"])


MODULES = {
    "cut_groups": "alternate",
    "scale": 0.0,
    "state": "travels",
    "optimizer": "momentum",
    "evaluate_every": 2,
    "engine": "masked",
    "network": "mlp(6, 4)",
    "loss": "squared",
}


def test_every_setting_of_a_module_changes_the_key_and_survives_the_store():
    changed = [replace(CELL, **{name: value}) for name, value in MODULES.items() if name != "loss"]
    keys = {cell.key() for cell in (CELL, *changed)}
    assert len(keys) == len(MODULES)
    for cell in changed:
        assert Cell.from_settings(cell.stored_settings()) == cell
    assert replace(CELL, network="mlp(6,5)").key() == CELL.key() == replace(CELL, engine="sliced").key()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 10}, "Cell: width must be absent for network 'mlp(6, 5)', got 10"),
        ({"init_scale": 2.0}, "Cell: init_scale must be 1.0 for network 'mlp(6, 5)', got 2.0"),
        ({"unselected": "zero"}, "Cell: unselected must be 'keep' for network 'mlp(6, 5)', got 'zero'"),
        ({"diagnostics": ("movement",)}, "Cell: diagnostics must be () for network 'mlp(6, 5)', got ('movement',)"),
        ({"step_size": "auto"}, "Cell: step_size must be a number for network 'mlp(6, 5)', got 'auto'"),
        ({"loss": "logistic"}, "Cell: loss must be one of 'squared', 'cross_entropy', got 'logistic'"),
        ({"engine": "dual"}, "Cell: engine must be one of 'auto', 'sliced', 'masked', got 'dual'"),
        ({"cut_groups": "some"}, "Cell: cut_groups must be one of 'all', 'alternate', got 'some'"),
        ({"state": "stays"}, "Cell: state must be one of 'reset', 'travels', got 'stays'"),
        ({"optimizer": "lbfgs"}, "Cell: optimizer must be one of 'sgd', 'momentum', 'adam', 'adamw', got 'lbfgs'"),
        ({"scale": 1.5}, "Cell: scale must be in [0, 1], got 1.5"),
        ({"evaluate_every": 0}, "Cell: evaluate_every must be at least 1, got 0"),
        (
            {"network": "shallow", "width": 4, "dataset": replace(DATA, n_samples=4)},
            "Cell: scale must be 1.0 for network 'shallow', got 0.5",
        ),
    ],
)
def test_rules(change, message, refused):
    with refused(ValueError, message):
        replace(CELL, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"loss": "cross_entropy"},
            "Cell: loss must be 'squared' for data with numbers to predict (diabetes), got 'cross_entropy'",
        ),
        (
            {"network": "cnn"},
            "Cell: network must fit the data, got 'cnn' (cnn: rows must be square images, got 10 features)",
        ),
        ({"batch_size": 9}, "TrainingScheme: batch_size must be at most the number of rows 8, got 9"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_when_the_cell_is_resolved(change, message, refused):
    with refused(ValueError, message):
        replace(CELL, **change).resolved()


def test_the_papers_network_refuses_labels():
    with pytest.raises(ValueError, match=r"^Cell: dataset must have numbers to predict, got the class labels"):
        Cell(DatasetSpec("digits"), 10, rounds=2, selection_prob=0.5)


def test_a_plan_holds_both_kinds_of_network(tmp_path, inline):
    content = {
        "dataset": {"name": "diabetes", "n_samples": 8},
        "settings": {"rounds": 2, "selection_prob": 0.5, "step_size": 0.05, "seed": [0, 1]},
        "grid": [{"network": "shallow", "width": 10}, {"network": ["mlp(3)", "mlp(3, 2)"], "cut_groups": "alternate"}],
    }
    plan = StudyPlan.from_dict(content)
    plan.check()
    assert [cell.width for cell in plan.cells] == [10, 10, None, None, None, None]
    guess = estimate([cell.resolved() for cell in plan.cells], jobs=1)
    assert min(guess) > 0 if isinstance(guess, tuple) else guess.seconds > 0 < guess.bytes_per_job
    with Store(tmp_path) as store:
        counts = execute(plan.cells, store)
        assert (counts.ok, counts.reused) == (6, 0)
        assert execute(plan.cells, store).reused == 6
        assert [Cell.from_settings(settings) for settings in store.planned()] == list(plan.cells)
    study = open_study(tmp_path)
    assert len(study.select(network="mlp(3, 2)").cells) == 2
    assert study.select(network=["mlp(3)", "mlp(3, 2)"]).table().final_full_error.dims == ("seed", "network")
    study.export(tmp_path / "all.csv")
    study.select(cut_groups="alternate").export(tmp_path / "modules.nc")
    header, *lines = (tmp_path / "all.csv").read_text().splitlines()
    at = header.split(",").index("network")
    assert [line.split(",")[at] for line in lines][:2] == ["shallow", "shallow"]
