"""Many workers compute what one process computes, bit for bit, and move no more than the formula says."""

import errno
import gc
import io
import os
import re
import shutil
import weakref
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from in_turn import in_turn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

import subnetlab as sl  # noqa: E402
from subnetlab.archive import ArchiveError  # noqa: E402
from subnetlab.engines.distributed.group import JobError, PeerLostError  # noqa: E402
from subnetlab.modules.checkpoint_file import CheckpointFile  # noqa: E402
from subnetlab.modules.copying import newest_file, on_two_disks  # noqa: E402
from subnetlab.modules.tensor_file import bytes_of  # noqa: E402
from subnetlab.modules.workers import Together  # noqa: E402

P, K = 6, 4
WORKERS = (2, 3, 4, 6)


def transformer():
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Linear(4, 12)
            self.layer = torch.nn.TransformerEncoderLayer(12, 6, 18, dropout=0.1, batch_first=True)
            self.temperature = torch.nn.Parameter(torch.tensor(1.5))
            self.head = torch.nn.Linear(12, 3)

        def forward(self, x):
            return self.head(self.layer(self.embed(x)).mean(1) * self.temperature)

    return Network(), torch.randn(40, 5, 4), torch.randint(3, (40,))


def convolutions():
    layers = [torch.nn.Conv2d(2, 7, 3, bias=False), torch.nn.BatchNorm2d(7), torch.nn.ReLU()]
    layers += [torch.nn.Conv2d(7, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(24, 3)), torch.randn(40, 2, 6, 6), torch.randint(3, (40,))


def perceptron():
    layers = [torch.nn.Linear(4, 12), torch.nn.ReLU(), torch.nn.Linear(12, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3)]
    return torch.nn.Sequential(*layers), torch.randn(40, 4), torch.randint(3, (40,))


NETWORKS = {"perceptron": perceptron, "cnn": convolutions, "transformer": transformer}
OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.01),
}
LAWS = {
    "balanced": sl.Balanced(P),
    "bernoulli": sl.Bernoulli(P, 0.4),
    "categorical": sl.Categorical(P),
    "all": sl.AllNeurons(P),
}


@cache
def made(network):
    torch.manual_seed(3)
    model, x, y = NETWORKS[network]()
    return sl.cut(model, x[:2]), x, y


def trained(network, law="balanced", optimizer="sgd", rounds=K, **settings):
    cut, x, y = made(network)
    scheme = sl.TrainingScheme(LAWS[law], rounds, 3, batch_size=5)
    training = sl.ModuleTraining(cut, scheme, optimizer=OPTIMIZERS[optimizer], seed=7, **settings)
    return training, continued(training, (x, y))


def continued(training, rows=None):
    x, y = made("perceptron")[1:] if rows is None else rows
    finite = []
    for round in training.rounds():
        for subnet in round:
            for xb, yb in subnet.batches((x, y)):
                subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
        finite.append((round.is_finite(), round.loss_array().tolist()))
    return finite


def everything(training):
    """The whole network with all states, as its checkpoint holds it."""
    snapshot = training.snapshot()
    return {name: tensor.numpy().tobytes() for name, tensor in snapshot.tensors.items()}, snapshot.record


CASES = [
    (network, law, optimizer, state, outer)
    for i, network in enumerate(NETWORKS)
    for j, law in enumerate(LAWS)
    for optimizer, state, outer in [
        (list(OPTIMIZERS)[(i + j) % 3], "reset", None),
        (list(OPTIMIZERS)[(i + j + 1) % 2 + 1], "travels", "momentum" if j % 2 else None),
    ]
]


@pytest.mark.parametrize(("network", "law", "optimizer", "state", "outer"), CASES)
def test_the_bits_are_those_of_one_process(network, law, optimizer, state, outer):
    settings = {"state": state, "outer": None if outer is None else OPTIMIZERS[outer]}
    alone, measured = trained(network, law, optimizer, **settings)
    tensors, record = everything(alone)
    size = WORKERS[CASES.index((network, law, optimizer, state, outer)) % len(WORKERS)]

    def work(group):
        training, own = trained(network, law, optimizer, **settings)
        return everything(training), own

    for (found, there), own in in_turn(size, work):
        assert own == measured
        assert found == tensors
        assert there == record


