"""sl.train of a cut: history, evaluation, checkpoints, and the exported network."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.checkpoint import Snapshot  # noqa: E402
from subnetlab.modules.evaluation import evaluate, recalibrate  # noqa: E402
from subnetlab.training.module_run import load_module_run  # noqa: E402


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


def same_bits(run, other):
    theirs = other.model.state_dict()
    np.testing.assert_array_equal(run.history.local_loss, other.history.local_loss)
    return all(torch.equal(tensor, theirs[name]) for name, tensor in run.model.state_dict().items())


def interrupting(steps):
    """A loss that presses Ctrl-C at one local step, wherever in a round that is."""
    left = iter(range(steps))

    def loss(output, y):
        if next(left, None) == steps - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return torch.nn.functional.cross_entropy(output, y)

    return loss


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(threads)


def test_an_interrupt_in_the_middle_of_a_round_carries_the_completed_ones(run, tmp_path, two_threads):
    path = tmp_path / "run.safetensors"
    with pytest.raises(sl.TrainingInterrupted, match="interrupted after 3 of 20 rounds") as caught:
        sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, loss=interrupting(3 * 10 + 7), checkpoint=path)
    part = caught.value.run
    assert (part.history.rounds, part.rounds_done, part.status) == (3, 3, "unfinished")
    assert torch.get_num_threads() == two_threads
    before = part.model.state_dict()
    finished = sl.resume(part)
    assert Snapshot.read(path).rounds_done == 20  # who resumes is protected as before
    assert finished.status == "finished"
    assert same_bits(finished, run)
    assert part.history.rounds == 3  # the run that was interrupted stays what it was
    assert all(torch.equal(tensor, before[name]) for name, tensor in part.model.state_dict().items())
    path.unlink()
    with pytest.raises(sl.TrainingInterrupted):
        sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, loss=interrupting(3 * 10 + 7), checkpoint=path)
    resumed = sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, checkpoint=path)  # the command again
    assert same_bits(resumed, run)


KILLED = """
import os, runpy, signal, sys
import torch, subnetlab as sl
setting = runpy.run_path(sys.argv[1])
left = iter(range(37))
def loss(output, y):
    if next(left, None) == 36:  # in round 3, subnetwork 1, step 1
        os.kill(os.getpid(), signal.SIGKILL)
    return torch.nn.functional.cross_entropy(output, y)
sl.train(sl.cut(setting["network"](), setting["X"][:2]), setting["X"], setting["Y"], setting["SCHEME"],
         optimizer=setting["adam"], loss=loss, verify=False, checkpoint=sys.argv[2], checkpoint_every=1)
