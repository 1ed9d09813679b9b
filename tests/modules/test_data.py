"""Rows and targets for the training of modules: in any form the same, or refused before work."""

import re
from collections import UserDict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.evaluation import evaluate, outputs, recalibrate  # noqa: E402
from subnetlab.modules.training import ModuleTraining  # noqa: E402

N, D, CLASSES = 24, 6, 3
X, Y = torch.randn(N, D, generator=torch.Generator().manual_seed(0)), torch.arange(N) % CLASSES
SCHEME = sl.independent_subnets(2, rounds=2, local_steps=2, step_size=0.1, batch_size=8)


class Pairs(torch.utils.data.Dataset):
    def __init__(self, item):
        self.item = item

    def __len__(self):
        return N

    def __getitem__(self, i):
        return self.item(i)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield from zip(X, Y, strict=True)


@pytest.fixture(scope="module")
def cut():
    return sl.cut(network(CLASSES), X[:2])


def network(outputs):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(D, 8), torch.nn.ReLU(), torch.nn.Linear(8, outputs))


@pytest.mark.parametrize(
    "data",
    [
        (X.double().numpy(), Y.numpy().astype(np.int32)),
        (X.tolist(), Y.tolist()),
        (pd.DataFrame(X.numpy()), pd.Series(Y.numpy())),
        (Pairs(lambda i: ({"input": X[i]}, Y[i])), None),
        (Pairs(lambda i: ((X[i],), Y[i])), None),
    ],
    ids=["double", "lists", "pandas", "arguments by name", "arguments by place"],
)
def test_the_same_rows_in_any_form_are_the_same_training(cut, data):
    def weights(X, y):
        run = sl.train(cut, X, y, SCHEME, verify=False)
        return torch.cat([parameter.detach().flatten() for parameter in run.model.parameters()])

    assert torch.equal(weights(*data), weights(X, Y))