@pytest.mark.parametrize("engine", ["masked", "sliced"])
@pytest.mark.parametrize("size", WORKERS)
def test_every_number_of_workers(size, engine):
    tensors, _ = everything(trained("cnn", "bernoulli", "adamw", state="travels", engine=engine)[0])
    found = in_turn(
        size, lambda group: everything(trained("cnn", "bernoulli", "adamw", state="travels", engine=engine)[0])
    )
    assert all(own == tensors for own, _ in found)


@pytest.mark.parametrize("done", range(1, K))
def test_a_checkpoint_goes_on_with_any_number_of_workers(tmp_path, done):
    settings = {"state": "travels", "outer": OPTIMIZERS["adamw"]}

    def work(group=None, rounds=K, **more):
        return everything(trained("transformer", "bernoulli", "adamw", rounds, **settings, **more)[0])[0]

    whole, kept = work(), {"checkpoint": tmp_path / "run.safetensors", "checkpoint_every": 1}
    in_turn(WORKERS[done], lambda group: work(rounds=done, **kept))
    shutil.copy(kept["checkpoint"], tmp_path / "copy.safetensors")
    assert all(own == whole for own in in_turn(WORKERS[done - 1], lambda group: work(**kept)))
    assert work(**kept | {"checkpoint": tmp_path / "copy.safetensors"}) == whole


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of so few bytes that every tensor of a layer takes several."""
    for module in ("collecting", "tensor_file"):
        monkeypatch.setattr(f"subnetlab.modules.{module}.PIECE", 100)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_bytes_of_a_checkpoint_are_those_of_one_process(tmp_path, small_pieces, network):
    """Also read by safetensors itself; restored on any number of workers, the next one has the same bytes again."""
    from safetensors.torch import load_file

    settings = {"law": "bernoulli", "optimizer": "adamw", "state": "travels", "outer": OPTIMIZERS["momentum"]}

    def saved(name, **more):
        training, _ = trained(network, **settings, **more)
        training.save(tmp_path / name)
        return (tmp_path / name).read_bytes(), training.snapshot().tensors if name == "alone" else None

    expected, tensors = saved("alone")
    read = load_file(tmp_path / "alone")
    assert {name: (t.shape, t.dtype, t.numpy().tobytes()) for name, t in read.items()} == {
        name: (t.shape, t.dtype, t.numpy().tobytes()) for name, t in tensors.items()
    }
    for size in (2, 3, 4):
        assert in_turn(size, lambda group, size=size: saved(f"of {size}"))[0][0] == expected
        kept = {"checkpoint": tmp_path / f"of {size}"}
        assert in_turn(size - 1, lambda group, kept=kept, size=size: saved(f"again {size}", **kept))[0][0] == expected
        assert saved(f"one again {size}", **kept)[0] == expected


class Largest(TorchDispatchMode):
    """Takes note of the largest memory that an operation makes, in bytes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **kwargs or {})
        given, made = ([t for t in tree_leaves(v) if isinstance(t, torch.Tensor)] for v in ((args, kwargs), result))
        known = {t.untyped_storage().data_ptr() for t in given}
        new = [t.untyped_storage() for t in made if t.untyped_storage().data_ptr() not in known]
        self.bytes = max([self.bytes, *(storage.nbytes() for storage in new)])
        return result


def test_the_whole_network_is_nowhere_in_rounds_and_checkpoints(tmp_path, small_pieces, monkeypatch):
    """No operation makes more than a worker's rows; of a file, one piece is at the first worker at a time."""
    monkeypatch.setattr(Together, "whole", lambda *given: pytest.fail("the whole network was asked for"))
    torch.manual_seed(0)
    layers = [torch.nn.Linear(40, 400), torch.nn.ReLU(), torch.nn.Linear(400, 40)]
    cut, x, rows = sl.cut(torch.nn.Sequential(*layers), torch.zeros(2, 40)), torch.randn(8, 40), 4 * 400 * 40 / 4
    settings = {"optimizer": OPTIMIZERS["momentum"], "state": "travels"}

    def work(group):
        exchange, pieces, largest = group.exchange, [], Largest()
        with largest:
            training = sl.ModuleTraining(cut, sl.TrainingScheme(sl.Balanced(4), 2, 1, batch_size=4), **settings)
            for round in training.rounds():
                for subnet in round:
                    for xb, yb in subnet.batches((x, x)):
                        subnet.step(torch.nn.functional.mse_loss(subnet.module(xb), yb))
            group.exchange = lambda sent: pieces.append(received := exchange(sent)) or received
            training.save(tmp_path / "run")
            training.export(tmp_path / "weights")
            group.exchange = exchange
            again = sl.ModuleTraining(cut, training.scheme, checkpoint=tmp_path / "run", **settings)
        assert again.rounds_done == 2
        return largest.bytes, max(array.nbytes for received in pieces for message in received for array in message)

    for largest, piece in in_turn(4, work):
        assert rows <= largest < 1.5 * rows
        assert piece <= 1000  # the text of an error that there may be