"""


def test_a_run_that_was_killed_in_the_middle_of_a_round_goes_on_with_the_same_bits(run, tmp_path):
    path = tmp_path / "run.safetensors"
    killed = subprocess.run([sys.executable, "-c", KILLED, __file__, path], check=False, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    loaded = sl.load_run(path, factory=network)
    assert (loaded.rounds_done, loaded.status) == (3, "unfinished")
    assert same_bits(sl.resume(loaded, X=X, y=Y, optimizer=adam, loss="cross_entropy"), run)
    resumed = sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, checkpoint=path)
    assert same_bits(resumed, run)


def test_a_run_in_a_file_is_the_run(run, tmp_path):
    path = tmp_path / "run.safetensors"
    run.save(path)
    assert b"pickle" not in path.read_bytes()
    loaded = sl.load_run(path, model=network())
    assert loaded.history == run.history
    assert (loaded.status, loaded.scheme, repr(loaded)) == ("finished", run.scheme, repr(run))
    assert torch.equal(loaded.predict(X), run.predict(X))
    assert loaded.evaluate(X, Y) == run.evaluate(X, Y)
    assert same_bits(sl.load_run(path, model=run.cut), run)
    validation = problem(60, 1)
    more = sl.resume(loaded, rounds=22, X=X, y=Y, optimizer=adam, validation=validation)
    assert same_bits(more, sl.resume(run, rounds=22))
    assert more.history.metrics["accuracy"].shape == (23,)
    assert more.history.rounds == 22


def test_a_loop_of_ones_own_leaves_a_run_too(tmp_path):
    path = tmp_path / "run.safetensors"
    training = sl.ModuleTraining(sl.cut(network(), X[:2]), SCHEME, optimizer=adam, checkpoint=path, checkpoint_every=1)
    for round in training.rounds():
        if round.index == 2:
            break
        for subnet in round:
            for x, y in subnet.batches((X, Y)):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(x), y))
    loaded = sl.load_run(path, model=network())
    assert (loaded.rounds_done, loaded.history.rounds) == (2, 2)
    assert np.isnan(loaded.history.local_loss).all()
    goes_on = sl.resume(loaded, X=X, y=Y, optimizer=adam, loss="cross_entropy", rounds=4)
    assert np.flatnonzero(np.isfinite(goes_on.history.local_loss).all(axis=1)).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("load", "again", "message"),
    [
        ({}, {}, "load_run: exactly one of model and factory must be given"),
        ({"model": torch.nn.Linear(3, 4)}, {}, "cut: Linear fails on the example itself"),
        ({"factory": network}, {"optimizer": adam}, "resume: X must be given for a run that was loaded"),
        ({"factory": network}, {"X": X, "y": Y}, "ModuleTraining: optimizer must be given"),
        (
            {"factory": network},
            {"X": X, "y": Y, "optimizer": lambda params: torch.optim.Adam(params, lr=0.5)},
            "must be of the same settings (optimizer: ",
        ),
        (
            {"factory": network},
            {"X": X, "y": Y, "optimizer": adam, "outer": lambda params: torch.optim.SGD(params, lr=0.5)},
            "must be of the same settings (outer: None there",
        ),
        ({"factory": network}, {"X": X, "y": Y, "rounds": 3}, "resume: rounds must be at least 20, got 3"),
    ],
)
def test_what_does_not_fit_a_stored_run_is_refused(run, tmp_path, load, again, message):
    run.save(path := tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match=re.escape(message)):
        sl.resume(load_module_run(path, **load), **again)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.save(5), "ModuleRun.save: path must be the path of a file, got 5"),
        (lambda run: run.save("."), "ModuleRun.save: path must be the path of a file, got '.': a folder"),
        (lambda run: run.training.export("."), "ModuleTraining.export: path must be the path of a file, got '.': a"),
        (lambda run: sl.resume(run, verify="no"), "resume: verify must be a bool, got str"),
        (lambda run: sl.resume(None), "resume: run must be a TrainingRun or ModuleRun, got NoneType"),
        (lambda run: run.save("none/x"), "ModuleRun.save: path must be in a folder that exists, got 'none/x'"),
        (lambda run: run.training.save(5), "ModuleTraining.save: path must be the path of a file, got 5"),
        (lambda run: run.training.save("none/x"), "ModuleTraining.save: path must be in a folder that exists, got"),
        (lambda run: run.training.export(5), "ModuleTraining.export: path must be the path of a file, got 5"),
        (lambda run: run.training.export("none/x"), "ModuleTraining.export: path must be in a folder that exists, got"),
        (
            lambda run: sl.ModuleTraining(run.cut, SCHEME, optimizer=adam, checkpoint=5),
            "checkpoint must be the path of",
        ),
        (lambda run: sl.resume(run, checkpoint=5), "ModuleTraining: checkpoint must be the path of a file, got 5"),
        (lambda run: sl.load_run(5, factory=network), "load_run: path must be the path of a file, got 5"),
        (lambda run: sl.load_run("x", factory=5), "load_run: factory must be callable, got 5"),
    ],
)
def test_a_file_that_cannot_be_is_refused(run, call, message):
    with pytest.raises((TypeError, OSError), match=re.escape(message)):
        call(run)


@pytest.mark.parametrize(
    ("again", "message"),
    [
        ({"record": "rounds"}, "resume: record must be that of the run 'mean', whose history goes on, got 'rounds'"),
        ({"diagnostics": ("ntk",)}, "resume: diagnostics must be that of the run (), whose history goes on, got ('ntk"),
        ({"diagnostics": ["ntk"]}, "resume: diagnostics must be that of the run (), whose history goes on, got ('ntk"),
    ],
)
def test_the_columns_of_a_history_stay_those_of_the_run(run, again, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sl.resume(run, rounds=21, **again)


def test_what_train_was_told_may_be_said_again(run, monkeypatch):
    """And the engines are compared once more where that is asked for."""
    verified = []

    def verify(cut):
        verified.append(cut)

    monkeypatch.setattr(type(run.cut), "verify", verify)
    more = sl.resume(run, rounds=21, record="mean", diagnostics=[], verify=True)
    assert verified == [run.cut]
    same_bits(more, sl.resume(run, rounds=21, verify=False))
    same_bits(more, sl.resume(run, rounds=21))
    assert verified == [run.cut]


def test_the_file_of_a_module_is_no_shallow_run_and_none_of_another_network(run, tmp_path):
    run.save(path := tmp_path / "run.safetensors")
    with pytest.raises(sl.archive.ArchiveError, match="is the run of a module: load_run takes it with model="):
        sl.load_run(path)
    other = network()
    other[5] = torch.nn.Linear(16, 5)
    with pytest.raises(ValueError, match="load_run: model must have the parameters of the run"):
        sl.load_run(path, model=other)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(sl.archive.ArchiveError, match=re.escape(str(path))):
        sl.load_run(path, model=network())


def test_buffers_that_hold_infinite_numbers_stay_as_they_are():
    """Masks of attention, as a rule: what a buffer moved by was infinity minus infinity."""

    class Masked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)
            self.register_buffer("mask", torch.full((5, 5), float("-inf")).triu(1))

        def forward(self, x):
            return self.b(self.mask.softmax(-1) @ self.a(x).relu())

    x = torch.randn(20, 5, 4)
    run = sl.train(sl.cut(Masked(), x[:2]), x, x, sl.independent_subnets(2, 3, 2, 0.1, batch_size=5), loss="mse")
    assert run.status == "finished"
    assert torch.equal(run.model.mask, Masked().mask)


def test_a_last_step_that_ruins_the_network_is_a_divergence_too():
    """The loss is measured before the step: only the entries tell."""
    scheme = sl.local_sgd(1, 2, 1, 1e30, batch_size=20)
    with pytest.raises(sl.DivergenceError) as caught:
        sl.train(sl.cut(network(), X[:2]), X, Y, scheme, loss=lambda output, y: (output**2).mean() * 1e20)
    assert caught.value.run.history.rounds == caught.value.round
    assert caught.value.run.status == "diverged"
    assert all(bool(torch.isfinite(p).all()) for p in caught.value.run.model.parameters())


def test_record_levels_are_those_of_a_shallow_run(run):
    def trained(record):
        return sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, record=record, verify=False).history

    each, rounds, nothing = map(trained, ("subnetworks", "rounds", "none"))
    assert each.subnetwork_errors.shape == (20, 6, 2)
    np.testing.assert_array_equal(each.local_loss, run.history.local_loss)
    np.testing.assert_array_equal(each.subnetwork_errors.mean(axis=2)[:, 1:], run.history.local_loss)
    assert np.isnan(rounds.local_loss).all()
    assert np.isfinite(rounds.full_loss).all()
    np.testing.assert_array_equal(rounds.full_loss[::5], run.history.full_loss[::5])
    assert np.isnan(nothing.local_loss).all() and np.isnan(nothing.full_loss).all()
    with pytest.warns(DeprecationWarning, match="record='batches' is called 'mean'"):
        assert trained("batches").subnetwork_errors is None


class Noisy(torch.utils.data.Dataset):
    """Rows that are drawn anew whenever they are read, as augmented images are."""

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return X[i] + 0.1 * torch.randn(16), int(Y[i])


def test_measures_of_rows_that_are_drawn_are_the_same_after_a_stop():
    scheme = sl.independent_subnets(2, 4, 2, batch_size=20)
    asked = {"optimizer": adam, "diagnostics": ("reduction", "ntk"), "evaluate_every": 1, "verify": False}
    cut = sl.cut(network(), X[:2])
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    whole = sl.train(cut, Noisy(), None, scheme, **asked)
    assert torch.equal(torch.random.get_rng_state(), before)

    def stop(training):
        if training.rounds_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(sl.TrainingInterrupted) as stopped:
        sl.train(cut, Noisy(), None, scheme, on_round=stop, **asked)
    torch.manual_seed(4)
    again = sl.resume(stopped.value.run)
    np.testing.assert_array_equal(again.history.full_loss, whole.history.full_loss)
    for name, values in whole.history.metrics.items():
        np.testing.assert_array_equal(again.history.metrics[name], values)


def test_diagnostics_are_what_they_say():
    """Oracles: norms of rows and columns; dropout's expectation, for which the mean over subnetworks is exact."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(16, 6), torch.nn.ReLU(), torch.nn.Linear(6, 4)).double()
    scheme = sl.independent_subnets(3, 4, 2, 0.1, balanced=True, batch_size=20)
    asked = {"diagnostics": ("movement", "reduction"), "seed": 3}
    run = sl.train(sl.cut(model, X[:2].double()), X.double(), Y, scheme, **asked)
    after = run.model.state_dict()
    change = {name: (after[name] - before).numpy() ** 2 for name, before in model.state_dict().items()}
    norms = np.sqrt(change["0.weight"].sum(1) + change["0.bias"] + change["2.weight"].sum(0))
    np.testing.assert_allclose(run.movement()["0"], norms, rtol=1e-12)
    moved = run.history.metrics["movement.0"]
    assert moved[0] == 0
    assert moved[-1] == pytest.approx(norms.max())
    # equal parts of one hidden layer, scale 1: the mean of the subnetworks' outputs is the whole network's
    assert (run.history.metrics["reduction"][:-1] < 1e-12).all()
    assert np.isnan(run.history.metrics["reduction"][-1])
    assert run.coverage() == {"0.weight": 1.0, "0.bias": 1.0, "2.weight": 1.0, "2.bias": 1.0}
    deep = sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, diagnostics=("reduction",))
    assert deep.history.metrics["reduction"][0] > 0.01
    assert deep.coverage()["3.weight"] == pytest.approx(1.0)


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


