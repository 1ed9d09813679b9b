"""Runs survive files without loss, and go on with the bits of an uninterrupted run."""

import dataclasses
import os
import signal
import threading
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import pytest

import subnetlab as sl

rng = np.random.default_rng(0)
X = rng.standard_normal((8, 3))
Y = rng.uniform(-1, 1, 8)
NETWORK = sl.ShallowReLU.initialize(24, 3, seed=5)
K = 7
LAWS = {
    "bernoulli": sl.Bernoulli(3, 0.4),
    "categorical": sl.Categorical(3),
    "uneven": sl.Categorical(2, (0.3, 0.7)),
    "all": sl.AllNeurons(2),
    "fixed": sl.FixedMasks(rng.random((K, 2, 24)) < 0.5, 0.5),
}
TWO_OUTPUTS = sl.ShallowReLU.initialize(24, 3, seed=5, n_outputs=2)
CASES = {
    **{name: (LAWS[name], {}, {}) for name in LAWS},
    "reference": (LAWS["bernoulli"], {}, {"engine": "reference"}),
    "shards": (LAWS["categorical"], {"shards": 2}, {}),
    "minibatches": (LAWS["bernoulli"], {"batch_size": 3}, {}),
    "both": (LAWS["bernoulli"], {"shards": 2, "batch_size": 3, "unselected": "zero"}, {}),
    "float32": (LAWS["bernoulli"], {}, {"dtype": "float32"}),
    "auto step": (LAWS["bernoulli"], {"step_size": "auto"}, {}),
    "diagnostics": (LAWS["bernoulli"], {}, {"diagnostics": ("patterns", "movement"), "validation": (X[:3], Y[:3])}),
    "subnetworks": (LAWS["bernoulli"], {}, {"record": "subnetworks"}),
    "sample weights": (LAWS["bernoulli"], {}, {"sample_weight": np.arange(8.0)}),
    "outputs": (LAWS["bernoulli"], {}, {}),
    "two threads": (LAWS["bernoulli"], {}, {"threads": 2}),
}


@pytest.fixture(params=CASES)
def case(request):
    """Whatever train() takes, for K rounds."""
    law, settings, options = CASES[request.param]
    scheme = sl.TrainingScheme(law, **{"rounds": K, "local_steps": 2, "step_size": 0.1, **settings})
    if request.param == "outputs":
        return (TWO_OUTPUTS, X, np.column_stack([Y, -Y]), scheme), options
    return (NETWORK, X, Y, scheme), options


def equal(one, other):
    """Every array to the bit, every setting."""

    def arrays(run):
        groups = {"history": run.history.arrays(), "state": run.engine_state, "data": vars(run.data)}
        groups |= {"network": vars(run.network), "initial": vars(run.initial_network)}
        return {
            f"{group}.{name}": (value.dtype.str, value.shape, value.tobytes())
            for group, members in groups.items()
            for name, value in members.items()
            if value is not None
        }

    assert arrays(one) == arrays(other)
    assert one.scheme == other.scheme
    assert one.settings == other.settings
    assert one.status == other.status
    assert one.provenance == other.provenance


def stopped_after(rounds, arguments, options):
    """The run as a crash would leave it: saved after some rounds."""
    session = sl.TrainingSession(*arguments, seed=9, **options)
    for _ in range(rounds):
        session.advance()
    return session.run()


def test_a_saved_run_comes_back_without_loss(case, tmp_path):
    arguments, options = case
    run = sl.train(*arguments, seed=9, **options)
    run.save(tmp_path / "run.npz")
    equal(sl.load_run(tmp_path / "run.npz"), run)
    equal(sl.load_run(str(tmp_path / "run.npz")), run)


@pytest.mark.parametrize("rounds", [0, 1, K - 1, K])
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(case, rounds, tmp_path):
    arguments, options = case
    whole = sl.train(*arguments, seed=9, **options)
    part = stopped_after(rounds, arguments, options)
    assert part.status == ("finished" if rounds == K else "unfinished")
    assert part.history.rounds == rounds
    part.save(tmp_path / "part.npz")
    equal(sl.resume(sl.load_run(tmp_path / "part.npz")), whole)
    equal(sl.resume(part), whole)


def test_a_run_can_be_resumed_round_by_round(case):
    arguments, options = case
    run = stopped_after(0, arguments, options)
    for rounds in range(1, K + 1):
        run = sl.resume(run, rounds=rounds)
    equal(run, sl.train(*arguments, seed=9, **options))


def test_a_finished_run_can_have_more_rounds():
    longer = sl.TrainingScheme(LAWS["bernoulli"], rounds=10, step_size=0.1)
    run = sl.train(NETWORK, X, Y, dataclasses.replace(longer, rounds=4), seed=9)
    equal(sl.resume(run, rounds=10), sl.train(NETWORK, X, Y, longer, seed=9))
    equal(sl.resume(run, rounds=np.int64(10)), sl.train(NETWORK, X, Y, longer, seed=9))
    equal(sl.resume(run), run)


@pytest.mark.parametrize(
    ("rounds", "error", "message"),
    [
        (3, ValueError, "resume: rounds must be at least 4, got 3"),
        (4.5, TypeError, "resume: rounds must be a whole number, got 4.5"),
        (True, TypeError, "resume: rounds must be a whole number, got True"),
    ],
)
def test_resume_refuses_fewer_rounds_than_are_done(rounds, error, message, refused):
    run = sl.train(NETWORK, X, Y, sl.TrainingScheme(LAWS["bernoulli"], rounds=4, step_size=0.1))
    with refused(error, message):
        sl.resume(run, rounds=rounds)


