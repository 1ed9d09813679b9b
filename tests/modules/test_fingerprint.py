"""What tells networks of the same shapes apart, and rows, wherever a training goes on."""

import re

import pytest

torch = pytest.importorskip("torch")

from networks import NETWORKS  # noqa: E402

import subnetlab as sl  # noqa: E402
from subnetlab.modules import checkpoint  # noqa: E402
from subnetlab.modules.fingerprint import operations_of, other_rows, rows_known  # noqa: E402
from subnetlab.modules.structure import like  # noqa: E402

X, Y = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3
SCHEME = sl.independent_subnets(2, rounds=2, local_steps=2, step_size=0.1, batch_size=8)


class Pairs(torch.utils.data.Dataset):
    def __init__(self, X, y):
        self.rows = X, y

    def __len__(self):
        return len(self.rows[0])

    def __getitem__(self, i):
        return self.rows[0][i], self.rows[1][i]


def cut(*between):
    torch.manual_seed(0)
    return sl.cut(torch.nn.Sequential(torch.nn.Linear(6, 8), *between, torch.nn.Linear(8, 3)), X[:2])


def longer(leaf):
    return torch.cat([leaf, leaf])[:-1] if isinstance(leaf, torch.Tensor) and leaf.ndim else leaf


@pytest.mark.parametrize("name", NETWORKS)
def test_operations_are_those_of_the_network_whatever_the_example_s_batch(name):
    made = NETWORKS[name]

    def operations(change):
        model, example = made.make()[:2]
        examples = like(example, change), None if made.other is None else like(made.other, change)
        return operations_of(sl.cut(model, examples[0], made.units, second_example=examples[1]).graph.graph)

    assert operations(lambda leaf: leaf) == operations(longer)


OTHERS = {
    "operation": ([torch.nn.ReLU()], [torch.nn.Tanh()], "operation 6: 'aten.relu.default(%5)' there, 'aten.tanh"),
    "constant": ([torch.nn.ELU(1.0)], [torch.nn.ELU(2.0)], "elu.default(%5, 1.0)' there, 'aten.elu.default(%5, 2.0)'"),
    "one more": (
        [torch.nn.ReLU()],
        [torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())],
        "operation 7: 'aten.linear.default(%6",
    ),
    "dropout": ([torch.nn.Dropout(0.1)], [torch.nn.Dropout(0.2)], "dropout.default(%5, 0.1, True)' there, "),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_network_of_the_same_shapes_does_not_go_on(tmp_path, monkeypatch, name):
    """With `train`, in a loop of one's own, and from a run's file; what another torch called otherwise is accepted."""
    there, here, message = OTHERS[name]
    path, file = tmp_path / "checkpoint", tmp_path / "run"
    sl.train(cut(*there), X, Y, SCHEME, checkpoint=path, verify=False).save(file)
    message = f"must be of the same settings ({message}" if name == "operation" else message
    with pytest.raises(ValueError, match=re.escape(message)):
        sl.train(cut(*here), X, Y, SCHEME, checkpoint=path)
    with pytest.raises(ValueError, match=re.escape(message)):
        sl.ModuleTraining(cut(*here), SCHEME, checkpoint=path)
    for model in (cut(*here), cut(*here).model):
        with pytest.raises(ValueError, match=re.escape("load_run: model must compute what the network of the run")):
            sl.load_run(file, model=model)
    assert sl.train(cut(*there), X, Y, SCHEME, checkpoint=path, verify=False).rounds_done == 2
    monkeypatch.setattr(checkpoint, "versions", lambda: {"torch": "another"})
    assert sl.ModuleTraining(cut(*here), SCHEME, checkpoint=path).rounds_done == 2
    assert sl.load_run(file, model=cut(*here)).rounds_done == 2


def test_a_network_in_evaluation_mode_is_the_same(tmp_path):
    file = tmp_path / "run"
    run = sl.train(cut(torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.1)), X, Y, SCHEME, verify=False)
    run.save(file)
    loaded = sl.load_run(file, model=cut(torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.1)).model.eval())
    assert torch.equal(loaded.predict(X), run.predict(X))


SAME = {
    "the same": (X, Y),
    "arrays": (X.double().numpy(), Y.numpy()),
    "a dataset": (Pairs(X, Y), None),
    "other rows in a dataset": (Pairs(X + 1, Y), None),
}
OTHER_ROWS = {
    "fewer": (X[:20], Y[:20], "must be of the same settings (rows: 40 there, 20 here; inputs: 'float32 of shape (6,)"),
    "fewer in a dataset": (Pairs(X[:20], Y[:20]), None, "must be of the same settings (rows: 40 there, 20 here)"),
    "one feature": (
        X.index_fill(1, torch.tensor(5), 0.5),
        Y,
        "must be of the same settings (inputs: 'float32 of shape (6,), hash ",
    ),
    "one target": (
        X,
        Y.index_fill(0, torch.tensor(39), 1),
        "must be of the same settings (targets: 'int64 of shape ()",
    ),
    "another order": (X.flip(0), Y.flip(0), "must be of the same settings (inputs: 'float32 of shape (6,), hash "),
}


@pytest.mark.parametrize("name", OTHER_ROWS)
def test_a_training_does_not_go_on_with_other_rows(tmp_path, name):
    X_, y_, message = OTHER_ROWS[name]
    path, file = tmp_path / "checkpoint", tmp_path / "run"
    run = sl.train(cut(torch.nn.ReLU()), X, Y, SCHEME, checkpoint=path, verify=False)
    run.save(file)
    with pytest.raises(ValueError, match=re.escape(f"ModuleTraining: checkpoint {path} {message}")):
        sl.train(cut(torch.nn.ReLU()), X_, y_, SCHEME, checkpoint=path, verify=False)
    for stored in (run, sl.load_run(file, model=cut(torch.nn.ReLU()))):
        with pytest.raises(ValueError, match=re.escape(f"ModuleTraining: checkpoint of the run {message}")):
            sl.resume(stored, rounds=3, X=X_, y=y_)


@pytest.mark.parametrize("name", SAME)
def test_a_training_goes_on_with_the_same_rows_in_any_form(tmp_path, name):
    """Of a Dataset the length alone is known; what was known before stays known."""
    run = sl.train(cut(torch.nn.ReLU()), X, Y, SCHEME, verify=False)
    more = sl.resume(run, rounds=3, X=SAME[name][0], y=SAME[name][1])
    assert more.rounds_done == 3
    assert more.snapshot.record["rows"] == run.snapshot.record["rows"]
    with pytest.raises(ValueError, match="targets: "):
        sl.resume(more, rounds=4, X=X, y=1 + Y % 2)


def test_the_rows_that_are_looked_at_are_spread_evenly():
    x = torch.zeros(6400, 2)
    known = rows_known((x, x))
    for row, noticed in ((0, True), (1, False), (100, True), (150, False), (6300, True)):
        other = x.index_fill(0, torch.tensor(row), 1.0)
        assert bool(other_rows(known, rows_known((x, other)))) == noticed
    assert other_rows({}, known) == other_rows(known, {"rows": 6400}) == []


def test_a_loop_of_ones_own_keeps_what_train_knew_of_the_rows(tmp_path):
    run = sl.train(cut(torch.nn.ReLU()), X, Y, SCHEME, verify=False)
    run.training.save(tmp_path / "own")
    stored = sl.load_run(tmp_path / "own", model=cut(torch.nn.ReLU()))
    with pytest.raises(ValueError, match="rows: 40 there, 39 here"):
        sl.resume(stored, rounds=3, X=X[1:], y=Y[1:], loss="cross_entropy")
