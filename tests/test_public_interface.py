"""The public interface: names, signatures and the behaviour that other programs rely on."""

import inspect

import numpy as np
import pytest

import subnetlab as sl

KEYWORD = inspect.Parameter.KEYWORD_ONLY


def parameters(function):
    """(name, default) of the parameters; a star before the first keyword-only one."""
    found, starred = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is KEYWORD and not starred:
            found.append("*")
            starred = True
        required = parameter.default is inspect.Parameter.empty
        found.append(parameter.name if required else (parameter.name, parameter.default))
    return found


def split(parameters):
    """(positional, keyword-only) parameters."""
    star = parameters.index("*") if "*" in parameters else len(parameters)
    return parameters[:star], parameters[star + 1 :]


ROWS = ["*", ("batch_size", None), ("shards", None)]
WORKERS = ["n_subnetworks", "rounds", "local_steps", ("step_size", "auto")]
SIGNATURES = {
    "AllNeurons": [("n_subnetworks", 1)],
    "Balanced": ["n_subnetworks"],
    "Bernoulli": ["n_subnetworks", "selection_prob"],
    "Categorical": ["n_subnetworks", ("probabilities", None)],
    "FixedMasks": ["masks", "selection_prob"],
    "Ordered": ["n_subnetworks", ("shares", 0.5), ("drawn", False)],
    "OuterSGD": [("step_size", 0.7), ("momentum", 0.9), ("nesterov", True)],
    "Rolling": ["n_subnetworks", ("shares", 0.5)],
    "ShallowReLU": ["weights", "output_weights"],
    "check_mask_law": ["law", "*", ("widths", (1, 2, 3, 17, 64)), ("rounds", 3)],
    "TrainingScheme": [
        "masks",
        "rounds",
        ("local_steps", 1),
        ("step_size", "auto"),
        ("unselected", "keep"),
        ("shards", None),
        ("batch_size", None),
        ("cut_groups", "all"),
        ("outer", None),
    ],
    "gradient_descent": ["rounds", ("step_size", "auto"), *ROWS],
    "dropout": ["selection_prob", "rounds", ("step_size", "auto"), *ROWS],
    "multi_sample_dropout": ["n_subnetworks", "selection_prob", "rounds", ("step_size", "auto"), *ROWS],
    "independent_subnets": [*WORKERS, "*", ("balanced", False), ("cut_groups", "all"), *ROWS[1:]],
    "local_sgd": [*WORKERS, *ROWS],
    "diloco": [*WORKERS, "*", ("outer", None), *ROWS[1:]],
    "resist": [*WORKERS, *ROWS],
    "heterofl": [*WORKERS, "*", ("shares", (1.0, 0.5, 0.25)), *ROWS[1:]],
    "fedrolex": [*WORKERS, "*", ("shares", (1.0, 0.5, 0.25)), *ROWS[1:]],
    "fjord": [*WORKERS, "*", ("shares", (0.25, 0.5, 0.75, 1.0)), *ROWS[1:]],
    "train": [
        "network",
        "X",
        "y",
        "scheme",
        "*",
        ("seed", 0),
        ("engine", "auto"),
        ("dtype", "float64"),
        ("threads", 1),
        ("device", "cpu"),
        ("record", "mean"),
        ("diagnostics", ()),
        ("validation", None),
        ("sample_weight", None),
        ("progress", False),
        ("on_round", None),
    ],
    "resume": ["run", "*", ("rounds", None), ("progress", False), ("on_round", None)],
    "load_run": ["path"],
    "infinite_ntk": ["X", ("selection_prob", 1.0)],
    "finite_ntk": ["network", "X", ("selection_prob", 1.0)],
    "masked_ntk": ["network", "X", "mask"],
    "module_ntk": ["cut", "X", "*", ("masks", None), ("factors", None), ("state", None), ("batch_size", 1000)],
    "smallest_eigenvalue": ["H"],
    "certified_smallest_eigenvalue": ["H", ("entry_error", 0.0)],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    """Positional parameters are these and no others; keywords may be added, never renamed or given new defaults."""
    positional, keywords = split(parameters(getattr(sl, name)))
    expected_positional, expected_keywords = split(SIGNATURES[name])
    assert positional == expected_positional
    assert [keyword for keyword in keywords if keyword in expected_keywords] == expected_keywords


def test_methods():
    start = [
        "width",
        "n_features",
        ("init_scale", 1.0),
        ("seed", 0),
        "*",
        ("n_outputs", None),
    ]
    assert parameters(sl.ShallowReLU.initialize) == start
    assert parameters(sl.ShallowReLU.output)[1:] == ["X", ("selection_prob", 1.0)]
    assert parameters(sl.ShallowReLU.subnetwork_output)[1:] == ["X", "mask"]
    assert parameters(sl.TrainingRun.save)[1:] == ["path"]
    assert parameters(sl.TrainingRun.export_network)[1:] == ["path"]


def test_load_dataset_takes_the_arguments_of_the_first_example():
    given = parameters(sl.load_dataset)
    names = [name if isinstance(name, str) else name[0] for name in given]
    assert {"name", "n_samples", "seed", "path"} <= set(names)
    data = sl.load_dataset("diabetes", n_samples=10, seed=0, path=None)
    assert data.X.shape[0] == data.y.shape[0] == 10
    np.testing.assert_allclose(np.linalg.norm(data.X, axis=1), 1)
    assert data.name
    assert data.provenance


@pytest.mark.parametrize("name", sl.__all__)
def test_every_public_name_is_there_typed_and_documented(name):
    value = getattr(sl, name)
    assert name in dir(sl)
    if name == "__version__":
        assert value == "0.1.0"
        return
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        hints = set(value.__annotations__)
        assert hints == {*inspect.signature(value).parameters, "return"}


def test_the_names_of_type_checkers_are_the_public_ones():
    """`if TYPE_CHECKING` repeats the lazy table; neither may lack a name of the other."""
    import ast
    from pathlib import Path

    tree = ast.parse(Path(sl.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.asname: "." * statement.level + statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert typed == sl._PUBLIC


def test_unknown_names_are_no_attributes():
    with pytest.raises(AttributeError, match=r"^module 'subnetlab' has no attribute 'nothing'$"):
        sl.nothing  # noqa: B018


def test_the_errors_are_kinds_of_what_a_caller_expects():
    assert issubclass(sl.DivergenceError, ArithmeticError)
    assert issubclass(sl.TrainingInterrupted, KeyboardInterrupt)


def test_the_example_of_the_design():
    data = sl.load_dataset("diabetes", n_samples=20, seed=0)
    net = sl.ShallowReLU.initialize(width=200, n_features=data.X.shape[1], init_scale=1.0, seed=0)
    scheme = sl.TrainingScheme(
        masks=sl.Bernoulli(n_subnetworks=4, selection_prob=0.5), rounds=10, local_steps=3, step_size=0.02
    )
    run = sl.train(net, data.X, data.y, scheme, seed=0, engine="auto", dtype="float64")
    assert isinstance(run.network, sl.ShallowReLU)
    assert net.output(data.X, selection_prob=0.5).shape == (20,)
    assert net.subnetwork_output(data.X, scheme.masks.sample(0, 0, 200)[0]).shape == (20,)
    history = run.history
    assert (history.sampled_error.shape, history.local_error.shape, history.full_error.shape) == ((10,), (10, 3), (11,))
    assert sl.masked_ntk(net, data.X, scheme.masks.sample(0, 0, 200)).shape == (4, 20, 20)
    assert sl.smallest_eigenvalue(sl.infinite_ntk(data.X)) > 0