def test_resume_refuses_a_run_of_another_version_of_its_engine():
    run = sl.train(NETWORK, X, Y, sl.gradient_descent(2, 0.1), engine="primal")
    older = dataclasses.replace(run, settings=dataclasses.replace(run.settings, engine_version=0))
    with pytest.raises(
        ValueError, match=r"^resume: the run must come from version \d+ of engine 'primal', got version 0"
    ):
        sl.resume(older, rounds=3)


def test_resume_refuses_other_nonsense(refused):
    fixed = sl.train(NETWORK, X, Y, sl.TrainingScheme(LAWS["fixed"], rounds=K, step_size=0.1))
    with refused(ValueError, "FixedMasks: masks must cover 8 rounds, got 7"):
        sl.resume(fixed, rounds=K + 1)
    with refused(ValueError, "resume: rounds must be at least 1, got 0"):
        sl.resume(stopped_after(0, (NETWORK, X, Y, sl.gradient_descent(3)), {}), rounds=0)
    with refused(TypeError, "resume: run must be a TrainingRun or ModuleRun, got str"):
        sl.resume("run.npz")
    with refused(TypeError, "resume: on_round must be callable, got 1"):
        sl.resume(fixed, on_round=1)


@pytest.mark.parametrize("method", ["save", "export_network"])
def test_a_file_that_cannot_be_is_refused(method, refused):
    write = getattr(sl.train(sl.ShallowReLU.initialize(6, 2), np.eye(2), np.ones(2), sl.dropout(0.5, 1)), method)
    with refused(TypeError, f"TrainingRun.{method}: path must be the path of a file, got 5"):
        write(5)
    with refused(IsADirectoryError, f"TrainingRun.{method}: path must be the path of a file, got '.': a folder"):
        write(".")
    with refused(FileNotFoundError, f"TrainingRun.{method}: path must be in a folder that exists, got 'none/x'"):
        write("none/x")


def test_the_exported_network_is_for_other_programs(tmp_path):
    run = sl.train(NETWORK, X, Y, sl.dropout(0.3, 4, 0.1))
    run.export_network(tmp_path / "network.npz")
    with np.load(tmp_path / "network.npz") as file:  # plain NumPy, no pickle
        W, a = file["weights"], file["signs"]
        assert b'"selection_prob": 0.3' in file["meta"].tobytes()
    u = 0.3 / np.sqrt(len(a)) * np.maximum(X @ W.T, 0) @ a
    np.testing.assert_allclose(np.sum((Y - u) ** 2), run.history.full_error[-1], rtol=1e-12)


def test_what_the_bits_depend_on_is_saved_with_them():
    run = sl.train(NETWORK, X, Y, sl.dropout(0.3, 1))
    packages = {name for name in ("scipy", "numba", "torch") if find_spec(name) is not None}
    assert run.provenance.keys() == {"subnetlab", "numpy", "python", "machine"} | packages
    assert all(run.provenance[name] == version(name) for name in packages)
    assert run.provenance["subnetlab"] == sl.__version__
    assert run.provenance["numpy"] == np.__version__


# Ctrl-C


@pytest.mark.parametrize("rounds", [1, 4, K])
def test_ctrl_c_keeps_the_completed_rounds_and_resumes_to_the_same_bits(case, rounds):
    arguments, options = case

    def press(session):
        if session.rounds_done == rounds:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(sl.TrainingInterrupted) as caught:
        sl.train(*arguments, seed=9, on_round=press, **options)
    assert str(caught.value) == f"interrupted after {rounds} of {K} rounds"
    assert isinstance(caught.value, KeyboardInterrupt)
    equal(caught.value.run, stopped_after(rounds, arguments, options))
    equal(sl.resume(caught.value.run), sl.train(*arguments, seed=9, **options))


def test_ctrl_c_inside_a_round_waits_for_its_end(monkeypatch):
    from subnetlab.engines.primal import LocalPhase

    original = LocalPhase.steps

    def press(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(LocalPhase, "steps", original)
        return original(self, *arguments)

    scheme = sl.TrainingScheme(LAWS["bernoulli"], rounds=K, local_steps=2, step_size=0.1)
    monkeypatch.setattr(LocalPhase, "steps", press)
    with pytest.raises(sl.TrainingInterrupted) as caught:
        sl.train(NETWORK, X, Y, scheme, seed=9, engine="primal")
    equal(caught.value.run, stopped_after(1, (NETWORK, X, Y, scheme), {"engine": "primal"}))


@pytest.fixture
def ctrl_c_raises():
    """Python's own handler: where tests run in the background, the shell has made Python ignore Ctrl-C."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures("ctrl_c_raises")
def test_a_second_ctrl_c_acts_at_once():
    def press_twice(session):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        sl.train(NETWORK, X, Y, sl.gradient_descent(5, 0.1), on_round=press_twice)
    assert not isinstance(caught.value, sl.TrainingInterrupted)


def test_the_handler_of_ctrl_c_is_given_back():
    before = signal.getsignal(signal.SIGINT)
    sl.train(NETWORK, X, Y, sl.gradient_descent(2, 0.1))
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ZeroDivisionError):
        sl.train(NETWORK, X, Y, sl.gradient_descent(2, 0.1), on_round=lambda session: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread():
    runs = []
    scheme = sl.gradient_descent(3, 0.1)
    thread = threading.Thread(target=lambda: runs.append(sl.train(NETWORK, X, Y, scheme)))
    thread.start()
    thread.join()
    equal(runs[0], sl.train(NETWORK, X, Y, scheme))
