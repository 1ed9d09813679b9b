"""The whole network is measured with statistics of its own, held to plain loops; training knows nothing of it."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import subnetlab as sl
from subnetlab.modules.evaluation import evaluate, recalibrate

F = nn.functional
GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(60, 6, generator=GENERATOR) * 3 + 1, torch.arange(60) % 3
HELD_OUT = torch.randn(20, 6, generator=GENERATOR) * 3 + 1, torch.arange(20) % 3
SCHEME = sl.independent_subnets(2, 4, 5, balanced=True, step_size=0.1, batch_size=10)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, 8),
        nn.BatchNorm1d(8),
        nn.Linear(8, 3),
    )


def train(**settings):
    given = {"validation": HELD_OUT, "metrics": "accuracy", "evaluate_every": 2, **settings}
    return sl.train(sl.cut(network(), X[:2]), X, Y, SCHEME, verify=False, **given)


def plainly(state, rows, batch_size=1000):
    """Return the network of a state with means over batches of the inputs of its two batch norms, layer by layer."""
    net = network().eval()
    net.load_state_dict(state)
    batches = [net[0](x) for x in rows.split(batch_size)]
    for norm, layers in ((net[1], net[2:5]), (net[5], None)):
        norm.running_mean = torch.stack([x.mean(0) for x in batches]).mean(0)
        norm.running_var = torch.stack([x.var(0) for x in batches]).mean(0)
        if layers is not None:
            batches = [layers(F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)) for x in batches]
    return net


def loss_of(net, rows=HELD_OUT):
    with torch.no_grad():
        return F.cross_entropy(net(rows[0]), rows[1]).item()


@pytest.fixture(scope="module")
def run():
    return train()


# ----------------------------------------------------------------------------------------------- the function itself
@pytest.mark.parametrize("batch_size", [20, 60, 1000])
def test_statistics_are_means_over_batches_without_dropout(batch_size):
    net = network()
    before = copy.deepcopy(net)
    state = torch.get_rng_state()
    recalibrate(net, (X, Y), batch_size=batch_size)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        expected = plainly(before.state_dict(), X, batch_size).state_dict()
    for name, found in net.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-6)
    assert [part.training for part in net.modules()] == [part.training for part in before.modules()]
    assert net[1].momentum == 0.1


def test_no_batch_of_a_single_row_is_left_over():
    net = network()
    recalibrate(net, (X[:21], Y[:21]), batch_size=10)  # 7, 7, 7
    torch.testing.assert_close(net[1].running_mean, net[0](X[:21]).mean(0).detach(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="recalibrate: the number of rows must be at least 2, got 1"):
        recalibrate(net, (X[:1], Y[:1]))


def test_statistics_that_the_user_froze_stay():
    net = network()
    net[1].eval()
    recalibrate(net, (X, Y))
    assert torch.equal(net[1].running_mean, torch.zeros(8))
    assert not torch.equal(net[5].running_mean, torch.zeros(8))


# ------------------------------------------------------------------------------------------------------- in training
def test_validation_is_measured_with_statistics_of_the_whole_network():
    """At both ends, on all rows and on the first ones."""
    for recalibrated, rows in ((True, X), (25, X[:25])):
        run = train(recalibrate=recalibrated)
        with torch.no_grad():
            for k, state in ((0, network().state_dict()), (SCHEME.rounds, run.model.state_dict())):
                net = plainly(state, rows)
                assert run.history.validation_error[k] == pytest.approx(loss_of(net), rel=1e-5)
                assert run.history.full_loss[k] == pytest.approx(loss_of(net, (X, Y)), rel=1e-5)
                accuracy = (net(HELD_OUT[0]).argmax(1) == HELD_OUT[1]).double().mean().item()
                assert run.history.metrics["accuracy"][k] == pytest.approx(accuracy)


def same_bits(a, b):
    losses = np.array_equal(a.history.local_loss, b.history.local_loss)
    ours, theirs = a.model.state_dict(), b.model.state_dict()
    return losses and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_training_is_the_same_bit_by_bit(run):
    measured = train(recalibrate=True)
    assert same_bits(measured, run)
    assert not np.allclose(measured.history.validation_error[-1], run.history.validation_error[-1])


def test_resuming_keeps_it(tmp_path):
    whole = train(recalibrate=25)
    part = sl.train(
        sl.cut(network(), X[:2]),
        X,
        Y,
        sl.independent_subnets(2, 2, 5, balanced=True, step_size=0.1, batch_size=10),
        verify=False,
        validation=HELD_OUT,
        metrics="accuracy",
        evaluate_every=2,
        recalibrate=25,
    )
    part.save(tmp_path / "run")
    loaded = sl.load_run(tmp_path / "run", model=network())
    for again in (sl.resume(part, rounds=4), sl.resume(loaded, rounds=4, X=X, y=Y, validation=HELD_OUT)):
        assert same_bits(again, whole)
        assert np.array_equal(again.history.validation_error, whole.history.validation_error, equal_nan=True)


# ------------------------------------------------------------------------------------------------------ of a run
def test_a_run_is_evaluated_with_statistics_of_the_whole_network(run):
    before = copy.deepcopy(run.model.state_dict())
    dataset = torch.utils.data.TensorDataset(X, Y)
    with torch.no_grad():
        for given, rows in ((True, X), (25, X[:25]), ((X[:30], Y[:30]), X[:30]), (dataset, X)):
            expected = loss_of(plainly(before, rows))
            assert run.evaluate(*HELD_OUT, recalibrate=given)["loss"] == pytest.approx(expected, rel=1e-5)
    assert run.evaluate(*HELD_OUT) == evaluate(run.model, HELD_OUT, "cross_entropy")
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())


def test_a_loaded_run_needs_rows(run, tmp_path):
    run.save(tmp_path / "run")
    loaded = sl.load_run(tmp_path / "run", model=network())
    with pytest.raises(
        ValueError, match=r"ModuleRun.evaluate: recalibrate must be rows, \(X, y\) or a Dataset, for a run"
    ):
        loaded.evaluate(*HELD_OUT, recalibrate=True)
    assert loaded.evaluate(*HELD_OUT, recalibrate=(X, Y)) == run.evaluate(*HELD_OUT, recalibrate=True)


# -------------------------------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"recalibrate": 61}, ValueError, "train: recalibrate must be at most 60, got 61"),
        ({"recalibrate": 1}, ValueError, "train: recalibrate must be at least 2, got 1"),
        ({"recalibrate": "all"}, TypeError, "train: recalibrate must be a whole number, got 'all'"),
        (
            {"recalibrate": True, "validation": None, "metrics": (), "evaluate_every": None},
            ValueError,
            "train: validation or evaluate_every must be given where recalibrate is",
        ),
    ],
)
def test_settings_that_break_a_rule(settings, error, message):
    with pytest.raises(error, match=message):
        train(**settings)


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.BatchNorm1d(8, track_running_stats=False)])
def test_a_network_without_statistics(norm):
    net = nn.Sequential(nn.Linear(6, 8), norm, nn.Linear(8, 3))
    message = "recalibrate must be False for a network without batch norm that keeps running statistics, got Sequential"
    with pytest.raises(ValueError, match=f"train: {message}"):
        sl.train(sl.cut(net, X[:2]), X, Y, SCHEME, validation=HELD_OUT, recalibrate=True)
    run = sl.train(sl.cut(net, X[:2]), X, Y, SCHEME, verify=False)
    with pytest.raises(ValueError, match=f"ModuleRun.evaluate: {message}"):
        run.evaluate(*HELD_OUT, recalibrate=(X, Y))
