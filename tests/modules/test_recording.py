"""Errors inside rounds: those of a plain loop that measures before and after every step, and nothing is changed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.recording import round_errors, whole_errors  # noqa: E402

MSE = torch.nn.functional.mse_loss


def network():
    """A network with batch norm: its buffers change in every forward pass."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 1)
    ).double()


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(12, 3, generator=generator).double(), torch.rand(12, 1, generator=generator).double()


def training(**settings):
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.7), rounds=2, local_steps=2, step_size=0.1, **settings)
    return sl.ModuleTraining(sl.cut(network(), torch.rand(2, 3).double()), scheme)


def test_errors_are_those_before_and_after_each_step(rows):
    """With all rows in each batch; the oracle passes them through a copy of the subnetwork at every place."""
    recorded, plain = training(), training()
    for ours, theirs in zip(recorded.rounds(), plain.rounds(), strict=True):
        found = round_errors(ours, rows, MSE)
        for subnet in theirs:
            column = []
            for x, y in subnet.batches(rows):
                column.append(MSE(subnet.module(x), y).item())
                subnet.step(MSE(subnet.module(x), y))
            column.append(MSE(subnet.module(rows[0]), rows[1]).item())
            np.testing.assert_allclose(found[:, subnet.index], column, rtol=1e-12)


def test_recording_changes_nothing(rows):
    """Parameters and buffers have the bits of training that records nothing."""
    recorded, plain = training(batch_size=5), training(batch_size=5)
    state = torch.random.get_rng_state()
    for ours in recorded.rounds():
        found = round_errors(ours, rows, MSE)
        np.testing.assert_array_equal(found[:-1], ours.loss_array())
    for theirs in plain.rounds():
        for subnet in theirs:
            for x, y in subnet.batches(rows):
                subnet.step(MSE(subnet.module(x), y))
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, entry in plain.entries.items():
        assert torch.equal(entry, recorded.entries[name]), name


def test_the_whole_network_is_measured_with_statistics_of_its_own(rows):
    trained = training()
    for round in trained.rounds():
        round_errors(round, rows, MSE)
    (x, y), held_out = rows, (rows[0][:4] + 1, rows[1][:4])
    found = whole_errors(trained, rows, held_out, "mse", {"offset": lambda output, target: (output - target).mean()})
    model = trained.model.eval()
    hidden = model[0](x).detach()
    model[1].running_mean, model[1].running_var = hidden.mean(0), hidden.var(0)
    assert found["full_error"] == pytest.approx(MSE(model(x), y).item(), rel=1e-12)
    assert found["validation_error"] == pytest.approx(MSE(model(held_out[0]), held_out[1]).item(), rel=1e-12)
    assert found["offset"] == pytest.approx((model(held_out[0]) - held_out[1]).mean().item(), rel=1e-12)
    assert whole_errors(trained, rows, None, "mse").keys() == {"full_error"}