def test_validation_rows_are_measured_at_both_ends_unless_asked_more_often():
    run = sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, optimizer=adam, validation=(X, Y), metrics="accuracy")
    assert np.flatnonzero(np.isfinite(run.history.metrics["accuracy"])).tolist() == [0, SCHEME.rounds]
    assert np.isnan(run.history.full_loss).all()


def test_a_checkpoint_that_cannot_be_written_costs_no_round(tmp_path):
    """The folder goes away while training runs."""
    folder = tmp_path / "there"
    folder.mkdir()
    settings = {"optimizer": adam, "checkpoint": folder / "run.safetensors", "verify": False}

    def remove(training):
        if training.rounds_done == 1:
            folder.rmdir()

    with pytest.warns(UserWarning, match="ModuleTraining: no checkpoint was written"):
        run = sl.train(
            sl.cut(network(), X[:2]),
            X,
            Y,
            SCHEME,
            on_round=remove,
            **settings,
        )
    assert run.rounds_done == SCHEME.rounds


def test_an_error_in_the_data_carries_the_completed_rounds(run):
    """The disk goes away after two rounds; training goes on from there with the same bits."""
    calls = []

    class Failing(torch.utils.data.Dataset):
        def __len__(self):
            return len(X)

        def __getitem__(self, i):
            calls.append(i)
            if len(calls) == 500:  # of 200 samples a round
                raise OSError("no such device")
            return X[i], Y[i]

    with pytest.raises(OSError, match="no such device") as caught:
        sl.train(sl.cut(network(), X[:2]), Failing(), None, SCHEME, optimizer=adam, verify=False)
    assert caught.value.__notes__ == ["The 2 completed rounds are kept: sl.resume(error.run) goes on from there."]
    assert same_bits(sl.resume(caught.value.run), run)


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
        ({"metrics": ("accuracy",)}, ValueError, "train: validation must be given where metrics are"),
        ({"dtype": "float64"}, TypeError, "train: dtype is no argument for a module: those are optimizer, seed, state"),
        ({"device": "gpu"}, ValueError, "ModuleTraining: device must be one that torch can use here, such as 'cpu'"),
        ({"checkpoint": "none/x"}, FileNotFoundError, "checkpoint must be in a folder that exists, got 'none/x'"),
        (
            {"network": sl.cut(network().requires_grad_(False), X[:2])},
            ValueError,
            "ModuleTraining: some parameter of the network must require gradients, got none",
        ),
        ({"loss": "hinge"}, ValueError, "train: loss must be one of 'cross_entropy', 'mse', 'bce', got 'hinge'"),
        ({"loss": 3}, TypeError, "train: loss must be a function of (output, target) or a name, got int"),
        ({"metrics": ("f1",)}, ValueError, "train: metrics must be one of 'accuracy', got 'f1'"),
        ({"on_round": 5}, TypeError, "train: on_round must be callable, got 5"),
        ({"metrics": 5}, TypeError, "train: metrics must be names, or map names to functions of (output, target), got"),
        ({"metrics": None}, TypeError, "(output, target), got NoneType"),
        ({"metrics": lambda output, y: 1.0}, TypeError, "(output, target), got function"),
        ({"metrics": {"a": 5}}, TypeError, "train: metrics['a'] must be callable, got 5"),
        ({"metrics": {3: len}}, ValueError, "train: metrics must be named by strings other than 'loss', got 3"),
        ({"metrics": {"loss": len}}, ValueError, "must be named by strings other than 'loss', got 'loss'"),
        (
            {"metrics": {"reduction": len}, "diagnostics": ("reduction",), "validation": (X, Y)},
            ValueError,
            "train: metrics must not be named as the diagnostics that are asked for, got 'reduction'",
        ),
        (
            {"metrics": {"a": lambda output: 1.0}, "validation": (X, Y)},
            ValueError,
            "train: metrics['a'] must return one number for (output, target), got int64 of shape (120,) beside outputs "
            "of float32 of shape (120, 4) (TypeError: ",
        ),
        (
            {"metrics": {"a": lambda output, y: output[:, 0]}, "validation": (X, Y)},
            ValueError,
            "train: metrics['a'] must return one number for (output, target)",
        ),
        (
            {"metrics": ("accuracy",), "validation": (X, torch.nn.functional.one_hot(Y).float())},
            ValueError,
            "got float32 of shape (120, 4) beside outputs of float32 of shape (120, 4) (ValueError: accuracy wants one",
        ),
        ({"diagnostics": 5}, TypeError, "train: diagnostics must be a tuple or list, got int"),
        ({"verify": "no"}, TypeError, "train: verify must be a bool, got str"),
        ({"progress": "x"}, TypeError, "train: progress must be a bool, got str"),
        ({"threads": 10**6}, ValueError, "ModuleTraining: threads must be at most 1024, got 1000000"),
        ({"device": "meta"}, ValueError, "device must be one that torch can use here, such as 'cpu', got 'meta' (it"),
        (
            {"loss": lambda output, y: 1j * output.sum()},
            TypeError,
            "Subnet.step: loss must be real, got torch.complex64",
        ),
        ({"diagnostics": "movement"}, TypeError, "train: diagnostics must be a tuple or list, got str"),
        (
            {"scheme": sl.local_sgd(2, 1, 1, batch_size=1)},
            ValueError,
            "train: X and y must be inputs that the network takes, got float32 of shape (1, 16) (CutError: subnetwork: "
            "a batch must have at least two rows, as batch norm needs, got one: raise batch_size)",
        ),
        (
            {"scheme": sl.local_sgd(2, 1, 1, shards=120)},
            ValueError,
            "a batch must have at least two rows, as batch norm needs, got one: raise batch_size",
        ),
        ({"evaluate_every": 0}, ValueError, "train: evaluate_every must be at least 1, got 0"),
        (
            {"record": "all"},
            ValueError,
            "train: record must be one of 'mean', 'subnetworks', 'rounds', ",
        ),
        (
            {"diagnostics": ("noise",)},
            ValueError,
            "train: diagnostics must be one of 'movement', 'reduction', ",
        ),
        (
            {"scheme": sl.local_sgd(2, 1, 1, batch_size=500)},
            ValueError,
            "batch_size must be at most the number of rows",
        ),
        ({"network": network()}, TypeError, "train: network must be a cut of a module, sl.cut(model, example_input)"),
        ({"network": 3}, TypeError, "train: network must be a ShallowReLU, got int"),
    ],
)
def test_what_breaks_a_rule_is_refused(change, error, message, monkeypatch):
    monkeypatch.delattr(sl.ModuleTraining, "rounds")  # work must not begin
    arguments = {"network": sl.cut(network(), X[:2]), "X": X, "y": Y, "scheme": SCHEME, **change}
    settings = {name: arguments.pop(name) for name in list(arguments) if name not in ("network", "X", "y", "scheme")}
    if not isinstance(arguments["network"], int):
        settings["optimizer"] = adam
    with pytest.raises(error, match=re.escape(message)):
        sl.train(*arguments.values(), **settings)


