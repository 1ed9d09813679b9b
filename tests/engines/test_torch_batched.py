"""What is the torch engine's own: groups, padding, devices. That it is Algorithm 1 shows in test_base_agreement."""

from itertools import combinations

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.cli.main import main
from subnetlab.core.rows import local_rows
from subnetlab.engines.base import Problem
from subnetlab.engines.choice import choose_engine
from subnetlab.engines.table import ENGINES, create

HINT = "train: engine 'torch' needs torch: pip install 'subnetlab[torch]'"


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs torch: pip install 'subnetlab[torch]'")


def _setting(n, d, m=60):
    rng = np.random.default_rng(n)
    X, W = rng.standard_normal((n, d)) / np.sqrt(d), rng.standard_normal((m, d))
    return Problem(X, rng.uniform(-1, 1, n), rng.choice([-1.0, 1.0], m), 0.5), W, rng.random((4, 5, m)) < 0.4


def _run(name, problem, W, masks, device="cpu", dtype="float64"):
    """Four rounds on shards and minibatches."""
    engine = create(name, problem, dtype=dtype, threads=1, device=device)
    state, errors = engine.start(W), []
    shape = {"n_samples": len(problem.X), "n_subnetworks": 5, "local_steps": 3}
    for k, M in enumerate(masks):
        state, record = engine.round(state, M, 0.3, 3, rows=local_rows(1, k, shards=2, batch_size=2, **shape))
        errors += [*record.subnetwork_errors.ravel(), record.full_error]
    return engine.weights(state), np.array(errors)


@pytest.mark.parametrize(("n", "d"), [(9, 6), (20, 3)])
def test_groups_of_subnetworks_change_nothing(torch, monkeypatch, n, d):
    problem, W, masks = _setting(n, d)
    at_once = _run("torch", problem, W, masks)
    for most in (1, 60 * n):  # one by one; two or three at once
        monkeypatch.setattr("subnetlab.engines.torch_batched._ENTRIES_AT_ONCE", most)
        for mine, theirs in zip(_run("torch", problem, W, masks), at_once, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_a_neuron_that_fills_up_a_smaller_subnetwork_does_not_touch_it(torch):
    problem, W, _ = _setting(6, 4)
    W[0] = np.inf  # the neuron whose number the padding carries
    masks = np.ones((2, len(W)), dtype=bool)
    masks[1, ::2] = False
    engine = create("torch", problem, dtype="float64", threads=1)
    _, record = engine.round(engine.start(W), masks, 0.1, 2)
    assert not np.isfinite(record.subnetwork_errors[:, 0]).any()
    assert np.isfinite(record.subnetwork_errors[:, 1]).all()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-4)])
@pytest.mark.parametrize(("n", "d"), [(9, 6), (20, 3)])
def test_agrees_with_the_reference_on_every_device(torch, device, dtype, tolerance, n, d):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    problem, W, masks = _setting(n, d)
    weights, errors = _run("torch", problem, W, masks, device, dtype)
    expected, their_errors = _run("reference", problem, W, masks)
    assert weights.dtype == dtype and errors.dtype == np.float64
    np.testing.assert_allclose(weights, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    np.testing.assert_allclose(errors, their_errors, rtol=tolerance)


def test_trains_goes_on_and_is_loaded_again(torch, tmp_path):
    problem, W, _ = _setting(8, 5)
    network = sl.ShallowReLU(W, problem.signs)
    scheme = sl.independent_subnets(3, rounds=6, local_steps=2, step_size=0.2)
    whole = sl.train(network, problem.X, problem.y, scheme, engine="torch")
    primal = sl.train(network, problem.X, problem.y, scheme, engine="primal")
    np.testing.assert_allclose(whole.network.weights, primal.network.weights, rtol=1e-10)
    session = sl.TrainingSession(network, problem.X, problem.y, scheme, engine="torch")
    session.advance()
    session.run().save(tmp_path / "run.npz")
    run = sl.resume(sl.load_run(tmp_path / "run.npz"))
    assert run.settings == whole.settings and run.settings.device == "cpu"
    assert run.network.weights.tobytes() == whole.network.weights.tobytes()
    assert run.history == whole.history


def test_a_session_keeps_torch_to_its_threads(torch, monkeypatch):
    problem, W, _ = _setting(8, 5)
    seen = []
    step = torch.bmm
    monkeypatch.setattr("torch.bmm", lambda *tensors: (seen.append(torch.get_num_threads()), step(*tensors))[1])
    sl.train(sl.ShallowReLU(W, problem.signs), problem.X, problem.y, sl.gradient_descent(2, 0.1), engine="torch")
    assert set(seen) == {1}


def test_auto_never_takes_it():
    everything = ENGINES["torch"].capabilities
    for size in range(len(everything) + 1):
        for needed in combinations(sorted(everything), size):
            assert choose_engine(set(needed)) != "torch"


def test_without_torch_the_error_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("subnetlab.engines.table.find_spec", lambda name: None)
    problem, W, _ = _setting(4, 3)
    with pytest.raises(ImportError, match="^" + HINT.replace("[", r"\[") + "$"):
        sl.train(sl.ShallowReLU(W, problem.signs), problem.X, problem.y, sl.gradient_descent(2), engine="torch")
    with pytest.raises(ImportError, match="^" + HINT.replace("[", r"\[") + "$"):
        create("torch", problem, dtype="float64", threads=1)
    out = tmp_path / "run"
    small = ["--dataset", "diabetes", "--n-samples", "20", "--width", "50", "--out", str(out)]
    assert main(["train", "--engine", "torch", *small]) == 1
    assert HINT in capsys.readouterr().err
    assert not out.exists()


def test_a_device_that_an_engine_lacks_is_refused(refused, capsys, tmp_path):
    problem, W, _ = _setting(4, 3)
    message = "train: engine 'primal' does not run on device 'cuda'; engines that do: torch"
    with refused(ValueError, message):
        create("primal", problem, dtype="float64", threads=1, device="cuda")
    network = sl.ShallowReLU(W, problem.signs)
    with refused(ValueError, message):
        sl.train(network, problem.X, problem.y, sl.gradient_descent(2), engine="primal", device="cuda")
    small = ["--dataset", "diabetes", "--n-samples", "20", "--width", "50", "--out", str(tmp_path)]
    assert main(["train", "--engine", "primal", "--device", "cuda", *small]) == 2
    assert message in capsys.readouterr().err


def test_a_cuda_device_that_is_not_there_is_refused(torch, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    out = tmp_path / "run"
    small = ["--dataset", "diabetes", "--n-samples", "20", "--width", "50", "--out", str(out)]
    assert main(["train", "--engine", "torch", "--device", "cuda", *small]) == 2
    message = f"train: device 'cuda' is not available, torch {torch.__version__} finds no CUDA device"
    assert message in capsys.readouterr().err
    assert not out.exists()
