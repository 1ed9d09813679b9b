"""Networks and optimisers by name: what they compute is what their names say, and their units are found."""

import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.by_name import NETWORKS, OPTIMIZERS, cut_of, drawn  # noqa: E402

SIDE, CLASSES = 8, 3
GROUPS = {
    "mlp": {5, 4},
    "cnn": {2, 4, 6},
    "resnet": {4},
    "transformer": {2, 6},
}
SETTINGS = {"mlp": (5, 4), "cnn": (2, 4, 6), "resnet": (4, 1), "transformer": (8, 2, 6, 1)}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_cut_where_its_settings_say(name):
    model = drawn(lambda: NETWORKS[name](SIDE**2, CLASSES, *SETTINGS[name]), 0, "float64")
    assert model(torch.rand(5, SIDE**2, dtype=torch.float64)).shape == (5, CLASSES)
    assert {group.size for group in cut_of(model, SIDE**2).groups.values()} == GROUPS[name]


def test_a_perceptron_is_its_layers():
    model = drawn(lambda: NETWORKS["mlp"](3, 1, 4, 2), 7, "float64")
    x = torch.rand(6, 3, dtype=torch.float64)
    by_hand = x
    for i in (0, 2, 4):
        by_hand = by_hand @ model[i].weight.T + model[i].bias
        by_hand = by_hand.clamp(min=0) if i < 4 else by_hand
    torch.testing.assert_close(model(x), by_hand)


def test_a_network_is_a_function_of_its_seed_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second, other = (drawn(lambda: NETWORKS["mlp"](3, 1, 4), seed, "float32") for seed in (1, 1, 2))
    assert torch.equal(first[0].weight, second[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cnn", (10, 2), "cnn: rows must be square images, got 10 features"),
        ("cnn", (4, 2), "cnn: images must have at least 3 x 3 pixels, got 4 features"),
        ("transformer", (16, 2, 6, 4), "transformer: width must be a multiple of heads = 4, got 6"),
    ],
)
def test_what_does_not_fit_is_refused(name, arguments, message, refused):
    with refused(ValueError, message):
        NETWORKS[name](*arguments)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_step_at_the_rate_given(name):
    """The first step of each from a gradient of one: its size is the rate (AdamW also decays the weight)."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = OPTIMIZERS[name](0.25)([weight])
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert weight.item() == pytest.approx(-0.25, rel=1e-6)


def test_momentum_is_nine_tenths():
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = OPTIMIZERS["momentum"](1.0)([weight])
    for _ in range(2):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert weight.item() == pytest.approx(-(1 + 1.9))


def test_the_names_are_public_ways_to_a_cut():
    assert isinstance(cut_of(drawn(lambda: NETWORKS["mlp"](3, 1, 4), 0, "float32"), 3), sl.Cut)