REFUSED = {
    "rows": (X, Y[:-1], "X and y must have equally many rows, got the shapes (24, 6) and (23,)"),
    "number": (1, Y, "X and y must have equally many rows, got the shapes () and (24,)"),
    "no row": (X[:0], Y[:0], "X and y must have at least one row, got none"),
    "no targets": (X, None, "X and y must be rows and targets, or a map-style Dataset, got Tensor"),
    "nothing": (None, None, "X and y must be rows and targets, or a map-style Dataset, got NoneType"),
    "text": (X, np.array(["a"] * N), "X and y must be tensors or arrays of numbers, got ndarray"),
    "ragged": ([[1.0], [1.0, 2.0]], Y, "X and y must be tensors or arrays of numbers, got list"),
    "sparse": (X.to_sparse(), Y, "X and y must be dense tensors, got the layout torch.sparse_coo: call to_dense()"),
    "without numbers": (X.to("meta"), Y, "X and y must hold numbers, got a tensor on the meta device"),
    "masked": (np.ma.masked_greater(X.numpy(), 2.0), Y, "X and y must not have missing values, got 4 masked"),
    "infinite": (X / (Y[:, None] != 1), Y, "X and y must be finite, got NaN or infinity in row 1"),
    "features": (X[:, 1:], Y, "X and y must be inputs that the network takes, got float32 of shape (2, 5)"),
    "class": (X, Y + 1, "X and y: classes must be 0 to 2, got 3"),
    "negative class": (X, Y - 1, "X and y: classes must be 0 to 2, got -1"),
    "float classes": (X, Y.double(), "X and y: targets must be such as loss 'cross_entropy' takes, got float32 of"),
    "loader": (torch.utils.data.DataLoader(Pairs(lambda i: (X[i], Y[i]))), None, "got DataLoader: pass its .dataset"),
    "stream": (Stream(), None, "X and y must be rows and targets, or a map-style Dataset, got Stream"),
    "twice": (
        Pairs(lambda i: (X[i], Y[i])),
        Y,
        "X and y must be a Dataset alone, since it holds the targets",
    ),
    "rows alone": (
        Pairs(lambda i: X[i]),
        None,
        "X and y must be a Dataset of pairs (input, target), got items of",
    ),
    "words": (
        Pairs(lambda i: (X[i], "cat")),
        None,
        "train: X and y must have items of tensors, arrays and numbers alone, got str in item 0",
    ),
    "no target": (Pairs(lambda i: (X[i], None)), None, "arrays and numbers alone, got NoneType in item 0"),
    "no item": (Pairs(lambda i: None), None, "arrays and numbers alone, got NoneType in item 0"),
    "a word among arguments": (
        Pairs(lambda i: ({"input": X[i], "file": "1.png"}, Y[i])),
        None,
        "arrays and numbers alone, got str in item 0",
    ),
    "array of words": (
        Pairs(lambda i: (X[i], np.array(["cat"]))),
        None,
        "arrays and numbers alone, got an array of <U3 in item 0",
    ),
    "triples": (
        Pairs(lambda i: (X[i], X[i], Y[i])),
        None,
        "X and y must be a Dataset of pairs (input, target), got items of 3",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_cannot_be_trained_on_are_refused_before_work(cut, name):
    X, y, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        sl.train(cut, X, y, SCHEME, verify=False)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ((X, Y[:3]), "train: validation must have equally many rows"),
        (X, "train: validation must be rows and targets, or a map-style Dataset, got Tensor"),
        ((X[:, 1:], Y), "train: validation must be inputs that the network takes"),
        (Pairs(lambda i: (X[i], Y[i] + 9 * (i == 18))), "evaluate: dataset: classes must be 0 to 2, got 9 in row 18"),
    ],
)
def test_validation_rows_pass_the_same_door(cut, validation, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        sl.train(cut, X, Y, SCHEME, validation=validation, verify=False)


@pytest.mark.parametrize("wrong", [1, 18])
def test_a_class_that_there_is_not_is_named_with_its_item(cut, wrong):
    """In the first rows before work; items that come later are looked at when they come."""
    data = Pairs(lambda i: (X[i], Y[i] + 9 * (i == wrong)))
    with pytest.raises(ValueError, match=f"train: X and y: classes must be 0 to 2, got {9 + wrong % 3} in row {wrong}"):
        sl.train(cut, data, None, sl.independent_subnets(2, 6, 2, 0.1, batch_size=8), verify=False)


def test_targets_of_one_output_are_not_spread_over_all_rows():
    """torch's mean squared error of shapes (n, 1) and (n,) is that of all n * n pairs, with a warning alone."""
    one = sl.cut(network(1), X[:2])
    with pytest.raises(ValueError, match=re.escape("float32 of shape (2,) beside outputs of float32 of shape (2, 1)")):
        sl.train(one, X, Y, SCHEME, loss="mse", verify=False)
    assert sl.train(one, X, Y[:, None] > 1, SCHEME, loss="bce", verify=False).status == "finished"


def test_a_loss_must_take_the_mean_over_rows(cut):
    with pytest.raises(TypeError, match=re.escape("X and y: loss must return a tensor with one entry, got float32 of")):
        sl.train(cut, X, Y, SCHEME, loss=torch.nn.CrossEntropyLoss(reduction="none"), verify=False)


def test_the_trial_gives_a_loss_no_gradients(cut):
    """Whoever trains the loss's own parameters in on_round would have those of one step more."""
    scale = torch.nn.Parameter(torch.ones(()))
    seen = []

    def loss(output, y):
        seen.append(scale.grad)
        return torch.nn.functional.cross_entropy(scale * output, y)

    sl.train(cut, X, Y, SCHEME, loss=loss, verify=False)
    assert seen[:2] == [None, None]  # of the trial, and of the first step
    assert seen[2] is not None


def test_one_row_can_be_validated_whatever_batch_norm_needs_in_training():
    made = sl.cut(torch.nn.Sequential(torch.nn.Linear(D, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3)), X[:2])
    run = sl.train(made, X, Y, SCHEME, validation=(X[:1], Y[:1]), verify=False)
    assert run.evaluate(X[:1], Y[:1])["loss"] == pytest.approx(run.history.validation_error[-1])


def test_the_trial_leaves_network_and_random_state_as_they_were():
    model = torch.nn.Sequential(
        torch.nn.Linear(D, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(), torch.nn.Linear(8, 3)
    )
    made = sl.cut(model, X[:2])
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.random.get_rng_state()
    with pytest.raises(ValueError, match="validation: classes"):
        sl.train(made, Pairs(lambda i: (X[i] * torch.rand(1), Y[i])), None, SCHEME, validation=(X, Y + 1), verify=False)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_run_predicts_and_is_evaluated_on_rows_in_any_form(cut):
    run = sl.train(cut, X, Y, SCHEME, verify=False)
    whole = run.predict(X)
    for rows in (X.double().numpy(), X.tolist(), (X,), {"input": X}):
        assert torch.equal(run.predict(rows), whole)
    torch.testing.assert_close(run.predict(X, batch_size=7), whole)  # other sizes may be summed in another order
    expected = float(torch.nn.functional.cross_entropy(whole, Y))
    for data in ((X, Y), (X.double().numpy(), Y.numpy().astype(np.uint8)), (Pairs(lambda i: (X[i], Y[i])),)):
        assert run.evaluate(*data)["loss"] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match=r"ModuleRun\.evaluate: X and y must be inputs that the network takes"):
        run.evaluate(X[:, 1:], Y)


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (
            X[:, 1:],
            {},
            "outputs: X must be inputs that the network takes, such as (n, 6), got float32 of shape (24, 5)",
        ),
        ((X, X), {}, "such as (n, 6), got (float32 of shape (24, 6), float32 of shape (24, 6)) (TypeError: "),
        (X[0, 0], {}, "such as (n, 6), got float32 of shape ()"),
        (X, {"batch_size": 0}, "outputs: batch_size must be at least 1, got 0"),
    ],
)
def test_rows_that_a_run_cannot_predict(cut, rows, settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sl.train(cut, X, Y, SCHEME, verify=False).predict(rows, **settings)


def test_measuring_leaves_every_part_in_its_mode():
    model = network(CLASSES).train()
    model[1].eval()  # as a batch norm that is frozen
    for measure in (lambda: outputs(model, X), lambda: evaluate(model, (X, Y), "cross_entropy")):
        measure()
        assert [part.training for part in model.modules()] == [True, True, False, True]


def test_outputs_of_several_parts_come_with_all_rows():
    class Parts(torch.nn.Module):
        def forward(self, a, b):
            return {"sum": a + b, "pair": (a, b.mean())}

    found = outputs(Parts(), {"a": X, "b": X}, batch_size=10)
    assert torch.equal(found["sum"], 2 * X)
    assert torch.equal(found["pair"][0], X)
    torch.testing.assert_close(found["pair"][1], torch.stack([X[i : i + 10].mean() for i in (0, 10, 20)]))


def test_statistics_are_estimated_anew_for_networks_of_two_arguments():
    class Sum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(D)

        def forward(self, a, b):
            return self.norm(a + b)

    model = Sum().eval()
    recalibrate(model, Pairs(lambda i: ({"a": X[i], "b": X[i]}, Y[i])))
    assert not any(part.training for part in model.modules())
    torch.testing.assert_close(model.norm.running_mean, 2 * X.mean(dim=0))


@pytest.mark.parametrize("odd", ["late", None])
@pytest.mark.parametrize("target", [lambda i: Y[i], lambda i: i % CLASSES])
def test_an_item_that_is_no_numbers_is_named_where_it_comes(cut, odd, target):
    """The first rows are as they should be; a number that a later one lacks is not made up."""
    data = Pairs(lambda i: (X[i], odd if i == N - 1 else target(i)))
    where = f"must have items of tensors, arrays and numbers alone, got {type(odd).__name__} in item {N - 1}"
    with pytest.raises(TypeError, match=f"^Subnet.batches: dataset {where}$"):
        sl.train(cut, data, None, replace(SCHEME, batch_size=N), verify=False)
    with pytest.raises(TypeError, match=f"^evaluation: dataset {where}$"):
        evaluate(network(CLASSES), data, "cross_entropy")


def test_an_item_of_any_mapping_is_arguments_by_name(cut):
    data = Pairs(lambda i: (UserDict(input=X[i]), Y[i]))
    assert sl.train(cut, data, None, SCHEME, verify=False).history == sl.train(cut, X, Y, SCHEME, verify=False).history


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ((X, X, Y), "Subnet.batches: dataset must be two of equal length, rows and targets, got tuple of 24, 24, 24"),
        (X, "Subnet.batches: dataset must be rows and targets, or a map-style Dataset, got Tensor"),
        (torch.utils.data.DataLoader(Pairs(lambda i: (X[i], Y[i]))), "got DataLoader: pass its .dataset"),
    ],
)
def test_a_loop_of_ones_own_hears_it_too(cut, dataset, message):
    round = next(ModuleTraining(cut, SCHEME).rounds())
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        next(next(iter(round)).batches(dataset))