def test_a_scale_that_the_returned_network_could_not_have_is_refused_before_work():
    """Tied weights: no factor can be folded into a matrix that is used for something else besides."""

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(4, 8)

        def forward(self, x):
            return torch.nn.functional.linear(self.a(x).tanh(), self.a.weight.t())

    x, called = torch.randn(24, 4), []
    scheme = sl.independent_subnets(2, rounds=2, local_steps=2, step_size=0.1, batch_size=8)

    def loss(output, target):
        called.append(1)
        return torch.nn.functional.mse_loss(output, target)

    cut = sl.cut(Tied(), x[:2])
    with pytest.raises(sl.CutError, match=r"train: scale must be 1 for this network, got 0\.5: .*a\.weight, which"):
        sl.train(cut, x, x, scheme, loss=loss, scale=0.5)
    assert called == []
    assert sl.train(cut, x, x, scheme, loss="mse").model.a.weight.isfinite().all()


@pytest.mark.parametrize("outer", [None, lambda params: torch.optim.SGD(params, lr=0.7, momentum=0.9)])
def test_a_parameter_of_whole_numbers_stays_as_it_is(outer, tmp_path):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.o = torch.nn.Linear(4, 8), torch.nn.Linear(8, 3)
            self.k = torch.nn.Parameter(torch.arange(8), requires_grad=False)

        def forward(self, x):
            return self.o(self.a(x) * self.k)

    x, y = torch.randn(24, 4), torch.arange(24) % 3
    scheme = sl.independent_subnets(2, rounds=2, local_steps=2, batch_size=8)
    found = [
        sl.train(sl.cut(Scaled(), x[:2]), x, y, scheme, optimizer=adam, outer=outer, engine=engine)
        for engine in ("sliced", "masked")
    ]
    for run in found:
        assert torch.equal(run.model.k, torch.arange(8))
    torch.testing.assert_close(found[0].model.a.weight, found[1].model.a.weight)
