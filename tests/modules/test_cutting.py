"""What a cut promises besides right numbers: nothing of the user's is changed, nothing is silently wrong."""

import copy
import random
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import subnetlab as sl
from subnetlab.modules import VerificationError
from subnetlab.modules.rules import table

F = nn.functional


def perceptron(*widths):
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class Forward(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, *args, **kwargs):
        return self._forward(self, *args, **kwargs)


def halves(cut):
    return {name: np.arange(group.size) % 2 == 0 for name, group in cut.groups.items()}


# ------------------------------------------------------------------------------------------ the user's own module
def test_cutting_and_verifying_leave_the_module_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.Flatten(), nn.Linear(216, 2))
    model.eval()
    model[1].train()
    model[4].weight.grad = torch.ones_like(model[4].weight)
    model.steps = 3
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    python = random.getstate()
    sl.cut(model, torch.randn(2, 3, 8, 8, generator=torch.Generator())).verify()
    assert torch.equal(torch.rand(3), expected)
    assert random.getstate() == python
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(model[4].weight.grad, torch.ones_like(model[4].weight))
    assert all(p.grad is None for p in model[0].parameters())
    assert model.steps == 3


def test_attributes_that_forward_writes_are_put_back():
    def forward(self, x):
        self.seen = self.a(x)
        self.calls += 1
        return self.b(self.seen.relu())

    model = Forward(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 2), calls=0)
    sl.cut(model, torch.randn(3, 4)).verify()
    assert model.calls == 0
    assert not hasattr(model, "seen")