def test_a_disk_that_is_full_and_a_worker_that_is_lost_while_a_file_is_written(tmp_path, small_pieces, monkeypatch):
    """The first worker's error is everybody's, once all have sent their rows; the older file stays."""
    path = tmp_path / "run"
    path.write_text("older")
    asked = []

    def saved(group, fails=None):
        training, exchange = trained("perceptron", rounds=1)[0], group.exchange

        def lost(sent):
            if group.rank == 0:
                asked.append(sent)
                raise PeerLostError("worker 0: an exchange failed")
            return exchange(sent)

        group.exchange = lost if fails else exchange
        training.save(path)

    with pytest.raises(PeerLostError, match=r"^worker 0: an exchange failed$"):
        in_turn(2, lambda group: saved(group, fails=True))
    assert len(asked) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run"]

    class Full(io.BytesIO):
        def write(self, data):
            if self.tell():  # the header was first
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    monkeypatch.setattr("os.fdopen", lambda descriptor, mode: Full())
    with pytest.raises(JobError, match=r"No space left on device: '.*run'$"):
        in_turn(3, saved)
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    assert path.read_text() == "older"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_the_bytes_of_any_tensor(dtype):
    """Tensors of one number and of none may have any stride."""
    numbers = torch.arange(12).to(dtype)
    one = numbers[3:4]
    for tensor in (numbers, one, numbers[:0], one.expand(1), one.expand(4), numbers[0], numbers[::5]):
        whole = torch.empty(max(1, tensor.numel()), dtype=dtype)
        whole[: tensor.numel()] = tensor.reshape(-1)
        expected = bytes(whole.view(torch.uint8).tolist())[: tensor.numel() * dtype.itemsize]
        assert bytes(bytes_of(tensor)) == expected
    empty = torch.from_numpy(np.array([]).reshape(-1, 3))
    assert bytes(bytes_of(empty)) == b""


@pytest.fixture
def disks(tmp_path):
    """``disks(size, ...)``: train on so many machines, each with a folder of its own; return what each has then."""

    def train(size, rounds=K, **more):
        def work(group):
            folder = tmp_path / str(group.rank)
            folder.mkdir(exist_ok=True)
            kept = {"checkpoint": folder / "run.safetensors", "checkpoint_every": 1} | more
            training, measured = trained("perceptron", rounds=rounds, **kept)
            assert len(measured) == rounds - going_on
            return everything(training)[0]

        going_on = more.pop("going_on", 0)
        return in_turn(size, work)

    return train


def test_a_checkpoint_is_on_two_disks(tmp_path, disks):
    """One of the first worker, one of the first that sees another folder; who has none gets a copy when it begins."""
    disks(3, 2)
    first, second, third = (tmp_path / str(rank) / "run.safetensors" for rank in range(3))
    assert first.read_bytes() == second.read_bytes()
    assert not third.exists()
    older = first.read_bytes()
    third.write_bytes(older[:100])  # of an earlier job, say
    with pytest.warns(
        UserWarning, match=rf"{third}: not a readable .*; going on from that of worker 0, after round 2$"
    ):
        assert disks(3, going_on=2) == [everything(trained("perceptron")[0])[0]] * 3
    assert third.read_bytes() == older
    assert first.read_bytes() == second.read_bytes() != older
    assert sorted(os.listdir(tmp_path / "0")) == sorted(os.listdir(tmp_path / "1")) == ["run.safetensors"]


