"""Bits do not depend on what the calling program has set, at the paper's size, where BLAS does use several threads."""

import hashlib
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import subnetlab as sl
from subnetlab.engines.table import ENGINES, installed_engines

N, D, M = 100, 99, 1000
SCHEME = sl.independent_subnets(3, rounds=2, local_steps=2, step_size=0.3)


def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return sl.ShallowReLU.initialize(M, D, seed=3), X, np.sin(np.arange(N)), rng.standard_normal((40, D))


def digest(*arrays):
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def run_digest(run):
    state = [run.engine_state[name] for name in sorted(run.engine_state)]
    return digest(run.network.weights, *run.history.arrays().values(), run.settings.step_size, *state)


def trained(engine, threads=1, step_size=0.3):
    """Return the digest of a run with all that is recorded beside it, of one that went on, and of its comparison."""
    network, X, y, others = problem()
    scheme = sl.TrainingScheme(SCHEME.masks, SCHEME.rounds, SCHEME.local_steps, step_size)
    options = {"diagnostics": ("patterns", "movement"), "validation": (others, np.ones(len(others)))}
    run = sl.train(network, X, y, scheme, engine=engine, threads=threads, **options)
    return [run_digest(run), run_digest(sl.resume(run, rounds=3))]


def everything():
    """Return the digest of all that a run, a study or a page of theory stores, by name."""
    network, X, y, others = problem()
    found = {engine: trained(engine) for engine in installed_engines()}
    found["auto"] = trained("auto", step_size="auto")
    found["several outputs"] = run_digest(
        sl.train(sl.ShallowReLU.initialize(M, D, n_outputs=2), X, np.stack([y, -y], axis=1), sl.gradient_descent(2))
    )
    run = sl.train(network, X, y, SCHEME, compare="linearized", record="none")
    found["comparison"] = digest(*run.comparison.arrays().values())
    verdict = run.theory()
    found["verdict"] = digest(
        verdict.prediction.full_error, verdict.prediction.floor, verdict.eigenvalues.values, verdict.measured
    )
    found["setting"] = verdict.setting.smallest_eigenvalue.hex()
    scheme = sl.dropout(0.5, 20, 0.5)
    found["average prediction"] = digest(sl.predict(sl.average_lazy_model(X, y, M, 1.0), scheme).full_error)
    for estimator in (sl.SubnetRegressor(early_stopping=True, rounds=40), sl.SubnetClassifier(scheme="dropout")):
        fitted = estimator.set_params(random_state=0).fit(X, y if estimator.early_stopping is True else y > 0)
        found[type(estimator).__name__] = digest(fitted.network_.weights, fitted.predict(others))
    return found


def other_process(**environment):
    code = f"import json, runpy; print(json.dumps(runpy.run_path({__file__!r})['everything']()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_in_processes_with_any_number_of_threads():
    one, two = (other_process(OPENBLAS_NUM_THREADS=count, OMP_NUM_THREADS=count) for count in "12")
    assert {name for name, value in one.items() if two[name] != value} == set()


def final(*request, **options):
    """Return the final weights and the errors before each round."""
    run = sl.train(*request, **options)
    return np.append(run.network.weights, run.history.full_error)