def test_subnetworks_have_the_users_names_kinds_and_ties():
    model = Forward(
        lambda s, x: s.b(s.a(x).relu() * s.scale) @ s.c.weight, a=nn.Linear(4, 8), b=nn.Linear(8, 2), c=None
    )
    model.c = nn.Linear(8, 2)
    model.c.weight = model.b.weight
    model.a.bias.requires_grad_(False)
    model.register_buffer("scale", torch.rand(8), persistent=False)
    cut = sl.cut(model, torch.randn(3, 4))
    subnet = cut.subnetwork(halves(cut))
    assert list(subnet.state_dict()) == list(model.state_dict())
    assert [name for name, _ in subnet.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert subnet.get_parameter("b.weight") is subnet.get_parameter("c.weight")
    assert not subnet.get_parameter("a.bias").requires_grad
    assert cut.units.axes["b.weight"] == cut.units.axes["c.weight"]


def test_names_of_ours_may_be_the_users_too():
    model = Forward(
        lambda s, x: s.fill(s.masks(x).relu()) * s.graph, masks=nn.Linear(4, 8), fill=nn.Linear(8, 2), graph=None
    )
    model.graph = nn.Parameter(torch.ones(2))
    cut = sl.cut(model, torch.randn(3, 4))
    assert cut.verify()["outputs"] < 1e-12
    subnet = cut.subnetwork(halves(cut))
    assert subnet.masks["masks"].sum() == 4
    assert dict(subnet.named_parameters())["masks.weight"].shape == (4, 4)


# ------------------------------------------------------------------------------------------------ inputs, outputs
@dataclass
class Output:
    logits: torch.Tensor
    hidden: Any = None


class Pair(NamedTuple):
    a: Any
    b: Any


def test_outputs_may_be_anything():
    model = Forward(
        lambda s, x: {"o": Output(s.b(s.a(x).relu())), "p": Pair([x, 3], None)}, a=nn.Linear(4, 8), b=nn.Linear(8, 2)
    )
    cut = sl.cut(model, torch.randn(3, 4))
    x = torch.randn(5, 4)
    found, expected = cut.masked({"a": np.ones(8, dtype=bool)})(x), model(x)
    assert isinstance(found["o"], Output)
    assert torch.equal(found["o"].logits, expected["o"].logits)
    assert isinstance(found["p"], Pair)
    assert found["p"].a[1] == 3 and found["p"].b is None
    assert torch.equal(found["p"].a[0], x)


def test_arguments_may_be_given_by_place_or_by_name():
    model = Forward(lambda s, x, scale=1.0: s.b(s.a(x).relu()) * scale, a=nn.Linear(4, 8), b=nn.Linear(8, 2))
    model.forward = lambda x, scale=1.0: model._forward(model, x, scale)
    x, scale = torch.randn(3, 4), torch.randn(3, 1)
    cut = sl.cut(model, {"x": x, "scale": scale})
    subnet = cut.subnetwork(halves(cut))
    assert torch.equal(subnet(x, scale=scale), subnet(x=x, scale=scale))
    assert torch.equal(subnet(scale=scale, x=x), subnet(x, scale))
    with pytest.raises(sl.CutError, match="arguments of the example"):
        subnet(x)


@pytest.mark.parametrize("rows", [1, 2, 17])
def test_any_number_of_rows(rows):
    model = nn.Sequential(nn.Conv1d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    cut = sl.cut(model, torch.randn(1, 2, 8))
    x = torch.randn(rows, 2, 8)
    assert torch.allclose(cut.masked({"0": np.ones(6, dtype=bool)})(x), model(x), atol=1e-6)


def test_what_varies_besides_the_batch_is_seen_from_a_second_example():
    model = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
    once = sl.cut(model, torch.randn(3, 5, 8))
    twice = sl.cut(model, torch.randn(3, 5, 8), second_example=torch.randn(3, 7, 8))
    x = torch.randn(2, 9, 8)
    with pytest.raises(sl.CutError, match="second_example"):
        once.subnetwork(halves(once))(x)
    assert torch.allclose(twice.subnetwork(halves(twice))(x), twice.masked(halves(twice))(x), atol=1e-5)


def test_shapes_that_the_code_relies_on_are_checked():
    model = Forward(
        lambda s, x: s.b((s.a(x) if x.shape[0] < 5 else -s.a(x)).relu()), a=nn.Linear(4, 8), b=nn.Linear(8, 2)
    )
    cut = sl.cut(model, torch.randn(3, 4))
    subnet = cut.subnetwork(halves(cut))
    subnet(torch.randn(4, 4))
    with pytest.raises(sl.CutError, match="relies on"):
        subnet(torch.randn(6, 4))
    fixed = sl.cut(
        Forward(lambda s, x: s.b(s.a(x).view(3, 8).relu()), a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.randn(3, 4)
    )
    with pytest.raises(sl.CutError, match=r"relies on"):
        fixed.subnetwork(halves(fixed))(torch.randn(4, 4))


# --------------------------------------------------------------------------------------------- what is not possible
def chooses(self, x):
    return self.b(self.a(x) if x.sum() > 0 else -self.a(x))


def branches(self, x):
    return torch.cond(x.sum() > 0, torch.sin, torch.cos, (self.a(x),))


def throws_dice(self, x):
    return self.b(self.a(x) * random.random())


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Linear(4, 2))


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = torch.ao.nn.quantized.dynamic.Linear(4, 2)
    return nn.Sequential(nn.ReLU(), layer)


@pytest.mark.parametrize(
    ("model", "example", "message"),
    [
        (Forward(chooses, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.ones(3, 4), "decides by the values of a tensor"),
        (Forward(throws_dice, a=nn.Linear(4, 8), b=nn.Linear(8, 2)), torch.ones(3, 4), "Python's or NumPy's random"),
        (Forward(lambda s, x: undefined(x), a=nn.Linear(4, 8)), torch.ones(3, 4), "fails on the example itself"),  # noqa: F821
        (nn.Linear(4, 2), torch.ones(0, 4), "at least one row"),
        (nn.Linear(4, 2), 3, "example_input must be"),
        (nn.Linear(4, 2), (3,), "must hold a tensor"),
        (nn.Linear(4, 2), torch.ones(3, 5), "fails on the example itself"),
        (torch.relu, torch.ones(3, 4), "must be a torch.nn.Module"),
        (nn.DataParallel(nn.Linear(4, 2)), torch.ones(3, 4), "pass its .module"),
        (nn.Sequential(nn.LazyLinear(8), nn.ReLU()), torch.ones(3, 4), "a lazy 0.weight: call the model once"),
        (nn.Sequential(nn.ReLU(), scripted()), torch.ones(3, 4), r"TorchScript \(.*Script.* at 1\)"),
        (quantised(), torch.ones(3, 4), r"can be trained, got a quantised layer \(Linear at 1\)"),
        (Forward(branches, a=nn.Linear(4, 2)), torch.ones(3, 4), "cond holds graphs of its own"),
    ],
)
def test_what_cannot_be_cut_is_one_sentence(model, example, message, capfd):
    with pytest.raises(sl.CutError, match=message) as caught:
        sl.cut(model, example)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (["nothing"], "no such group; there are \\['0', '2'\\]"),
        (["4"], "got '4': output of the network"),
        ({"0": 3}, "must divide 8"),
        ({"0": "all"}, "must map names to a number"),
        (3, "must be names"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(units, message):
    with pytest.raises(sl.CutError, match=message):
        sl.cut(perceptron(4, 8, 6, 2), torch.ones(3, 4), units)


def test_masks_that_do_not_fit_are_refused():
    cut = sl.cut(perceptron(4, 8, 6, 2), torch.ones(3, 4))
    good = halves(cut)
    for wrong, message in (
        ({"0": good["0"]}, "none for '2'"),
        (good | {"2": good["0"]}, "must be 6 booleans"),
        (good | {"2": good["2"].astype(int)}, "must be 6 booleans"),
        (good | {"9": good["0"]}, r"got \['9'\]"),
    ):
        with pytest.raises(sl.CutError, match=message):
            cut.subnetwork(wrong)
        with pytest.raises(sl.CutError, match=message):
            cut.masked(wrong)
    with pytest.raises(sl.CutError, match="it holds 4 units"):
        cut.subnetwork(good).fill(cut.state(), good | {"0": np.arange(8) < 3})


def test_a_subnetwork_does_not_pretend_to_evaluate():
    cut = sl.cut(perceptron(4, 8, 2), torch.ones(3, 4))
    with pytest.raises(sl.CutError, match="training mode only"):
        cut.subnetwork(halves(cut)).eval()


# --------------------------------------------------------------------------------- nothing is silently wrong: verify
def _unary(op):
    return op.axes(op.tensors()[0])


def _chunk_without_lengths(op):
    labels = table.rule_of(torch.ops.aten.split_with_sizes.default)(op)
    op._labels.replacements.clear()
    return labels


WRONG_RULES = [
    ("aten.softmax", _unary, nn.Sequential(nn.Linear(4, 8), nn.Softmax(-1), nn.Linear(8, 2))),
    (
        "aten.layer_norm",
        _unary,
        nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8, elementwise_affine=False), nn.Linear(8, 2)),
    ),
    ("aten.roll", _unary, Forward(lambda s, x: s.b(s.a(x).roll(1, 1)), a=nn.Linear(4, 8), b=nn.Linear(8, 2))),
    ("aten.flip", _unary, Forward(lambda s, x: s.b(s.a(x).flip(1)), a=nn.Linear(4, 8), b=nn.Linear(8, 2))),
    ("aten.cumsum", _unary, Forward(lambda s, x: s.b(s.a(x).cumsum(1)), a=nn.Linear(4, 8), b=nn.Linear(8, 2))),
    (
        "aten.chunk",
        _chunk_without_lengths,
        Forward(
            lambda s, x: s.b((p := s.a(x).chunk(2, 1))[0]) + s.c(p[1]),
            a=nn.Linear(4, 8),
            b=nn.Linear(4, 2),
            c=nn.Linear(4, 2),
        ),
    ),
    (
        "aten.mean",
        lambda op: op.axes("self")[:1],
        Forward(lambda s, x: s.b(h := s.a(x)) * h.mean(1)[:, None], a=nn.Linear(4, 8), b=nn.Linear(8, 2)),
    ),
]


@pytest.mark.parametrize(("operation", "rule", "model"), WRONG_RULES, ids=[name for name, _, _ in WRONG_RULES])
def test_a_wrong_rule_is_seen_and_the_group_named(operation, rule, model, monkeypatch):
    monkeypatch.setitem(table._RULES, operation, rule)
    cut = sl.cut(model, torch.randn(3, 4))
    assert cut.groups
    with pytest.raises(VerificationError, match=f"group '{next(iter(cut.groups))[:1]}|only where groups"):
        cut.verify()


def test_a_rule_that_raises_or_does_not_fit_freezes(monkeypatch):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    for rule, word in (
        (lambda op: 1 / 0, "failed: ZeroDivisionError"),
        (lambda op: op.axes("self")[:1], "does not fit"),
    ):
        monkeypatch.setitem(table._RULES, "aten.relu", rule)
        cut = sl.cut(model, torch.randn(3, 4))
        assert not cut.groups
        assert word in cut.frozen["0"]


def test_initial_weights_of_zero_hide_nothing(monkeypatch):
    monkeypatch.setitem(table._RULES, "aten.flip", _unary)
    model = Forward(lambda s, x: s.b(s.a(x).flip(1)), a=nn.Linear(4, 8), b=nn.Linear(8, 2))
    nn.init.zeros_(model.b.weight)
    with pytest.raises(VerificationError):
        sl.cut(model, torch.zeros(3, 4)).verify()


class Reversed(torch.autograd.Function):
    """The identity, with the opposite gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def anneals(self, x):
    self.temperature *= 0.9
    return self.b((self.a(x) / self.temperature).relu())


def with_hook(model):
    model.a.weight.register_hook(lambda gradient: gradient / 2)
    return model


LAYERS = {"a": nn.Linear(4, 8), "b": nn.Linear(8, 2)}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Forward(lambda s, x: s.b(Reversed.apply(s.a(x))), **LAYERS), "gradients of a.weight differ by 2.0e"),
        (with_hook(Forward(lambda s, x: s.b(s.a(x)), a=nn.Linear(4, 8), b=nn.Linear(8, 2))), "gradients of a.weight"),
        (Forward(anneals, **LAYERS, temperature=1.0), "it keeps numbers in attributes"),
    ],
    ids=["backward of its own", "hook", "attribute"],
)
def test_what_export_does_not_keep_is_seen(model, message):
    x = torch.randn(3, 4)
    cut = sl.cut(model, x)
    with pytest.raises(VerificationError, match=message):
        cut.verify()


def test_hooks_that_change_nothing_and_batch_norm_in_a_checkpoint_are_right():
    """A checkpoint calls forward again in backward; the user's statistics must not move."""

    def forward(s, x):
        return s.b(torch.utils.checkpoint.checkpoint(lambda z: s.n(s.a(z)).relu(), x, use_reentrant=False))

    seen = []
    model = Forward(forward, a=nn.Linear(4, 8), n=nn.BatchNorm1d(8), b=nn.Linear(8, 2))
    model.a.weight.register_hook(lambda gradient: seen.append(gradient.shape))
    assert sl.cut(model, torch.randn(5, 4)).verify()["gradients"] < 1e-10
    assert seen
    assert not model.n.running_mean.any()
    assert model.n.num_batches_tracked == 0


def test_an_operation_of_ones_own_is_left_whole_until_it_has_a_rule():
    @torch.library.custom_op("subnetlab_tests::halved", mutates_args=())
    def halved(x: torch.Tensor) -> torch.Tensor:
        return x / 2

    halved.register_fake(torch.empty_like)
    halved.register_autograd(lambda _, gradient: gradient / 2)
    model = Forward(lambda s, x: s.b(halved(s.a(x))), a=nn.Linear(4, 8), b=nn.Linear(8, 2))
    cut = sl.cut(model, torch.randn(3, 4))
    assert not cut.groups
    assert "halved (the network) has no rule" in cut.frozen["a"]
    try:
        sl.register_rule("subnetlab_tests.halved")(lambda op: op.axes("x"))
        cut = sl.cut(model, torch.randn(3, 4))
        assert cut.groups["a"].size == 8
        assert cut.verify()["outputs"] < 1e-12
    finally:
        del table._RULES["subnetlab_tests.halved"]
    with pytest.raises(ValueError, match=r"like .library\.operation."):
        sl.register_rule("halved")


# ------------------------------------------------------------------------------------- masks, factors, fill, coverage
def test_a_group_without_units_counts_for_nothing():
    cut = sl.cut(
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1)), torch.randn(2, 3, 8, 8)
    )
    nothing = {"0": np.zeros(6, dtype=bool)}
    x = torch.randn(4, 3, 8, 8)
    subnet = cut.subnetwork(nothing)
    assert torch.allclose(subnet(x), cut.masked(nothing)(x), atol=1e-6)
    subnet(x).sum().backward()
    assert subnet.masks["0"].sum() == 1
    assert not subnet.get_parameter("0.weight").grad.any()
    assert not subnet.get_parameter("3.weight").grad.any()


