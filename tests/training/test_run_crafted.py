"""Files of runs with right checksums and wrong content: refused in one sentence, never read as something else."""

import copy
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from other_json import json_values, with_one_place_changed

import subnetlab as sl
from subnetlab.archive import ArchiveError, read_archive, write_archive

X = np.eye(4)
Y = np.linspace(-1, 1, 4)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The settings and the arrays of a run with everything optional."""
    path = tmp_path_factory.mktemp("runs") / "run.npz"
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=5, local_steps=2, step_size=0.1)
    run = sl.train(
        sl.ShallowReLU.initialize(6, 4),
        X,
        Y,
        scheme,
        record="subnetworks",
        diagnostics=("patterns", "movement"),
        validation=(X, Y),
        sample_weight=np.ones(4),
        compare="linearized",
    )
    run.save(path)
    return read_archive(path, "subnetlab-run", 1)


def load(folder, meta, arrays):
    path = folder / "crafted.npz"
    write_archive(path, "subnetlab-run", 1, meta, arrays)
    return sl.load_run(path)


def test_what_was_not_touched_is_read(parts, tmp_path):
    assert load(tmp_path, *parts).history.rounds == 5


ODD = [
    lambda a: a[:-1] if a.ndim else a.reshape(1),
    lambda a: a[..., np.newaxis],
    lambda a: a.astype(str),
    lambda a: a.astype(np.int64),
    lambda a: a.astype(np.float16),
    lambda a: np.full_like(a, np.nan),
    lambda a: np.zeros((0, *a.shape[1:])),
    lambda a: np.stack([a, a]),
]


@pytest.mark.parametrize("change", range(len(ODD)))
def test_an_array_of_another_kind_or_shape_is_refused(parts, tmp_path, change):
    meta, arrays = parts
    may_be_nan = {"history.subnetwork_errors", "history.validation_error", "history.pattern_change"}
    may_be_nan |= {"history.weight_movement", *(name for name in arrays if name.startswith(("comparison", "state")))}
    may_be_nan |= {"data.sample_weight", "data.X_validation", "data.y_validation"}
    for name, array in arrays.items():
        if name.startswith("state.") or (change == 5 and name in may_be_nan):
            continue
        with pytest.raises(ArchiveError, match=r"is no run that subnetlab wrote|not a readable"):
            load(tmp_path, meta, {**arrays, name: ODD[change](array)})


def test_a_missing_array_is_refused_and_so_is_one_too_many(parts, tmp_path):
    meta, arrays = parts
    for name in arrays:
        rest = {key: value for key, value in arrays.items() if key != name}
        if name.startswith(("network", "initial", "data.X", "data.y", "history.s", "history.l", "history.f")):
            if name in ("history.subnetwork_errors", "data.X_validation", "data.y_validation"):
                continue
            with pytest.raises(ArchiveError, match="is no run that subnetlab wrote"):
                load(tmp_path, meta, rest)
    with pytest.raises(ArchiveError, match=r"surprise is no array of a run"):
        load(tmp_path, meta, {**arrays, "surprise": np.ones(2)})


def test_settings_that_every_version_wrote_must_be_there(parts, tmp_path):
    """Those that came later have the value of before."""
    meta, arrays = parts
    later = {"loss", "learn_signs", "device"}
    for name in meta["settings"]:
        rest = {key: value for key, value in meta["settings"].items() if key != name}
        if name in later:
            assert load(tmp_path, {**meta, "settings": rest}, arrays).settings.loss == "squared"
            continue
        with pytest.raises(ArchiveError, match="is no run that subnetlab wrote"):
            load(tmp_path, {**meta, "settings": rest}, arrays)


@pytest.mark.parametrize("engine", ["reference", "primal", "dual", "minibatch", "event", "lookup"])
def test_a_state_that_is_not_the_engines_is_refused_when_training_goes_on(parts, tmp_path, engine):
    """Of another name, shape or kind, in any array: told before a round is run."""
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=5, local_steps=2, step_size=0.1)
    sl.train(sl.ShallowReLU.initialize(6, 4), X, Y, scheme, engine=engine).save(tmp_path / "run.npz")
    meta, arrays = read_archive(tmp_path / "run.npz", "subnetlab-run", 1)
    assert sl.resume(load(tmp_path, meta, arrays), rounds=7).history.rounds == 7
    for name, array in [(name, array) for name, array in arrays.items() if name.startswith("state.")]:
        rest = {key: value for key, value in arrays.items() if key != name}
        for other in (
            {"state.other": array},
            {name: array[:-1]},
            {name: array[:, np.newaxis]},
            {name: np.zeros(array.shape, np.float16)},
        ):
            run = load(tmp_path, meta, {**rest, **other})
            with pytest.raises(ValueError, match="resume: the run must hold a state of engine"):
                sl.resume(run, rounds=7)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("scheme", "masks", "n_subnetworks"), 10**12),
        (("scheme", "masks"), {"law": "categorical", "n_subnetworks": 10**12, "probabilities": None}),
        (("scheme", "local_steps"), 10**15),
        (("scheme", "rounds"), 10**400),
        (("settings", "threads"), 10**9),
        (("settings", "threads"), 10**400),
        (("settings", "engine_version"), -1),
    ],
)
def test_sizes_that_no_run_has_are_refused_before_anything_is_made_for_them(parts, tmp_path, place, value):
    meta, arrays = copy.deepcopy(parts[0]), dict(parts[1])
    inside = meta
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    if place[-1] == "local_steps":  # no round done, so that no array tells the number
        meta["status"] = "unfinished"
        arrays = {name: a for name, a in arrays.items() if not name.startswith("comparison")}
        arrays["history.sampled_error"], arrays["history.local_error"] = np.zeros(0), np.zeros((0, value))
        arrays["history.subnetwork_errors"] = np.zeros((0, value + 1, 3))
        for name in ("full_error", "validation_error", "pattern_change", "weight_movement"):
            arrays[f"history.{name}"] = arrays[f"history.{name}"][:1]
    else:
        arrays.pop("history.subnetwork_errors")
    with pytest.raises(ArchiveError, match="is no run that subnetlab wrote"):
        load(tmp_path, meta, arrays)


def test_theory_of_a_run_that_asks_for_more_rounds_than_a_curve_shows_is_refused(parts, tmp_path):
    meta, arrays = copy.deepcopy(parts[0]), dict(parts[1])
    meta["scheme"]["rounds"], meta["status"] = 10**8, "unfinished"
    arrays = {name: a for name, a in arrays.items() if name != "data.sample_weight"}
    run = load(tmp_path, meta, arrays)
    with pytest.raises(ValueError, match="theory: rounds x local_steps must be at most"):
        run.theory()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_other_setting_is_taken_or_refused_by_one_error(parts, tmp_path_factory, data):
    """Whatever JSON stands in a place of the settings: a run that is consistent, or ArchiveError."""
    meta, arrays = parts
    changed = with_one_place_changed(meta, data, json_values(allow_nan=False), lambda place: True)
    try:
        run = load(tmp_path_factory.mktemp("crafted"), changed, arrays)
    except ArchiveError:
        return
    assert run.history.local_error.shape == (run.history.rounds, run.scheme.local_steps)
    assert isinstance(run.settings.seed, int)


@pytest.mark.parametrize(
    "nested", ["[" * 100_000 + "]" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "1e400", '"\\ud800"', "9" * 5000]
)
def test_settings_that_no_writer_makes_are_refused(parts, tmp_path, nested):
    _, arrays = parts
    path = tmp_path / "crafted.npz"
    text = f'{{"kind": "subnetlab-run", "version": 1, "arrays": [], "scheme": {nested}}}'
    np.savez(path, meta=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
    with pytest.raises(ArchiveError):
        sl.load_run(path)


def test_a_small_file_cannot_claim_a_large_array(parts, tmp_path):
    """Compressed zeros, and a header that promises more than there is: refused before memory is taken."""
    path = tmp_path / "crafted.npz"
    np.savez_compressed(path, meta=np.frombuffer(b"{}", dtype=np.uint8), x=np.zeros(2**27))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    promise = tmp_path / "promise.npz"
    with zipfile.ZipFile(promise, "w") as file:
        file.writestr("meta.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert path.stat().st_size < 2**21
    tracemalloc.start()
    try:
        for crafted in (path, promise):
            with pytest.raises(ArchiveError, match=r"larger than the file|is compressed|claims shape"):
                sl.load_run(crafted)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_entries_that_overlap_or_repeat_are_refused(parts, tmp_path):
    path = tmp_path / "crafted.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("meta.npy", json.dumps({}))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("meta.npy", json.dumps({}))
    with pytest.raises(ArchiveError, match="an entry is there twice"):
        sl.load_run(path)