def test_a_disk_that_is_seen_by_all_takes_one_file(tmp_path):
    (tmp_path / "apart").mkdir()

    def found(group, apart):
        return on_two_disks(group, tmp_path / ("apart" if group.rank in apart else "."))

    assert in_turn(3, lambda group: found(group, [])) == [(0,)] * 3
    assert in_turn(3, lambda group: found(group, [0])) == [(0, 1)] * 3
    assert in_turn(3, lambda group: found(group, [2])) == [(0, 2)] * 3
    assert os.listdir(tmp_path) == ["apart"]
    assert in_turn(2, lambda group: on_two_disks(group, tmp_path / "none")) == [(0, 1)] * 2


@pytest.mark.parametrize("harm", ["empty", "older", "damaged", "cut short", "one bit"])
@pytest.mark.parametrize("size", [2, 3])
def test_the_first_machines_disk_is_lost(tmp_path, disks, harm, size, with_a_bit_changed):
    """The newest checkpoint of all machines counts, with the same bits; the first machine has it again, too."""
    disks(3, 1)
    first, second = (tmp_path / str(rank) / "run.safetensors" for rank in range(2))
    old = first.read_bytes()
    disks(3, 3, going_on=1)
    newest = second.read_bytes()
    if harm == "empty":
        shutil.rmtree(first.parent)
    else:
        other = with_a_bit_changed(newest, "entry/0.weight")
        harmed = {"older": old, "damaged": b"x" * 100, "cut short": newest[:-1], "one bit": other}
        first.write_bytes(harmed[harm])
    with pytest.warns(UserWarning, match=rf"{first}: .*; going on from that of worker 1, after round 3$"):
        disks(size, 3, going_on=3)
    assert [(tmp_path / str(rank) / "run.safetensors").read_bytes() for rank in range(size)] == [newest] * size
    assert disks(size, going_on=3) == [everything(trained("perceptron")[0])[0]] * size


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_another_machines_file_is_lost(tmp_path, disks, harm):
    disks(2, 2)
    first, second = (tmp_path / str(rank) / "run.safetensors" for rank in range(2))
    second.unlink()
    if harm == "damaged":
        second.write_bytes(first.read_bytes()[:-1])
        with pytest.warns(UserWarning, match=rf"{second}: .*; going on from that of worker 0, after round 2$"):
            disks(2, 2, going_on=2)
        assert second.read_bytes() == first.read_bytes()
    assert disks(2, going_on=2) == [everything(trained("perceptron")[0])[0]] * 2
    assert second.read_bytes() == first.read_bytes()


def test_files_of_other_settings_and_files_that_are_all_damaged(tmp_path, disks):
    """The first machine's refuse the training; another machine's do not count."""
    disks(2, 2)
    first, second = (tmp_path / str(rank) / "run.safetensors" for rank in range(2))
    with pytest.raises(JobError, match=r"0/run.safetensors must be of the same settings \(scale: 1.0 there, 0.5 here"):
        disks(2, scale=0.5)
    first.unlink()
    disks(2, 1, scale=0.5)
    assert first.read_bytes() == second.read_bytes()
    for file in (first, second):
        file.write_bytes(b"x")
    with pytest.raises(JobError, match=r"0/run.safetensors: not a readable subnetlab-module-run file"):
        disks(2)


def test_a_copy_that_cannot_be_written_is_told_to_all(tmp_path, monkeypatch):
    """Pieces are small here, so that several are left when the disk is full."""
    monkeypatch.setattr("subnetlab.modules.copying.PIECE", 100)

    def work(group):
        file = tmp_path / str(group.rank) / "file"
        file.parent.mkdir()
        if group.rank == 0:
            file.write_bytes(bytes(1050))
        elif group.rank == 1:
            file.symlink_to("/dev/full")
        try:
            newest_file(group, file, None if group.rank else file, 7)
        except JobError as error:
            return str(error)

    told = in_turn(3, work)
    assert told[1:] == told[:1] * 2
    assert "No space left on device" in told[0]
    assert f"{tmp_path}/1/file" in told[0]
    assert (tmp_path / "2" / "file").read_bytes() == bytes(1050)


