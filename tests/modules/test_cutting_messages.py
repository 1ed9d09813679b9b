"""What a new user may get wrong is refused in one sentence of ours, before it can go wrong silently."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import subnetlab as sl

X, Y = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3
SCHEME = sl.independent_subnets(2, rounds=2, local_steps=2, batch_size=8)


def make_cut():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    return sl.cut(net, X[:2])


CUT = make_cut()


def sgd(params):
    return torch.optim.SGD(params, lr=0.1)


def scheduler(name):
    return getattr(torch.optim.lr_scheduler, name)


WRONG = {
    "an optimiser": ({"optimizer": sgd(CUT.model.parameters())}, "optimizer must be a function of parameters"),
    "an optimiser of the whole network": (
        {"optimizer": lambda _: sgd(CUT.model.parameters())},
        "of the parameters that it is given",
    ),
    "no optimiser": ({"optimizer": lambda _: None}, "optimizer must return a torch optimizer, got NoneType"),
    "an outer optimiser": ({"outer": sgd(CUT.model.parameters())}, "outer must be a function of parameters"),
    "an outer setting of the scheme's": ({"outer": sl.OuterSGD()}, "outer must be a function of parameters.*OuterSGD"),
    "a scheduler": ({"schedule": scheduler("StepLR")(sgd([X.clone()]), 3)}, "schedule must be a function.*got StepLR"),
    "a scheduler's class": ({"schedule": scheduler("StepLR")}, "schedule must be a function.*'step_size'"),
    "no scheduler": ({"schedule": lambda _: None}, "schedule must be a function.*returns NoneType"),
    "a scheduler of a loss": (
        {"schedule": scheduler("ReduceLROnPlateau")},
        "told nothing but their number, which ReduceLROnPlateau",
    ),
    "a scheduler that fails": ({"schedule": lambda _: 1 / 0}, "schedule must be a function.*ZeroDivisionError"),
    "a negative learning rate": (
        {"optimizer": lambda params: torch.optim.SGD(params, lr=-1)},
        r"ModuleTraining: optimizer must make an optimizer of the parameters that it is given.*learning rate: -1\)",
    ),
    "a learning rate in words": (
        {"optimizer": lambda params: torch.optim.SGD(params, lr="x")},
        "optimizer must make an",
    ),
    "no parameters": ({"optimizer": lambda _: torch.optim.SGD([])}, "optimizer must make an .*empty parameter list"),
    "a function of nothing": ({"optimizer": lambda: None}, "optimizer must make an .*takes 0 positional arguments"),
    "an optimiser of matrices": ({"optimizer": torch.optim.Muon}, "optimizer must make an .*Muon only supports 2D"),
    "an outer learning rate": (
        {"outer": lambda params: torch.optim.SGD(params, lr=-1)},
        r"ModuleTraining: outer must make an optimizer of the parameters that it is given.*learning rate: -1\)",
    ),
    "an optimiser of sparse gradients": (
        {"optimizer": torch.optim.SparseAdam},
        "optimizer must step by this network's gradients, which SparseAdam cannot .*does not support dense",
    ),
    "an outer one of sparse gradients": (
        {"outer": torch.optim.SparseAdam},
        "outer must step by gradients alone, which SparseAdam cannot .*does not support dense",
    ),
    "a loss of one argument": (
        {"loss": lambda output: output.mean()},
        r"loss must be a function of .output, target., got int64 of shape \(2,\) beside .* \(TypeError: .* takes 1 pos",
    ),
    "a loss without gradients": ({"loss": lambda output, y: output.detach().mean()}, "loss must be computed by this"),
    "a loss class": ({"loss": nn.CrossEntropyLoss}, "or a name, got the class CrossEntropyLoss"),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings(case, monkeypatch):
    settings, message = WRONG[case]
    monkeypatch.delattr(sl.ModuleTraining, "rounds")  # work must not begin
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        sl.train(CUT, X, Y, SCHEME, **{"optimizer": sgd, **settings})


def test_gradients_that_an_optimiser_does_not_take_in_a_loop_of_ones_own():
    for round in sl.ModuleTraining(CUT, SCHEME, optimizer=torch.optim.SparseAdam).rounds():
        subnet = next(iter(round))
        with pytest.raises(ValueError, match="optimizer must step by this network's gradients, which SparseAdam"):
            subnet.step(loss(subnet.module, (X, Y)))
        break


DATA = torch.utils.data.TensorDataset(X, Y)


def test_a_forgotten_scheme():
    with pytest.raises(TypeError, match="train: scheme must be given, after X and y"):
        sl.train(CUT, DATA, SCHEME, optimizer=sgd)


def loop(body):
    for round in sl.ModuleTraining(CUT, SCHEME, optimizer=sgd).rounds():
        body(round)


def loss(module, batch):
    return nn.functional.cross_entropy(module(batch[0]), batch[1])


def test_a_loss_of_another_network_is_refused():
    def body(round):
        for subnet in round:
            for batch in subnet.batches((X, Y)):
                subnet.step(loss(CUT.model, batch))

    with pytest.raises(RuntimeError, match=r"computed by this subnetwork, subnet.module\(x\)"):
        loop(body)
    CUT.model.zero_grad()


def test_a_loss_without_gradients_is_refused():
    def body(round):
        for subnet in round:
            for batch in subnet.batches((X, Y)):
                with torch.no_grad():
                    subnet.step(loss(subnet.module, batch))

    with pytest.raises(RuntimeError, match="with gradients; it has none"):
        loop(body)


def test_subnetworks_are_trained_one_after_another():
    def body(round):
        for subnet in list(round):
            for batch in subnet.batches((X, Y)):
                subnet.step(loss(subnet.module, batch))

    with pytest.raises(RuntimeError, match="subnetwork 0 has returned its update"):
        loop(body)


def test_an_input_of_another_type_or_shape():
    subnet = CUT.subnetwork({"0": np.ones(8, dtype=bool), "2": np.ones(8, dtype=bool)})
    with pytest.raises(sl.CutError, match=r"the example's types, torch.float32, got torch.float64"):
        subnet(X.double())
    with pytest.raises(sl.CutError, match=r"the shape \(n, 6\), where letters may vary, got \(40, 4\)"):
        subnet(X[:, :4])


def test_a_network_that_is_not_cut():
    with pytest.raises(TypeError, match=r"cut must be sl.cut\(model, example_input\), got Sequential"):
        sl.ModuleTraining(CUT.model, SCHEME, optimizer=sgd)


@pytest.mark.parametrize("example", [torch.zeros(2, 5), (torch.zeros(2, 6), torch.zeros(2))])
def test_an_example_that_the_network_does_not_take(example):
    with pytest.raises(sl.CutError, match=r"Sequential fails on the example itself .* what its forward takes"):
        sl.cut(CUT.model, example)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_an_example_of_another_precision(dtype):
    """torch.export lets it pass. A network that converts its input takes any, and its statistics stay as they were."""
    with pytest.raises(sl.CutError, match=r"^cut: Sequential fails on the example itself .* what its forward takes"):
        sl.cut(CUT.model, torch.zeros(2, 6, dtype=dtype))

    class Converting(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.norm, self.down = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)

        def forward(self, x):
            return self.down(self.norm(self.up(x.float())))

    model = Converting()
    assert sl.cut(model, torch.ones(2, 6, dtype=dtype)).groups["up"].size == 8
    assert model.norm.running_mean.tolist() == [0.0] * 8


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (5, "cut: second_example must be a tensor, a tuple of arguments or a dict of keyword arguments, got int"),
        (torch.zeros(3, 9), "must differ in sizes that may vary, got (3, 9), where the network takes (n, 6) alone"),
    ],
)
def test_a_second_example_that_the_network_does_not_take(second, message):
    with pytest.raises(sl.CutError, match=re.escape(message)):
        sl.cut(CUT.model, torch.zeros(3, 6), second_example=second)


def test_masks_that_are_a_law():
    with pytest.raises(sl.CutError, match="masks must map groups to arrays of bool, got Balanced"):
        CUT.subnetwork(sl.Balanced(2))


def test_coverage_of_a_probability_knows_which_groups_are_cut():
    assert CUT.coverage(0.5)["2.weight"] == 0.25
    alternate = CUT.coverage(0.5, cut_groups="alternate")  # the first group in one round, the second in the other
    assert [alternate[name] for name in ("0.weight", "2.weight", "4.weight", "4.bias")] == [0.75, 0.5, 0.75, 1.0]
    assert CUT.coverage(0.5, cut_groups=("2",))["0.weight"] == 1.0


def test_coverage_of_something_else():
    with pytest.raises(sl.CutError, match=r"law must be a mask law, such as sl.Balanced.4., or a probability"):
        CUT.coverage("balanced")
    with pytest.raises(ValueError, match="cut_groups must be one of 'all', 'alternate', got 'other'"):
        CUT.coverage(0.5, cut_groups="other")


WHOLE = {"0": np.ones(8, dtype=bool), "2": np.ones(8, dtype=bool)}
WRONG_NUMBERS = {
    "a seed below zero": (lambda: CUT.verify(seed=-1), "verify: seed must be at least 0, got -1"),
    "no trial": (lambda: CUT.verify(repeats=0), "verify: repeats must be at least 1, got 0"),
    "trials in words": (lambda: CUT.verify(repeats="x"), "verify: repeats must be a whole number, got 'x'"),
    "no round": (lambda: CUT.coverage(0.5, rounds=0), "coverage: rounds must be at least 1, got 0"),
    "half a round": (lambda: CUT.coverage(0.5, rounds=2.5), "coverage: rounds must be a whole number, got 2.5"),
    "another group": (
        lambda: CUT.subnetwork(WHOLE, {"zz": 2.0}),
        "subnetwork: factors must be of groups ['0', '2'], got ['zz']",
    ),
    "another group, masked": (lambda: CUT.masked(WHOLE, {"zz": 2.0}), "subnetwork: factors must be of groups"),
    "another group, folded": (lambda: CUT.folded({"zz": 2.0}), "folded: factors must be of groups ['0', '2']"),
    "one factor for all": (lambda: CUT.folded(2.0), "folded: factors must map groups to numbers, got float"),
    "a factor in words": (lambda: CUT.folded({"0": "x"}), "folded: factors['0'] must be a number, got 'x'"),
    "no factors": (lambda: CUT.folded(None), "folded: factors must map groups to numbers, got NoneType"),
    "a state with nothing": (
        lambda: CUT.folded({"0": 2.0}, {}),
        "folded: state must have every parameter and buffer, got none for '0.weight'",
    ),
    "a state in words": (lambda: CUT.folded({}, "x"), "folded: state must map names to tensors, got str"),
    "no rule": (lambda: sl.register_rule("mylib.x")(5), "register_rule: rule must be callable, got 5"),
}


@pytest.mark.parametrize("case", WRONG_NUMBERS)
def test_numbers_and_names_that_mean_nothing(case):
    call, message = WRONG_NUMBERS[case]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_inputs_have_the_names_that_forward_gives_them():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.ones(5))

        def forward(self, tokens, *, scale):
            return tokens["first"] * scale * self.table

    cut = sl.cut(Named(), {"tokens": {"first": torch.zeros(2, 5)}, "scale": torch.zeros(2, 5)})
    assert cut.frozen["table"] == "input of the network (tokens_first)"
    assert sl.cut(nn.Linear(5, 5), torch.zeros(2, 5)).graph.inputs.name_of("args_0") == "input"


@torch.library.custom_op("messages::passed", mutates_args=())
def passed(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


passed.register_fake(torch.empty_like)
passed.register_autograd(lambda _, gradient: gradient)


class Passing(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.down(passed(self.up(x)))


WRONG_RULES = {
    "another argument": (lambda op: op.axes("y"), "'y' is not a tensor among the arguments of .*, which are x"),
    "no labels": (lambda _: None, "has a rule that does not fit: got NoneType in the place of a tuple of axes"),
    "other labels": (lambda op: op.axes("x")[:1], "has a rule that does not fit: "),
}


@pytest.mark.parametrize("case", WRONG_RULES)
def test_a_rule_that_fails_counts_as_none(case):
    rule, message = WRONG_RULES[case]
    sl.register_rule("messages.passed")(rule)
    cut = sl.cut(Passing(), X[:2])
    assert cut.groups == {}
    assert re.search(message, cut.frozen["up"])
    assert str(cut).startswith("Passing: 0 groups of units, 0 of 83 numbers (0%) belong to units\n\nleft whole:\n")


def test_a_rule_needs_the_name_of_its_operation():
    for names in ((), ("passed",), ("messages::passed",), (lambda op: op.axes("x"),)):
        with pytest.raises(ValueError, match=r"register_rule: names must be like 'library.operation'"):
            sl.register_rule(*names)
