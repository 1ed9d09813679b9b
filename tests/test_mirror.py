"""Tests mirror the package: ``ROOM/FILE.py`` is tested in ``tests/ROOM/test_FILE.py``, or in files that begin so.

What is tested elsewhere is named here with the reason.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "src" / "subnetlab"

# tests: what they test besides the files of their own name, and why
TESTED_ELSEWHERE = {
    "audit/test_table.py": (
        [
            f"audit/{name}.py"
            for name in (
                *("claims", "corollary_checks", "examples", "finding", "hypothesis_checks", "initial_lemmas"),
                *("later_claims", "mask_lemmas", "printed_forms", "round_lemmas", "spread_lemmas", "theorem_checks"),
            )
        ],
        "every statement is judged through the table",
    ),
    "compiled/test_masked_sums.py": (["compiled/vector_code.py"], "the sums are made of vector code"),
    "core/masks/test_law.py": (
        [f"core/masks/{name}.py" for name in ("all_neurons", "balanced", "bernoulli", "categorical", "fixed", "table")],
        "every law keeps the same rules",
    ),
    "core/masks/test_groups.py": (["core/masks/shares.py"], "shares are of groups"),
    "core/test_law_check.py": (["core/masks/naming.py"], "a law of one's own is checked when it gets a name"),
    "core/test_scheme.py": (["core/presets.py"], "presets are schemes"),
    "core/test_scheme_record.py": (["core/record.py"], "a scheme is what is recorded"),
    "engines/test_base_agreement.py": (
        [f"engines/{name}.py" for name in ("dual", "minibatch", "primal")],
        "every engine is held to the contract of all",
    ),
    "engines/distributed/test_engine.py": (["engines/distributed/worker.py"], "workers are simulated by the engine"),
    "engines/event/test_engine.py": (
        [f"engines/event/{name}.py" for name in ("blocks", "candidates", "kernel", "local_phase", "network")],
        "parts of one engine that have no use alone",
    ),
    "engines/event/test_traced.py": (["core/crossings.py"], "the record of what this engine sees"),
    "engines/lookup/test_engine.py": (
        ["compiled/lookup_sums.py", "engines/lookup/steps.py"],
        "parts of one engine that have no use alone",
    ),
    "engines/test_torch_batched.py": (["engines/torch_surroundings.py"], "only this engine has such surroundings"),
    "estimators/test_regressor.py": (["estimators/weights.py"], "weights of rows are an argument of fit"),
    "estimators/test_stopping_and_schemes.py": (["estimators/schemes.py"], 'both say what "auto" means'),
    "launch/test_process.py": (["launch/worker_options.py"], "the words are those of the process's command line"),
    "launch/test_script.py": (["cli/launch_script.py"], "the command is seen from what scripts do under it"),
    "modules/test_workers.py": (
        [
            f"modules/{name}.py"
            for name in ("checkpoint_file", "collecting", "copying", "messages", "tensor_file", "traffic")
        ],
        "workers are what they exchange, and one of them writes",
    ),
    "reproduction/depth/test_settings.py": (["reproduction/depth/plans.py"], "settings are seen from their plans"),
    "reproduction/depth/test_training.py": (
        ["reproduction/depth/reading.py", "reproduction/depth/drawing.py"],
        "one small look is trained, read and drawn",
    ),
    "kernels/test_extremes.py": (["kernels/krylov.py"], "the iteration is seen from what it finds"),
    "kernels/test_infinite.py": (
        [f"kernels/{name}.py" for name in ("angles", "deep", "eigenvalues", "finite", "masked")],
        "each kernel is compared with all other ways to compute it",
    ),
    "theory/test_table.py": (
        [
            f"theory/{name}.py"
            for name in (
                *("constants", "convergence", "corollaries", "hypothesis1", "setting"),
                *("theorem1", "theorem2", "theorem4", "theorem5"),
            )
        ],
        "theorems are judged through the table",
    ),
    "theory/test_prediction.py": (["theory/lazy.py"], "the prediction is of lazy training"),
    "theory/test_linearized.py": (
        [f"theory/{name}.py" for name in ("course", "round_map", "slow_time")],
        "what linearized training consists of",
    ),
    "theory/test_matrix_round.py": (
        ["theory/eigen_round.py", "theory/seen_rows.py"],
        "a round in matrices is compared with a round in eigenvectors",
    ),
    "theory/test_moving_patterns.py": (
        ["theory/neuron_noise.py", "theory/followed_neurons.py"],
        "neurons whose patterns move, and their noise",
    ),
    "theory/test_verdict.py": (["theory/run_verdict.py"], "the record of a verdict"),
    "training/test_run_crafted.py": (["training/reading.py"], "files are read into runs"),
    "modules/test_cutting.py": (
        [
            f"modules/{name}.py"
            for name in (
                *(
                    "atoms",
                    "blocks",
                    "engines",
                    "errors",
                    "factors",
                    "graph",
                    "groups",
                    "inlining",
                    "labels",
                    "network",
                ),
                *("operation", "running", "structure"),
            )
        ],
        "parts of a cut, which have no use alone",
    ),
    "modules/test_ntk.py": (["modules/function.py"], "the function whose kernel it is"),
    "modules/test_training.py": (
        [
            f"modules/{name}.py"
            for name in ("batches", "entries", "local_optimizer", "optimizer_state", "outer", "round", "subnet")
        ],
        "what a round consists of",
    ),
    "modules/test_verification.py": (
        [
            *(
                f"modules/rules/{name}.py"
                for name in (
                    *("arrangement", "contraction", "convolution", "indexing", "joining", "pointwise", "reduction"),
                    "table",
                )
            ),
            "modules/fidelity.py",
        ],
        "every rule is held to the masked network, on networks that use it",
    ),
    "figures/test_network.py": (["modules/layers.py"], "layers are read for their picture"),
    "training/test_fit_module.py": (
        [
            *("modules/checkpoint.py", "modules/evaluation.py", "modules/measures.py"),
            *("training/module_request.py", "training/module_run.py"),
        ],
        "a run of a module is trained, measured, saved and evaluated",
    ),
    "cli/test_launch.py": (["launch/launcher.py"], "a launch is seen from its command"),
    "datasets/crime/test_source.py": (["datasets/search.py"], "where this data set is looked for"),
    "datasets/files/test_source.py": (
        [
            *(f"datasets/files/{name}.py" for name in ("arrays", "contents", "parquet", "text")),
            *("datasets/delimited.py", "datasets/table.py"),
        ],
        "every format gives the same data",
    ),
    "datasets/test_fashion_mnist.py": (
        ["cli/data.py", "datasets/idx.py"],
        "images, and what the command prints of them",
    ),
    "datasets/test_load.py": (["datasets/dataset.py"], "a dataset is what is loaded"),
    "figures/test_heatmap.py": (["figures/cells.py"], "the cells of a heatmap"),
    "figures/test_results.py": (["plotting.py"], "a picture is asked of a result"),
    "cli/test_reproduce.py": (
        [f"reproduction/{name}.py" for name in ("figure", "figure_2a", "results", "table")],
        "a figure is read from the files of a reproduction",
    ),
    "launch/test_checkpoint.py": (["launch/job.py"], "a job is read from its file, and its network from a checkpoint"),
    "report/explore/test_page.py": (["cli/explore.py", "report/explore/subject.py"], "a subject is seen in a browser"),
    "report/explore/test_live_module.py": (["report/layers.py"], "the pictures of layers are seen in a browser"),
    "report/test_page.py": (
        [
            f"report/{name}.py"
            for name in (
                *("cell_theory", "eigenvalue_figure", "grid_figure", "lines", "parts", "reproduction_page"),
                *("rounds_figure", "run_page", "run_parts", "study_page", "style", "tables", "templates", "words"),
            )
        ],
        "pieces of a page are read from the page",
    ),
    "report/test_module_page.py": (
        ["report/module_course.py", "report/module_network.py"],
        "pieces of a page are read from the page",
    ),
    "report/test_write.py": (
        ["cli/named_network.py", "cli/report.py", "report/library.py", "report/source.py"],
        "what a folder holds decides the page, or the refusal",
    ),
    "study/test_execution.py": (["study/running.py"], "a cell is run by execution"),
    "study/test_plan.py": (
        ["study/data.py", "study/plan_tables.py"],
        "a plan holds datasets and is multiplied out from tables",
    ),
    "study/test_store.py": (["study/result.py", "study/schema.py"], "bytes and tables are read from the store"),
    "training/test_diagnostics.py": (["history.py"], "a history is what a run records"),
}
ELSEWHERE = [name for names, _ in TESTED_ELSEWHERE.values() for name in names]
OF_THE_REPOSITORY = {
    "test_docstrings.py",
    "test_examples.py",
    "test_import_rule.py",
    "test_mirror.py",
    "test_public_interface.py",
    "test_wheel.py",
}


def holds_code(path):
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(path.read_text()).body)


SOURCES = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")) if holds_code(path)]
SOURCES = [path for path in SOURCES if path != Path("__init__.py")]
FILES = [path.relative_to(TESTS) for path in sorted(TESTS.rglob("test_*.py"))]


def mirrored(path):
    """The place of a file's tests: a package is tested under its own name, beside its folder."""
    path = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return path.with_name(f"test_{path.name}")