def moved_by(law, q):
    """Shares of 784-1024-1024-10: what a worker sends in a round, all of the formula, and what a worker is home to."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(784, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 1024), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(1024, 10))
    x, y = torch.randn(8, 784), torch.randint(10, (8,))
    cut, size = sl.cut(model, x[:2]), sum(parameter.numel() for parameter in model.parameters())

    def work(group):
        training = sl.ModuleTraining(cut, sl.TrainingScheme(law, 1, 1, step_size=0.1, batch_size=4), seed=1)
        before, held = group.bytes_sent, 0
        for round in training.rounds():
            for subnet in round:
                held += sum(parameter.numel() for parameter in subnet.module.parameters())
                for xb, yb in subnet.batches((x, y)):
                    subnet.step(torch.nn.functional.cross_entropy(subnet.module(xb), yb))
        return (group.bytes_sent - before) / 4, held, sum(tensor.numel() for tensor in training.home.values())

    sent, held, homes = zip(*in_turn(q, work), strict=True)
    assert sum(homes) == size
    return max(sent) / size, sum(sent) / (2 * (1 - 1 / q) * sum(held)), max(homes) / size


def test_memory_and_traffic_are_shares():
    """Rows lie at their homes alone; a round moves 2 (1 - 1/q) times the slices, all workers together."""
    sent, of_formula, home = moved_by(sl.Balanced(4), 4)
    assert sent < 0.25
    assert 0.95 < of_formula < 1.05  # the rest tells losses, and which tensors changed
    assert home < 0.2504
    sent_by_local_sgd, of_formula, _ = moved_by(sl.AllNeurons(4), 4)
    assert sent_by_local_sgd > 6 * sent
    assert 0.95 < of_formula < 1.05


def test_workers_that_do_not_begin_alike_are_told_so():
    def seeded_by_rank(group):
        torch.manual_seed(group.rank)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        sl.ModuleTraining(sl.cut(model, torch.zeros(2, 4)), sl.independent_subnets(2, 1, 1, step_size=0.1))

    with pytest.raises(
        JobError, match=r"^ModuleTraining: the network's first weights \(seed torch before it is made\)"
    ):
        in_turn(2, seeded_by_rank)

    def other_seed(group):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        scheme = sl.independent_subnets(2, 1, 1, step_size=0.1)
        sl.ModuleTraining(sl.cut(model, torch.zeros(2, 4)), scheme, seed=group.rank)

    with pytest.raises(JobError, match=r"^ModuleTraining: seed must be the same on all workers, got 0 on worker 0"):
        in_turn(2, other_seed)


def test_more_workers_than_subnetworks():
    def work(group):
        trained("perceptron")

    with pytest.raises(ValueError, match=r"workers must be at most the number of subnetworks 6, got 7$"):
        in_turn(7, work)


RATES = (1, 0.6, 0.2)
STEPS = (3, 3, 2, 2, 1, 1)  # of 3, for six subnetworks


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_slower_workers_take_fewer_steps(size):
    """The oracle's loop leaves out the last batches; the number of workers decides nothing."""
    cut, x, y = made("perceptron")
    scheme = sl.TrainingScheme(LAWS["balanced"], K, 3, batch_size=5)
    alone = sl.ModuleTraining(cut, scheme, optimizer=OPTIMIZERS["adamw"], seed=7, state="travels")
    for round in alone.rounds():
        for subnet, steps in zip(round, STEPS, strict=True):
            for t, (xb, yb) in enumerate(subnet.batches((x, y))):
                if t < steps:
                    subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))

    def work(group=None):
        training, _ = trained("perceptron", optimizer="adamw", state="travels", rates=RATES)
        return training.local_steps, everything(training)[0]

    for local_steps, tensors in [work()] if size == 1 else in_turn(size, work):
        assert local_steps == STEPS
        assert tensors == everything(alone)[0]


def test_every_step_is_a_sign_of_life():
    """A silence between the start of a subnetwork and its last step is a failure; between rounds it is none."""

    def work(group):
        heard = []
        group.at_work = heard.append
        trained("perceptron", rounds=1, rates=(1, 1, 1, 0.1))
        return heard

    three, one = [True, True, True, False, False], [True, False, False]
    assert in_turn(2, work) == [three * 3, three + one * 2]