def test_fill_gives_another_subnetwork_of_the_same_size():
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 2, 1))
    cut = sl.cut(model, torch.randn(2, 3, 8, 8))
    first, second = {"0": np.arange(6) < 3}, {"0": np.arange(6) >= 3}
    subnet = cut.subnetwork(first)
    state = {name: torch.randn_like(t) if t.is_floating_point() else t for name, t in cut.state().items()}
    state["1.running_var"].abs_()
    subnet.fill(state, second)
    assert torch.equal(subnet.get_parameter("3.weight"), state["3.weight"][:, 3:])
    assert torch.equal(subnet.get_buffer("1.running_mean"), state["1.running_mean"][3:])
    x = torch.randn(4, 3, 8, 8)
    whole = cut.masked(second)
    whole.fill(state)
    assert torch.allclose(subnet(x), whole(x), atol=1e-5)


def test_factors_multiply_what_is_consumed_and_fold_into_weights():
    model = perceptron(4, 8, 6, 2)
    cut = sl.cut(model, torch.randn(3, 4))
    factors = {"0": 2.0, "2": 0.5}
    x = torch.randn(5, 4)
    hidden = F.relu(model[0](x)) * 2.0
    expected = model[4](F.relu(model[2](hidden)) * 0.5)
    everything = {name: np.ones(group.size, dtype=bool) for name, group in cut.groups.items()}
    assert torch.allclose(cut.subnetwork(everything, factors)(x), expected, atol=1e-6)
    assert torch.allclose(cut.masked(everything, factors)(x), expected, atol=1e-6)
    assert torch.allclose(torch.func.functional_call(model, cut.folded(factors), (x,)), expected, atol=1e-6)
    masks = halves(cut)
    assert torch.allclose(cut.subnetwork(masks, factors)(x), cut.masked(masks, factors)(x), atol=1e-6)