def own_tests(path):
    """The files of tests that are named after a file."""
    place = mirrored(path)
    return [f for f in FILES if f.parent == place.parent and f"{f.stem}_".startswith(f"{place.name}_")]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_file_has_tests_at_its_place_or_a_reason(path):
    assert bool(own_tests(path)) != (str(path) in ELSEWHERE), f"expected tests/{mirrored(path)}.py, or a line here"


def test_every_test_is_of_a_file():
    here = [f for f in FILES if f.parts[0] != "docs" and str(f) not in OF_THE_REPOSITORY]
    named = {f for path in SOURCES for f in own_tests(path)}
    assert [str(f) for f in here if f not in named] == []


def test_the_table_names_what_is_there():
    assert [name for name in TESTED_ELSEWHERE if not (TESTS / name).is_file()] == []
    assert [name for name in ELSEWHERE if Path(name) not in SOURCES] == []
    assert len(ELSEWHERE) == len(set(ELSEWHERE))


def asserts(function, helpers):
    """Whether a test asserts something itself, or by a function of its file that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id in helpers):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("raises", "warns", "fail") or name.startswith(("assert", "check", "refused")):
                return True
    return False


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_test_asserts(path):
    functions = {n.name: n for n in ast.walk(ast.parse((TESTS / path).read_text())) if isinstance(n, ast.FunctionDef)}
    helpers = set()
    for _ in functions:  # a helper may call another
        helpers |= {name for name, function in functions.items() if asserts(function, helpers)}
    assert [name for name in functions if name.startswith("test_") and name not in helpers] == []