def test_a_round_says_of_which_training_it_is():
    """Two trainings take turns."""

    def work(group):
        numbers, heard = iter((1, 2)), []
        group.begin_training = lambda: next(numbers)
        group.heard = lambda event, rounds, **facts: heard.append((event, facts["training"], rounds))
        cut, x, y = made("perceptron")
        scheme = sl.independent_subnets(P, rounds=2, local_steps=1, step_size=0.1)
        trainings = [sl.ModuleTraining(cut, scheme) for _ in range(2)]
        for rounds in zip(*(training.rounds() for training in trainings), strict=True):
            for round in rounds:
                for subnet in round:
                    for xb, yb in subnet.batches((x, y)):
                        subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
        return heard

    assert in_turn(2, work) == [[("script_round", training, k) for k in (1, 2) for training in (1, 2)]] * 2


def test_the_launcher_says_how_fast_the_workers_are():
    def work(group):
        group.rates = RATES
        return [trained("perceptron", rounds=1, **own)[0].local_steps for own in ({}, {"rates": (1.0, 0.5)})]

    assert in_turn(2, work) == [[STEPS, (3, 3, 3, 2, 2, 2)]] * 2


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ((1, 0), "in (0, 1]"),
        ((1, 1.5), "in (0, 1]"),
        ((1, float("nan")), "finite"),
        ((1,) * 7, "1 to 6 workers, got 7"),
        ((), "rates must be one or more numbers, got none"),
        (0.5, "rates must be"),
        ("ab", "rates must be"),
    ],
)
def test_rates_are_checked_first(rates, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        trained("perceptron", rates=rates)


def test_a_run_goes_on_at_its_rates(tmp_path):
    """Rates that differ from those of the file are refused; a file of before they came is one without them."""
    cut, x, y = made("perceptron")

    def run(rounds, **more):
        scheme = sl.TrainingScheme(LAWS["balanced"], rounds, 3, 0.1, batch_size=5)
        return sl.train(cut, x, y, scheme, record="subnetworks", **more)

    whole = run(K, rates=RATES)
    losses = whole.history.subnetwork_errors[:, 1:]
    assert (losses[:, :, 4] == losses[:, :1, 4]).all()  # a single step: its loss stays
    assert (losses[:, 1, 0] != losses[:, 0, 0]).all()
    run(2, rates=RATES).save(tmp_path / "run.safetensors")
    stored = sl.load_run(tmp_path / "run.safetensors", model=cut)
    again = sl.resume(stored, rounds=K, X=x, y=y)
    assert again.history == whole.history
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))
    run(2, checkpoint=tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"rates: None there, \[1.0, 0.6, 0.2\] here"):
        run(3, checkpoint=tmp_path / "none.safetensors", rates=RATES)


def test_a_worker_that_leaves_a_subnetwork_out():
    def work(group):
        rounds = sl.ModuleTraining(
            made("perceptron")[0], sl.TrainingScheme(sl.Balanced(P), K, 3, step_size=0.1)
        ).rounds()
        next(rounds)
        next(rounds)

    with pytest.raises(RuntimeError, match=r"all 3 subnetworks of round 0 must be iterated over, got 0$"):
        in_turn(2, work)


def test_a_step_that_one_worker_forgot_is_refused_by_all():
    cut, *rows = made("perceptron")

    def work(group):
        training = sl.ModuleTraining(cut, sl.TrainingScheme(LAWS["all"], 1, 2, step_size=0.1))
        round = next(training.rounds())
        for subnet in round:
            for xb, yb in subnet.batches(tuple(rows)):
                if subnet.index != 1:
                    subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
        with pytest.raises(RuntimeError, match=r"round 0 must be trained by .* got no step of subnetwork 1"):
            round.finish()
        return training.rounds_done

    assert in_turn(2, work) == [0, 0]


def test_optimisers_do_not_look_where_an_entry_is():
    """Rows at different homes are steps of the same arithmetic: what the outer optimiser rests on."""
    torch.manual_seed(0)
    start, gradients = torch.randn(1003), torch.randn(5, 1003)
    kinds = [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad]
    for make in [*(lambda p, kind=kind: kind(p, lr=0.1) for kind in kinds), OPTIMIZERS["momentum"]]:
        results = []
        for cuts in ([0, 1003], [0, 1, 5, 1003], [0, 333, 667, 1003], [*range(0, 1003, 17), 1003]):
            parts = [torch.nn.Parameter(start[a:b].clone()) for a, b in pairwise(cuts)]
            optimizer = make(parts)
            for gradient in gradients:
                for part, (a, b) in zip(parts, pairwise(cuts), strict=True):
                    part.grad = gradient[a:b].clone()
                optimizer.step()
            results.append(torch.cat([part.detach() for part in parts]).numpy().tobytes())
        assert len(set(results)) == 1


