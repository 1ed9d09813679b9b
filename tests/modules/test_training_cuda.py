"""Training on an accelerator: close to the processor's numbers, and the same bits from a checkpoint and any workers."""

import pytest

torch = pytest.importorskip("torch")

from in_turn import in_turn  # noqa: E402

import subnetlab as sl  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def trained(device, rounds=4, **settings):
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(8 * 36, 24), torch.nn.ReLU(), torch.nn.Linear(24, 3))
    x, y = torch.randn(40, 1, 8, 8), torch.randint(3, (40,))
    scheme = sl.independent_subnets(4, rounds, 3, batch_size=8)
    training = sl.ModuleTraining(
        sl.cut(model, x[:2]),
        scheme,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        state="travels",
        device=device,
        **settings,
    )
    for round in training.rounds():
        for subnet in round:
            for xb, yb in subnet.batches((x, y)):
                assert xb.device.type == torch.device(device).type
                subnet.step(torch.nn.functional.cross_entropy(subnet(xb), yb))
    return training


def everything(training):
    return {name: tensor.cpu() for name, tensor in training.snapshot().tensors.items()}


@pytest.fixture(autouse=True)
def deterministic():
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = before


def test_close_to_the_processor():
    here, there = everything(trained("cpu")), everything(trained("cuda"))
    for name, tensor in here.items():
        torch.testing.assert_close(there[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path):
    whole = everything(trained("cuda"))
    trained("cuda", rounds=2, checkpoint=tmp_path / "run.safetensors")
    again = everything(trained("cuda", checkpoint=tmp_path / "run.safetensors"))
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize("size", [2, 4])
def test_any_number_of_workers_gives_the_same_bits(size):
    alone = everything(trained("cuda"))
    for tensors in in_turn(size, lambda group: everything(trained("cuda"))):
        assert all(torch.equal(tensors[name], tensor) for name, tensor in alone.items())


def test_every_worker_takes_a_device_of_its_own(monkeypatch):
    count = torch.cuda.device_count()
    for local_rank in range(count + 1):
        monkeypatch.setenv("LOCAL_RANK", str(local_rank))
        assert trained("cuda", rounds=1).device == torch.device("cuda", local_rank % count)
        assert trained("cuda:0", rounds=1).device == torch.device("cuda", 0)