def outcomes():
    """Return, by name, calls whose results must not depend on how NumPy takes floating-point errors."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 7))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    classes = (X[:, 0] > 0).astype(float)
    start = sl.ShallowReLU.initialize(130, 7, seed=0)
    saturated = sl.ShallowReLU(start.weights * 1e4, start.output_weights)
    tiny = X * np.where(np.arange(30) % 2, 1e-140, 1.0)[:, np.newaxis]
    slow = sl.independent_subnets(3, 2, 2, 1e-6)
    calls = {}
    for name in installed_engines():
        calls[f"squared, {name}"] = lambda name=name: final(start, X, classes, SCHEME, engine=name)
        calls[f"tiny rows, {name}"] = lambda name=name: final(start, tiny, classes, SCHEME, engine=name)
        if "losses" in ENGINES[name].capabilities:
            logistic = {"engine": name, "loss": "logistic"}
            calls[f"logistic, {name}"] = lambda options=logistic: final(saturated, X, classes, slow, **options)
    model = sl.lazy_model(start, tiny, classes)
    classifier = sl.SubnetClassifier(random_state=0, step_size=5.0, rounds=50)
    return calls | {
        "automatic step size": lambda: sl.train(start, tiny, classes, sl.dropout(0.5, 2)).settings.step_size,
        "network": lambda: saturated.output(X * 1e-300),
        "initial network": lambda: sl.ShallowReLU.initialize(130, 7, 1e-200).weights,
        "infinite kernel": lambda: sl.infinite_ntk(tiny),
        "finite kernel": lambda: sl.finite_ntk(start, tiny),
        "deep kernel": lambda: sl.deep_infinite_ntk(tiny, 2),
        "prediction": lambda: sl.predict(model, sl.dropout(0.5, 100, 1.0)).full_error,
        "theory": lambda: sl.train(start, X, classes, SCHEME).theory().measured,
        "plan": lambda: [
            p.seconds for p in sl.plan(X, classes, 1.0, n_subnetworks=(2,), selection_probs=(0.5,), local_steps=(5,))
        ],
        "classifier": lambda: classifier.fit(X * 1e-140, np.arange(30) % 3).predict_proba(X * 1e6),
        "regressor": lambda: sl.SubnetRegressor(random_state=0).fit(X, classes * 1e-140).predict_std(X),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", outcomes())
def test_where_floating_point_errors_are_raised(name):
    call = outcomes()[name]
    with np.errstate(all="ignore"):
        known = np.asarray(call(), float)
    with np.errstate(all="raise"):
        assert np.array_equal(np.asarray(call(), float), known, equal_nan=True)
        assert set(np.geterr().values()) == {"raise"}


def side_by_side(*calls):
    """Return the results of calls in threads that start together."""
    start, results = threading.Barrier(len(calls)), {}

    def work(number):
        start.wait(60)
        results[number] = calls[number]()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(calls))]


def numbers_of_threads():
    """Return those of all libraries that are loaded; their order is chance."""
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


@pytest.mark.parametrize("engine", installed_engines())
def test_in_threads_that_ask_for_different_numbers(engine):
    before = numbers_of_threads()
    alone = {threads: trained(engine, threads) for threads in (1, 2)}
    wanted = (1, 2, 1, 2)
    assert side_by_side(*(lambda count=count: trained(engine, count) for count in wanted)) == [
        alone[count] for count in wanted
    ]
    after = numbers_of_threads()  # perhaps of more libraries
    assert {library: after[library] for library in before} == before


@pytest.fixture(scope="module")
def undisturbed_digest():
    pytest.importorskip("torch", reason="needs torch: pip install 'subnetlab[torch]'")
    return torch_digest()


def torch_digest():
    network, X, y, _ = problem()
    run = sl.train(network, X, y, SCHEME, engine="torch", dtype="float32")
    return trained("torch"), run_digest(run)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_torch_with_threads(number, undisturbed_digest):
    import torch

    own, of_others = torch.get_num_threads(), side_by_side(torch.get_num_threads)
    torch.set_num_threads(number)
    try:
        assert torch_digest() == undisturbed_digest
        assert torch.get_num_threads() == number
        assert side_by_side(torch.get_num_threads) == [number]
        assert side_by_side(torch_digest, torch_digest) == [undisturbed_digest] * 2
        assert side_by_side(torch.get_num_threads) == [number]
    finally:
        torch.set_num_threads(own)
    assert side_by_side(torch.get_num_threads) == of_others


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_torch_with_another_default_dtype(dtype, undisturbed_digest):
    import torch

    torch.set_default_dtype(getattr(torch, dtype))
    try:
        assert torch_digest() == undisturbed_digest
        assert torch.get_default_dtype() == getattr(torch, dtype)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["autocast", "inference_mode", "no_grad", "set_grad_enabled", "device"])
def test_torch_in_modes_of_the_calling_thread(name, undisturbed_digest):
    import torch

    arguments = {"autocast": ("cpu", torch.bfloat16), "set_grad_enabled": (True,), "device": ("meta",)}
    with getattr(torch, name)(*arguments.get(name, ())):
        assert torch_digest() == undisturbed_digest
        assert torch.is_autocast_enabled("cpu") == (name == "autocast")
        assert torch.is_inference_mode_enabled() == (name == "inference_mode")
        assert torch.empty(0).device.type == ("meta" if name == "device" else "cpu")


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_torch_with_less_precision_of_products(precision, undisturbed_digest):
    import torch

    torch.set_float32_matmul_precision(precision)
    try:
        assert torch_digest() == undisturbed_digest
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")


def test_torch_leaves_random_numbers_as_they_were(undisturbed_digest):
    import torch

    before, numpys = torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002
    torch_digest()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), numpys, strict=True))  # noqa: NPY002
