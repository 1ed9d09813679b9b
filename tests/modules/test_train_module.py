"""sl.train of a cut: history, evaluation, checkpoints, and the exported network."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.evaluation import evaluate, recalibrate  # noqa: E402


def problem(rows=120, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(4, size=rows)
    x = rng.standard_normal((rows, 4, 4)) + 1.5 * np.eye(4)[y][:, :, None]
    return torch.from_numpy(x.reshape(rows, 16)).float(), torch.from_numpy(y)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(16, 24),
        torch.nn.BatchNorm1d(24),
        torch.nn.ReLU(),
        torch.nn.Linear(24, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 4),
    )


X, Y = problem()
SCHEME = sl.independent_subnets(2, 20, 5, balanced=True, cut_groups="alternate", batch_size=20)


def adam(params):
    return torch.optim.Adam(params, lr=0.01)


@pytest.fixture(scope="module")
def run():
    return sl.train(
        sl.cut(network(), X[:2]),
        X,
        Y,
        SCHEME,
        optimizer=adam,
        validation=problem(60, 1),
        metrics=("accuracy",),
        evaluate_every=5,
    )


def test_training_learns_and_the_history_says_so(run):
    history = run.history
    assert run.status == "finished"
    assert history.local_loss.shape == (20, 5)
    assert history.sampled_loss.shape == (20,)
    assert history.full_loss.shape == (21,)
    assert np.flatnonzero(~np.isnan(history.full_loss)).tolist() == [0, 5, 10, 15, 20]
    assert history.local_loss[-1, -1] < history.sampled_loss[0] / 2
    assert history.metrics["accuracy"][20] > 0.8
    assert np.isnan(history.metrics["accuracy"][1])
    assert repr(run).startswith("ModuleRun(20 of 20 rounds, 924 parameters, finished, loss")


def test_the_whole_network_is_the_user_s_own_module(run):
    model = run.model
    assert isinstance(model, torch.nn.Sequential)
    assert list(model.state_dict()) == list(network().state_dict())
    measured = run.evaluate(*problem(60, 1), ("accuracy",))
    assert measured["accuracy"] == pytest.approx(run.history.metrics["accuracy"][20])
    assert measured["loss"] == pytest.approx(run.history.validation_error[20])
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(run.predict(X), model(X))


def test_the_same_bits_again_from_arrays_a_dataset_and_a_checkpoint(run, tmp_path):
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return len(X)

        def __getitem__(self, i):
            return X[i], Y[i]

    def weights(*data, **settings):
        trained = sl.train(sl.cut(network(), X[:2]), *data, SCHEME, optimizer=adam, **settings)
        return trained.model.state_dict()

    expected = run.model.state_dict()
    path = tmp_path / "run.safetensors"
    for data, settings in (((X.numpy(), Y.numpy()), {}), ((Rows(), None), {}), ((X, Y), {"checkpoint": path})):
        got = weights(*data, **settings)
        assert all(torch.equal(got[name], expected[name]) for name in expected)
    again = weights(X, Y, checkpoint=path)  # everything is done: nothing is trained
    assert all(torch.equal(again[name], expected[name]) for name in expected)


def test_a_run_goes_on_after_an_interrupt_with_history_and_bits(run, tmp_path):
    path = tmp_path / "run.safetensors"

    def stop(training):
        if training.rounds_done == 7:
            raise KeyboardInterrupt

    settings = {"optimizer": adam, "checkpoint": path, "checkpoint_every": 1}
    with pytest.raises(KeyboardInterrupt):
        sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, on_round=stop, **settings)
    resumed = sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, **settings)
    np.testing.assert_array_equal(resumed.history.local_loss, run.history.local_loss)
    assert all(torch.equal(t, run.model.state_dict()[name]) for name, t in resumed.model.state_dict().items())


def test_divergence_keeps_the_rounds_before():
    with pytest.raises(sl.DivergenceError, match="train: diverged in round") as caught:
        sl.train(
            sl.cut(network(), X[:2]),
            1e4 * X,
            Y.double()[:, None].expand(-1, 4),
            sl.local_sgd(2, 10, 3, 1e3, batch_size=20),
            loss=lambda output, y: ((output.double() - y) ** 4).mean(),
        )
    assert caught.value.run.history.rounds == caught.value.round


def test_autocast_and_clipping_train():
    scheme = sl.local_sgd(2, 2, 3, batch_size=20)
    run = sl.train(sl.cut(network(), X[:2]), X, Y, scheme, optimizer=adam, autocast="bfloat16", clip_norm=0.1)
    assert np.isfinite(run.history.local_loss).all()


def test_recalibration_estimates_the_statistics_of_the_whole_network(run):
    """Oracle: mean and variance of the inputs of the batch norm, over all rows at once."""
    model = run.model
    recalibrate(model, (X, Y), batch_size=len(X))
    with torch.no_grad():
        inputs = model[0](X)
    torch.testing.assert_close(model[1].running_mean, inputs.mean(dim=0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model[1].running_var, inputs.var(dim=0), rtol=1e-5, atol=1e-6)


def test_evaluation_is_the_mean_over_rows_whatever_the_batches():
    model = network().train()
    whole = evaluate(model, (X, Y), "cross_entropy", ("accuracy",), batch_size=len(X))
    parts = evaluate(model, (X, Y), "cross_entropy", ("accuracy",), batch_size=7)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert parts["accuracy"] == pytest.approx(whole["accuracy"])
    assert model.training


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": Y[:-1]}, ValueError, "train: y must have as many rows as X, 120, got 119"),
        ({"loss": "hinge"}, ValueError, "train: loss must be one of 'cross_entropy', 'mse', 'bce', got 'hinge'"),
        ({"loss": 3}, TypeError, "train: loss must be a function of (output, target) or a name, got int"),
        ({"metrics": ("f1",)}, ValueError, "train: metrics must be one of 'accuracy', got 'f1'"),
        ({"evaluate_every": 0}, ValueError, "train: evaluate_every must be at least 1, got 0"),
        ({"record": "rounds"}, ValueError, "train: record must be one of 'batches', 'none', got 'rounds'"),
        (
            {"scheme": sl.local_sgd(2, 1, 1, batch_size=500)},
            ValueError,
            "batch_size must be at most the number of rows",
        ),
        ({"network": network()}, TypeError, "train: network must be a cut of a module, sl.cut(model, example_input)"),
        ({"network": 3}, TypeError, "train: network must be a ShallowReLU, got int"),
    ],
)
def test_what_breaks_a_rule_is_refused(change, error, message):
    arguments = {"network": sl.cut(network(), X[:2]), "X": X, "y": Y, "scheme": SCHEME, **change}
    settings = {name: arguments.pop(name) for name in list(arguments) if name not in ("network", "X", "y", "scheme")}
    if not isinstance(arguments["network"], int):
        settings["optimizer"] = adam
    with pytest.raises(error, match=re.escape(message)):
        sl.train(*arguments.values(), **settings)
