"""Files of modules' runs with the right form and wrong content: refused in one sentence, without the module."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from other_json import json_values, with_one_place_changed  # noqa: E402

import subnetlab as sl  # noqa: E402
from subnetlab.archive import ArchiveError  # noqa: E402
from subnetlab.cli.main import main  # noqa: E402
from subnetlab.training.module_reading import read_module_run  # noqa: E402

RELEASED = Path(__file__).parents[1] / "fixtures" / "module_run.safetensors"


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 2))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with everything that can be recorded, and its file."""
    path = tmp_path_factory.mktemp("runs") / "run.safetensors"
    x, y = torch.randn(12, 4), torch.arange(12) % 2
    run = sl.train(
        sl.cut(network(), x[:2]),
        x,
        y,
        sl.independent_subnets(3, 5, 2, 0.1, batch_size=4),
        record="subnetworks",
        validation=(x, y),
        metrics=("accuracy",),
        diagnostics=("movement", "reduction"),
        evaluate_every=2,
    )
    run.save(path)
    return run, path


@pytest.fixture(scope="module")
def parts(saved):
    """The record and the tensors of the file, as safetensors itself reads them."""
    with safetensors.safe_open(saved[1], framework="pt") as file:
        record = json.loads(file.metadata()["record"])
        return record, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118


def crafted(folder, record, tensors):
    path = folder / "crafted.safetensors"
    text = record if isinstance(record, str) else json.dumps(record)
    safetensors.save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        path,
        {"kind": "subnetlab-module-run", "version": "1", "record": text},
    )
    return path


def test_a_file_is_read_without_the_module(saved, parts, tmp_path, monkeypatch):
    monkeypatch.setattr("subnetlab.modules.checkpoint.cut", lambda *given, **more: pytest.fail("the module is needed"))
    run, path = saved
    for file in (path, crafted(tmp_path, *parts)):
        read = read_module_run(file)
        assert read.history == run.history
        assert (read.scheme, read.status, read.rounds_done, read.loss) == (run.scheme, "finished", 5, "cross_entropy")
        assert read.settings == run.settings
    network_ = read.snapshot.record["network"]
    assert network_ == {"class": "Sequential", "parameters": 4 * 6 + 6 + 2 * 6 + 6 * 2 + 2}
    assert read.snapshot.record["versions"]["subnetlab"] == sl.__version__


def test_files_that_say_less_are_read(parts, tmp_path):
    """Those of a loop of one's own, and those of before."""
    record, tensors = copy.deepcopy(parts[0]), parts[1]
    for name in ("network", "versions", "asked", "status"):
        del record[name]
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith("history/")}
    read = read_module_run(crafted(tmp_path, record, rest))
    assert np.isnan(read.history.local_loss).all() and read.history.local_loss.shape == (5, 2)
    assert np.isnan(read.history.full_loss).all() and read.history.full_loss.shape == (6,)


ODD = {
    "shorter": lambda a: a[:-1],
    "one axis more": lambda a: a[..., None],
    "no rounds": lambda a: a[:0],
    "whole numbers": lambda a: a.nan_to_num().to(torch.int64),
    "bytes": lambda a: torch.zeros(a.shape, dtype=torch.uint8),
    "bfloat16": lambda a: a.to(torch.bfloat16),
    "complex": lambda a: a.to(torch.complex64),
    "twice": lambda a: torch.stack([a, a]),
}


@pytest.mark.parametrize("change", ODD)
def test_an_array_of_another_kind_or_shape_is_refused(parts, tmp_path, change):
    record, tensors = parts
    names = [name for name in tensors if name.startswith("history/")]
    assert {"history/metric.accuracy", "history/subnetwork_errors", "history/full_error"} <= set(names)
    for name in names:
        path = crafted(tmp_path, record, {**tensors, name: ODD[change](tensors[name])})
        with pytest.raises(ArchiveError, match=r"is no run of a module that subnetlab wrote|not a readable"):
            read_module_run(path)