def test_the_history_of_train_is_that_of_one_process():
    cut, x, y = made("cnn")
    scheme = sl.independent_subnets(4, 3, 2, batch_size=8)
    asked = {"optimizer": OPTIMIZERS["momentum"], "validation": (x[:9], y[:9]), "metrics": ("accuracy",)}
    asked |= {"diagnostics": ("movement", "reduction"), "evaluate_every": 1, "record": "subnetworks"}

    def work(group=None):
        return sl.train(cut, x, y, scheme, **asked)

    alone = work()
    for run in in_turn(3, work):
        for name, values in alone.history.arrays().items():
            np.testing.assert_array_equal(run.history.arrays()[name], values)
        state = alone.model.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in run.model.state_dict().items())


def test_an_outer_optimiser_of_half_precision():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).bfloat16()
    cut = sl.cut(model, torch.zeros(2, 4, dtype=torch.bfloat16))
    scheme = sl.independent_subnets(2, 1, 1, step_size=0.1)

    def work(group=None):
        return sl.ModuleTraining(cut, scheme, outer=OPTIMIZERS["momentum"]).rounds_done

    assert work() == 0
    with pytest.raises(ValueError, match=r"^ModuleTraining: outer must be None for parameters of half precision"):
        in_turn(2, work)


@pytest.mark.parametrize("size", [1, 2])
def test_a_finished_round_leaves_no_memory_behind(size):
    """Its sum goes at once, and the round with the last that names it: nothing waits for Python's collector."""

    def work(group):
        training = sl.ModuleTraining(made("perceptron")[0], sl.TrainingScheme(LAWS["all"], 1, 1, step_size=0.1))
        (round,) = rounds = [next(training.rounds())]
        for subnet in round:
            for xb, yb in subnet.batches(made("perceptron")[1:]):
                subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
        assert round.is_finite()
        total = weakref.ref(round._sum)
        round.finish()
        assert total() is None
        left = weakref.ref(round)
        rounds.clear()
        del round
        assert left() is None

    gc.collect()
    gc.disable()
    try:
        in_turn(size, work)
    finally:
        gc.enable()


def test_a_round_is_asked_before_it_is_finished():
    training = sl.ModuleTraining(made("perceptron")[0], sl.TrainingScheme(LAWS["all"], 1, 1, step_size=0.1))
    for round in training.rounds():
        for subnet in round:
            for xb, yb in subnet.batches(made("perceptron")[1:]):
                subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
        round.finish()
        with pytest.raises(RuntimeError, match=r"is_finite must be asked of round 0 before it is finished$"):
            round.is_finite()


def test_a_model_made_on_the_meta_device_and_let_go_of(tmp_path):
    """Its numbers are mapped from a file, until the training has taken its rows; what is asked for later is whole."""
    from safetensors.torch import load_file, save_file

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.hidden, self.last = (torch.nn.Linear(6, 6) for _ in range(3))
            self.last.weight = self.first.weight
            self.norm = torch.nn.BatchNorm1d(6)

        def forward(self, x):
            return self.last(self.norm(self.hidden(self.first(x)).relu()))

    torch.manual_seed(0)
    model, x, file = Tied(), torch.randn(12, 6), tmp_path / "first.safetensors"
    save_file({name: tensor.clone() for name, tensor in model.state_dict().items()}, file)
    scheme = sl.TrainingScheme(sl.Bernoulli(4, 0.5), 2, 2, step_size=0.1)

    def trained(own, let_go):
        training = sl.ModuleTraining(sl.cut(own, x[:2]), scheme, scale=0.5)
        if let_go:
            own.to("meta")
        for round in training.rounds():
            for subnet in round:
                for xb, yb in subnet.batches((x, x)):
                    subnet.step(torch.nn.functional.mse_loss(subnet.module(xb), yb))
            if let_go and training.workers.size == 1:
                gc.collect()
                assert file.name not in Path("/proc/self/maps").read_text()
        return training.model

    def mapped(group):
        with torch.device("meta"):
            own = Tied()
        own.load_state_dict(load_file(file), assign=True)
        assert file.name in Path("/proc/self/maps").read_text()
        own.last.weight = own.first.weight
        return trained(own, let_go=True)

    expected = trained(model, let_go=False)
    for whole in (*in_turn(1, mapped), *in_turn(3, mapped)):
        assert isinstance(whole, Tied)
        assert whole.last.weight is whole.first.weight
        assert {n for n, _ in whole.named_parameters()} == {n for n, _ in expected.named_parameters()}
        assert all(torch.equal(t, expected.state_dict()[name]) for name, t in whole.state_dict().items())
    with torch.device("meta"):
        empty = sl.cut(Tied(), torch.zeros(2, 6))
    with pytest.raises(
        ValueError, match=r"^ModuleTraining: cut must be of a model with numbers, got 'first.weight' on"
    ):
        sl.ModuleTraining(empty, scheme)