def test_factors_that_cannot_be_folded_are_refused():
    tied = Forward(lambda s, x: F.linear(s.a(x).relu(), s.a.weight.t()), a=nn.Linear(4, 8))
    with pytest.raises(sl.CutError, match="which linear uses, too"):
        sl.cut(tied, torch.randn(3, 4)).folded({"a": 2.0})
    computed = Forward(lambda s, x: F.linear(s.a(x).relu(), s.b.weight.tanh()), a=nn.Linear(4, 8), b=nn.Linear(8, 2))
    with pytest.raises(sl.CutError, match=r"computed from b\.weight"):
        sl.cut(computed, torch.randn(3, 4)).folded({"a": 2.0})


class CrossAttention(nn.Module):
    """Queries of the input, keys and values of what is stored: slices of one weight project them."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True)
        self.memory, self.out = nn.Parameter(torch.randn(7, 8)), nn.Linear(8, 2)

    def forward(self, x):
        memory = self.memory.expand(x.shape[0], -1, -1)
        return self.out(self.attention(x, memory, memory, need_weights=False)[0].mean(1))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (CrossAttention(), (5, 8)),
        (nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Linear(8, 6)), nn.ReLU(), nn.Linear(6, 2)), (8,)),
        (nn.Sequential(torch.nn.utils.parametrizations.orthogonal(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 2)), (8,)),
    ],
)
def test_factors_fold_beside_weights_that_are_computed_from_others(model, shape):
    x = torch.randn(5, *shape)
    cut = sl.cut(model, x[:3])
    factors = {name: 2.0 + i for i, name in enumerate(cut.groups)}
    assert factors
    everything = {name: np.ones(group.size, dtype=bool) for name, group in cut.groups.items()}
    expected = cut.masked(everything, factors)(x)
    assert torch.allclose(torch.func.functional_call(model, cut.folded(factors), (x,)), expected, atol=1e-5)


def test_coverage_is_that_of_the_laws():
    cut = sl.cut(perceptron(4, 64, 64, 2), torch.randn(3, 4))
    assert cut.coverage(0.5) == {
        "0.weight": 0.5,
        "0.bias": 0.5,
        "2.weight": 0.25,
        "2.bias": 0.5,
        "4.weight": 0.5,
        "4.bias": 1.0,
    }
    parts = cut.coverage(sl.Balanced(4), rounds=8)
    assert parts["0.weight"] == parts["4.bias"] == 1.0
    assert parts["2.weight"] == pytest.approx(0.25, abs=1e-9)  # 4 x 16 x 16 of 64 x 64
    alternate = cut.coverage(sl.Balanced(4), cut_groups="alternate", rounds=2)
    assert alternate["2.weight"] == 1.0
    drawn = cut.coverage(sl.Bernoulli(2, 0.5), rounds=64)["2.weight"]
    assert drawn == pytest.approx(1 - (1 - 0.25) ** 2, abs=0.03)
    with pytest.raises(sl.CutError, match="selection probability"):
        cut.coverage(1.5)


def test_dropout_draws_in_subnetworks_and_verification_ignores_it():
    cut = sl.cut(nn.Sequential(nn.Linear(4, 80), nn.Dropout(0.5), nn.Linear(80, 2)), torch.randn(3, 4))
    assert cut.verify()["outputs"] < 1e-12
    subnet = cut.subnetwork(halves(cut))
    x = torch.randn(3, 4)
    torch.manual_seed(1)
    first = subnet(x)
    assert not torch.equal(subnet(x), first)
    torch.manual_seed(1)
    assert torch.equal(subnet(x), first)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
        self.b1, self.b2, self.act = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.b2(self.c2(self.act(self.b1(self.c1(x))))) + x)


@pytest.mark.parametrize("units", ["blocks", {"blocks": ["1", "2", "3"]}])
def test_residual_blocks_as_units(units):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), *(Residual(4) for _ in range(3)), nn.Flatten(), nn.Linear(144, 2))
    cut = sl.cut(model, torch.randn(2, 3, 8, 8), units)
    assert cut.groups["blocks"].size == 3
    assert cut.verify()["gradients"] < 1e-12
    masks = {"blocks": np.array([True, False, True])}
    x = torch.randn(5, 3, 8, 8)
    oracle = copy.deepcopy(model)
    nn.init.zeros_(oracle[2].b2.weight)  # the second branch adds nothing
    nn.init.zeros_(oracle[2].b2.bias)
    subnet = cut.subnetwork(masks, {"blocks": 1.0})
    assert torch.allclose(subnet(x), oracle(x), atol=1e-5)
    assert subnet.get_parameter("2.c1.weight").numel() == 0
    assert subnet.get_parameter("3.c1.weight").shape == (4, 4, 3, 3)
    assert cut.coverage(sl.Balanced(3), rounds=2)["2.c1.weight"] == 1.0
    assert cut.key(masks) != cut.key({"blocks": ~masks["blocks"] | np.array([True, True, False])})
    twice = cut.subnetwork(masks, {"blocks": 2.0})
    for block in (model[1], model[3]):
        block.b2.weight.data.mul_(2)
        block.b2.bias.data.mul_(2)
    nn.init.zeros_(model[2].b2.weight)
    assert torch.allclose(twice(x), model(x), atol=1e-5)


@pytest.mark.parametrize(("names", "shared"), [(["1", "1"], "'1' and '1'"), (["1.0", "2", "1"], "'1.0' and '1'")])
def test_a_residual_block_is_one_unit(names, shared):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(Residual(4), Residual(4)), Residual(4))
    with pytest.raises(sl.CutError, match=f"units must give each residual block once, got it in {shared}"):
        sl.cut(model, torch.randn(2, 3, 8, 8), {"blocks": names})
    assert sl.cut(model, torch.randn(2, 3, 8, 8), {"blocks": ["1", "2"]}).groups["blocks"].size == 2


def test_blocks_and_channels_can_be_cut_together():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Residual(4), Residual(4), nn.Flatten(), nn.Linear(144, 2))
    cut = sl.cut(model, torch.randn(2, 3, 8, 8), ["blocks", "1.c1"])
    assert {name: group.size for name, group in cut.groups.items()} == {"1.c1": 4, "blocks": 2}
    assert cut.verify()["gradients"] < 1e-12
    with pytest.raises(sl.CutError, match="at least two residual blocks"):
        sl.cut(perceptron(4, 8, 2), torch.randn(3, 4), "blocks")
    with pytest.raises(sl.CutError, match="got '0': nothing is added"):
        sl.cut(model, torch.randn(2, 3, 8, 8), {"blocks": ["1", "0"]})


def test_parameters_that_are_no_real_numbers_and_regions_of_vmap():
    numbers = nn.Parameter(torch.arange(8), requires_grad=False)
    flags = nn.Parameter(torch.tensor([True, False]), requires_grad=False)
    model = Forward(lambda s, x: s.b(s.a(x).relu() * s.numbers) * s.flags, a=nn.Linear(4, 8), b=nn.Linear(8, 2))
    model.numbers, model.flags = numbers, flags
    cut = sl.cut(model, torch.randn(3, 4))
    assert cut.units.groups == {"a": 8}
    assert cut.verify()["gradients"] < 1e-12
    assert torch.equal(cut.subnetwork(halves(cut)).get_parameter("numbers"), torch.tensor([0, 2, 4, 6]))
    mapped = Forward(lambda s, x: s.b(torch.vmap(lambda row: s.a(row).relu())(x)), a=nn.Linear(4, 8), b=nn.Linear(8, 2))
    cut = sl.cut(mapped, torch.randn(3, 4))
    assert not cut.groups
    assert "_remove_batch_dim" in cut.frozen["a"]
    assert cut.verify()["network"] < 1e-6


def test_a_copy_shares_the_graph_and_nothing_else():
    cut = sl.cut(perceptron(4, 8, 2), torch.randn(3, 4))
    subnet = cut.subnetwork(halves(cut))
    other = copy.deepcopy(subnet)
    with torch.no_grad():
        other.get_parameter("0.weight").zero_()
    x = torch.randn(3, 4)
    assert not torch.equal(other(x), subnet(x))
    assert torch.equal(torch.func.functional_call(subnet, dict(other.named_parameters()), (x,)), other(x))
    assert subnet.double()(x.double()).dtype == torch.float64


def test_printed_it_says_what_is_cut_left_whole_and_why():
    model = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 2)
    )
    cut = sl.cut(model, torch.randn(3, 4))
    text = str(cut)
    for words in (
        "2 groups",
        "0.weight, 0.bias, 2.weight",
        "layer_norm (5) normalises over it",
        "1/p      0.25     2.weight\n",
    ):
        assert words in text
    assert repr(cut) == "Cut(Sequential: 2 groups, 14 units)"


class TwoBranches(nn.Module):
    """A concatenation joins two groups; the size of the second stands in the graph."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(3, 6), nn.Linear(3, 8), nn.Linear(6 + 8, 2)

    def forward(self, x):
        return self.head(torch.cat([self.a(x).relu(), self.b(x).view(len(x), 8).relu()], 1))


def test_subnetworks_of_other_sizes_share_code_only_where_it_is_the_same():
    """Two factors of one axis make a number for each unit; the oracle is the user's module with masks by hand."""
    model, x = TwoBranches(), torch.randn(5, 3)
    cut = sl.cut(model, x)
    factors = {"a": 2.0, "b": 3.0}
    for of_a, of_b in ((3, 4), (5, 4), (3, 6), (4, 3), (3, 4)):
        masks = {"a": np.arange(6) < of_a, "b": np.arange(8) >= 8 - of_b}
        a = model.a(x).relu() * torch.tensor(masks["a"]) * 2
        b = model.b(x).relu() * torch.tensor(masks["b"]) * 3
        wanted = model.head(torch.cat([a, b], 1))
        assert torch.allclose(cut.subnetwork(masks, factors)(x), wanted, atol=1e-6)
    plain = sl.cut(nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2)), x)
    one, other = (plain.subnetwork({"0": np.arange(6) < size}, {"0": 2.0})._subnetlab for size in (2, 5))
    assert one.compute is other.compute  # no size is named