def test_a_missing_array_is_refused_and_so_is_one_too_many(parts, tmp_path):
    record, tensors = parts
    for name in ("sampled_error", "local_error", "full_error"):
        rest = {key: value for key, value in tensors.items() if key != f"history/{name}"}
        with pytest.raises(ArchiveError, match=f"{name} is missing"):
            read_module_run(crafted(tmp_path, record, rest))
    with pytest.raises(ArchiveError, match="surprise is no array of a run"):
        read_module_run(crafted(tmp_path, record, {**tensors, "history/surprise": torch.zeros(6)}))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("rounds_done",), -1),
        (("rounds_done",), 4),
        (("rounds_done",), 10**15),
        (("rounds_done",), "5"),
        (("scheme", "local_steps"), 10**15),
        (("scheme", "masks", "n_subnetworks"), 10**12),
        (("scheme", "masks", "law"), "subprocess:Popen"),
        (("settings", "groups"), {"0": 10**12}),
        (("settings", "groups"), {"0": 1000}),
        (("settings", "groups"), {"0": "6"}),
        (("settings", "groups"), ["0"]),
        (("settings", "seed"), "0"),
        (("settings", "scale"), "1"),
        (("settings", "scale"), float("nan")),
        (("settings", "optimizer"), {"a": 1}),
        (("settings", "threads"), 10**400),
        (("asked", "metrics"), "accuracy"),
        (("asked", "metrics"), [1]),
        (("asked", "diagnostics"), 3),
        (("asked", "loss"), ["cross_entropy"]),
        (("asked", "evaluate_every"), 0),
        (("asked", "recalibrate"), 1),
        (("asked", "recalibrate"), "all"),
        (("asked",), [1]),
        (("versions",), "1.0"),
        (("network",), {"class": 3}),
        (("network",), {"parameters": "many"}),
        (("rows",), [40]),
        (("operations",), "aten.relu.default(%0)"),
        (("operations",), [1]),
        (("status",), "well"),
        (("scheme", "cut_groups"), ["elsewhere"]),
    ],
)
def test_settings_of_another_kind_or_size_are_refused_before_anything_is_made_for_them(parts, tmp_path, place, value):
    record = copy.deepcopy(parts[0])
    inside = record
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    with pytest.raises(ArchiveError, match="is no run of a module that subnetlab wrote"):
        read_module_run(crafted(tmp_path, record, parts[1]))


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "[]", "{", "3"])
def test_records_that_no_writer_makes_are_refused(parts, tmp_path, text):
    with pytest.raises(ArchiveError):
        read_module_run(crafted(tmp_path, text, parts[1]))


def test_bytes_that_are_cut_off_or_changed_are_refused_or_read(saved, tmp_path):
    content = saved[1].read_bytes()
    path = tmp_path / "damaged.safetensors"
    rng = np.random.default_rng(0)
    for length in (0, 5, 9, 200, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ArchiveError):
            read_module_run(path)
    for _ in range(200):
        changed = bytearray(content)
        changed[rng.integers(len(content) // 2)] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            read = read_module_run(path)
        except ArchiveError:
            continue
        assert read.history.local_loss.shape == (read.history.rounds, read.scheme.local_steps)


def test_every_changed_byte_is_found_or_says_the_same(saved, tmp_path):
    """Weights, record and header: a damaged file is an error, and never another run."""
    path = tmp_path / "damaged.safetensors"

    def found(content):
        path.write_bytes(content)
        try:
            snapshot = read_module_run(path).snapshot
        except ArchiveError as error:
            return str(error)
        return snapshot.record, {name: (t.shape, t.dtype, t.numpy().tobytes()) for name, t in snapshot.tensors.items()}

    content = saved[1].read_bytes()
    whole, unnoticed = found(content), 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        unnoticed += (now := found(changed)) == whole
        assert now == whole or now.startswith(str(path))
    assert unnoticed < 20  # the name of the checksum: without one this is a file of a released version


def test_files_with_a_checksum_are_plain_safetensors(saved, parts):
    read = safetensors.load_file(saved[1])
    assert {name: tensor.numpy().tobytes() for name, tensor in read.items()} == {
        name: tensor.numpy().tobytes() for name, tensor in saved[0].snapshot.tensors.items()
    }
    with safetensors.safe_open(saved[1], framework="pt") as file:
        assert set(file.metadata()) == {"checksum", "kind", "record", "version"}


def test_a_file_of_a_released_version_goes_on():
    """It was written by version 0.1.0, before files had a checksum."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    x, y = torch.randn(12, 4), torch.arange(12) % 2
    more = sl.resume(sl.load_run(RELEASED, model=model), rounds=5, X=x, y=y)
    whole = sl.train(sl.cut(model, x[:2]), x, y, sl.independent_subnets(2, 5, 2, 0.1, batch_size=4))
    assert more.rounds_done == 5
    for name, tensor in whole.model.state_dict().items():  # made on another machine: no promise of bits
        torch.testing.assert_close(more.model.state_dict()[name], tensor)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.data())
def test_any_other_setting_gives_a_page_or_one_sentence(parts, tmp_path_factory, data):
    """Whatever JSON stands in a place of the record: `subnetlab report` ends well, or as for a damaged file."""
    pytest.importorskip("altair", reason="needs the extra 'report'")
    record = with_one_place_changed(parts[0], data, json_values(), lambda place: place[0] != "cut")
    path = crafted(tmp_path_factory.mktemp("crafted"), record, parts[1])
    assert main(["report", str(path)]) in (0, 1)


@pytest.mark.parametrize(
    "value", [3, {}, {"tuple": 3}, {"dict": [1]}, {"tensor": []}, {"a": 1, "b": 2}, {"tuple": [{"tensor": "7"}]}]
)
def test_how_a_network_was_cut_is_believed_as_far_as_it_fits(parts, tmp_path, value):
    path = crafted(tmp_path, {**parts[0], "cut": value}, parts[1])
    with pytest.raises(ValueError, match="load_run: model must be a cut"):
        sl.load_run(path, model=network())
    nested = {"value": 1}
    for _ in range(300):
        nested = {"list": [nested]}
    with pytest.raises(ValueError, match="load_run: model must be a cut"):
        sl.load_run(crafted(tmp_path, {**parts[0], "cut": nested}, parts[1]), model=network())