@pytest.mark.parametrize("size", [1, 3])
def test_the_exported_network_is_a_plain_state_dict(tmp_path, size):
    """Also with tied weights and another scale, whose factors are in the weights."""
    from safetensors.torch import load_file

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.hidden, self.last = (torch.nn.Linear(6, 6, bias=False) for _ in range(3))
            self.last.weight = self.first.weight
            self.columns = torch.nn.Parameter(torch.randn(6, 6))  # summed over by rows

        def forward(self, x):
            return self.last(self.hidden(self.first(x)).relu() @ self.columns)

    torch.manual_seed(0)
    model, x = Tied(), torch.randn(12, 6)
    cut = sl.cut(model, x[:2])

    def work(group=None):
        scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), 2, 2, step_size=0.1)
        training = sl.ModuleTraining(cut, scheme, scale=0.5)
        for round in training.rounds():
            for subnet in round:
                for xb, yb in subnet.batches((x, x)):
                    subnet.step(torch.nn.functional.mse_loss(subnet.module(xb), yb))
        training.export(tmp_path / "model.safetensors")
        return training.model.state_dict()

    expected = work() if size == 1 else in_turn(size, work)[1]
    other = Tied()
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in other.state_dict().items())
    assert list(other.state_dict()) == ["columns", "first.weight", "hidden.weight", "last.weight"]
    training = sl.ModuleTraining(cut, sl.TrainingScheme(sl.Bernoulli(3, 0.5), 1, 1, step_size=0.1))
    with pytest.raises(OSError, match="must be in a folder that exists"):
        training.export(tmp_path / "none" / "model.safetensors")


@pytest.mark.parametrize("harm", ["cut short", "one bit"])
def test_of_two_checkpoints_the_damaged_one_does_not_count(tmp_path, monkeypatch, harm, with_a_bit_changed):
    """As under a launch, which keeps two for each training; a damaged file that is alone ends the training."""
    file = tmp_path / "run.safetensors"
    kept = CheckpointFile(file, two=True)
    whole = everything(trained("perceptron")[0])[0]
    for done in (1, 2):
        kept.write(trained("perceptron", rounds=done)[0])
    newest = file.read_bytes()
    file.write_bytes(newest[:100] if harm == "cut short" else with_a_bit_changed(newest, "entry/0.weight"))
    training = sl.ModuleTraining(
        made("perceptron")[0],
        sl.TrainingScheme(LAWS["balanced"], K, 3, batch_size=5),
        optimizer=OPTIMIZERS["sgd"],
        seed=7,
    )
    with pytest.warns(UserWarning, match=r"run.safetensors: not a readable .* going on from the checkpoint before it"):
        kept.restore(training)
    assert training.rounds_done == 1
    before = (tmp_path / "run.safetensors.before").read_bytes()
    continued(training)
    with monkeypatch.context() as full:
        full.setattr("os.replace", lambda *given: pytest.fail("the disk is full"))
        with pytest.raises(pytest.fail.Exception):
            kept.write(training)
    assert (tmp_path / "run.safetensors.before").read_bytes() == before  # the damaged file does not take its place
    assert everything(training)[0] == whole
    with pytest.raises(ArchiveError):
        CheckpointFile(file).restore(training)
