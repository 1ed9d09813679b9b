"""Training of modules, held to Algorithm 1 in plain PyTorch; presets have a file of their own."""

import gc
import re
import runpy
import weakref
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import subnetlab as sl  # noqa: E402
from subnetlab.modules.batches import rows_of_step  # noqa: E402
from subnetlab.modules.training import ModuleTraining  # noqa: E402

DEEP = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "algorithm1_deep.py"))
K, TAU, P, B = 6, 3, 3, 7
cross_entropy = torch.nn.functional.cross_entropy


def perceptron(*widths):
    torch.manual_seed(0)
    layers, names = [], {}
    for i, (before, after) in enumerate(pairwise((64, *(widths or (12, 9)), 4))):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        names |= {f"{2 * i}.weight": f"W{i + 1}", f"{2 * i}.bias": f"b{i + 1}"}
    groups = {f"{2 * i}": f"h{i + 1}" for i in range(len(widths or (12, 9)))}
    return torch.nn.Sequential(*layers[:-1]).double(), names, groups


def convolutions():
    torch.manual_seed(0)
    layers = [
        torch.nn.Unflatten(1, (1, 8, 8)),
        torch.nn.Conv2d(1, 6, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 5, 3, padding=1, stride=2),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(80, 4),
    ]
    names = {"1.weight": "K1", "1.bias": "b1", "3.weight": "K2", "3.bias": "b2", "6.weight": "W3", "6.bias": "b3"}
    return torch.nn.Sequential(*layers).double(), names, {"1": "c1", "3": "c2"}


NETWORKS = {
    f"perceptron of depth {d}": (partial(perceptron, *(7, 5, 6, 4)[:d]), DEEP["perceptron"], DEEP["perceptron_axes"](d))
    for d in (1, 2, 3, 4)
} | {"cnn": (convolutions, DEEP["cnn"], DEEP["CNN"])}
torch.manual_seed(1)
X, Y = torch.randn(40, 64, dtype=torch.float64), torch.randint(4, (40,))


def trained(cut, scheme, loss=cross_entropy, **settings):
    training = ModuleTraining(cut, scheme, **settings)
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches((X, Y)):
                subnet.step(loss(subnet.module(x), y))
    return training


def rows(seed, l, k, t, shards=None):
    return torch.from_numpy(rows_of_step(seed, l, k * TAU + t, n_samples=40, shards=shards, batch_size=B))


def largest_difference(training, theta):
    return max(float((theta[name] - entry).abs().max()) for name, entry in training.entries.items())


LAWS = {
    "bernoulli": sl.Bernoulli(P, 0.5),
    "categorical": sl.Categorical(P),
    "balanced": sl.Balanced(P),
    "all": sl.AllNeurons(P),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("network", NETWORKS)
def test_training_is_algorithm_1(network, law):
    """The scales come in turn: over all networks each law meets each of them."""
    make, forward, axes = NETWORKS[network]
    scale = (0.0, 0.5, 1.0)[(list(NETWORKS).index(network) + list(LAWS).index(law)) % 3]
    model, names, groups = make()
    cut = sl.cut(model, X[:3])
    assert list(cut.groups) == list(groups)
    scheme = sl.TrainingScheme(LAWS[law], K, TAU, step_size=0.1, batch_size=B)
    sliced, masked = (trained(cut, scheme, seed=5, scale=scale, engine=engine) for engine in ("sliced", "masked"))
    theta = {names[name]: tensor.clone() for name, tensor in model.state_dict().items()}
    for k in range(K):
        masks = {groups[group]: torch.from_numpy(M.copy()) for group, M in sliced.masks(k).items()}
        batches = [[(X[i], Y[i]) for i in (rows(5, l, k, t) for t in range(TAU))] for l in range(P)]
        theta = DEEP["train_round"](forward, axes, theta, masks, batches, 0.1, LAWS[law].selection_prob, scale)
    expected = {name: theta[short] for name, short in names.items()}
    assert largest_difference(sliced, expected) < 1e-10
    assert largest_difference(masked, expected) < 1e-10


OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.1),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda params: torch.optim.Adam(params, lr=0.01),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=0.01, momentum=0.5),
}


@pytest.mark.parametrize("state", ["reset", "travels"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sliced_is_masked_with_every_optimizer(optimizer, state):
    """The masked engine steps whole tensors; what a subnetwork does not hold is put back by aggregation alone."""
    model, _, _ = convolutions()
    scheme = sl.TrainingScheme(sl.Bernoulli(P, 0.6), K, TAU, batch_size=B)
    runs = [
        trained(sl.cut(model, X[:3]), scheme, optimizer=OPTIMIZERS[optimizer], state=state, engine=engine, seed=2)
        for engine in ("sliced", "masked")
    ]
    assert largest_difference(runs[0], runs[1].entries) < 1e-10


def test_alternate_groups_cut_one_layer_at_a_time():
    model, _, _ = perceptron()
    scheme = sl.independent_subnets(P, K, TAU, 0.1, cut_groups="alternate", batch_size=B)
    training = trained(sl.cut(model, X[:3]), scheme)
    for k in range(K):
        masks = training.masks(k)
        cut, whole = ("0", "2") if k % 2 == 0 else ("2", "0")
        assert masks[cut].sum(axis=0).tolist() == [1] * masks[cut].shape[1]
        assert masks[whole].all()
    whole = trained(sl.cut(model, X[:3]), scheme, engine="masked")
    assert largest_difference(training, whole.entries) < 1e-10


def test_masks_given_by_group_and_entries_that_nobody_holds():
    model, _, _ = perceptron()
    rng = np.random.default_rng(0)
    masks = {"0": rng.random((K, P, 12)) < 0.4, "2": rng.random((K, P, 9)) < 0.4}
    masks["0"][:, :, 3] = False
    scheme = sl.TrainingScheme(sl.FixedMasks(masks, 0.4), K, TAU, batch_size=B)
    training = trained(sl.cut(model, X[:3]), scheme, optimizer=OPTIMIZERS["adamw"], state="travels")
    before, after = model.state_dict(), training.entries
    assert torch.equal(before["0.weight"][3], after["0.weight"][3])  # neither weight decay nor momentum moves them
    assert torch.equal(before["2.weight"][:, 3], after["2.weight"][:, 3])
    assert not torch.equal(before["0.weight"][4], after["0.weight"][4])


def test_a_subnetwork_may_hold_no_unit_of_a_group():
    model, _, _ = perceptron()
    masks = {"0": np.ones((1, 2, 12), dtype=bool), "2": np.ones((1, 2, 9), dtype=bool)}
    masks["2"][0, 0] = False
    scheme = sl.TrainingScheme(sl.FixedMasks(masks, 0.5), 1, TAU, step_size=0.1, batch_size=B)
    sliced, masked = (trained(sl.cut(model, X[:3]), scheme, engine=engine) for engine in ("sliced", "masked"))
    assert largest_difference(sliced, masked.entries) < 1e-12


def test_one_layer_is_the_shallow_reference_engine():
    """Depth 1, fixed output weights, the paper's scale and loss: the same network as sl.train of a ShallowReLU."""
    shallow = sl.ShallowReLU.initialize(width=16, n_features=5, seed=3)
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((20, 5)), rng.uniform(-1, 1, 20)
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 16, bias=False), torch.nn.ReLU(), torch.nn.Linear(16, 1, bias=False)
    ).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(shallow.weights.copy()))
        model[2].weight.copy_(torch.from_numpy(shallow.output_weights / 4.0)[None])
    model[2].weight.requires_grad_(False)
    scheme = sl.TrainingScheme(sl.Bernoulli(3, 0.5), rounds=50, local_steps=4, step_size=0.1)
    run = sl.train(shallow, inputs, targets, scheme, seed=8, engine="reference")
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)
    training = ModuleTraining(sl.cut(model, x[:3]), scheme, seed=8, scale=0.0)
    for round in training.rounds():
        for subnet in round:
            for xb, yb in subnet.batches((x, y)):
                subnet.step(0.5 * ((subnet.module(xb)[:, 0] - yb) ** 2).sum())
    np.testing.assert_allclose(training.entries["0.weight"].numpy(), run.network.weights, rtol=0, atol=1e-10)
    whole = training.model(x)[:, 0].detach().numpy()  # the factor xi is folded into the output weights
    np.testing.assert_allclose(whole, run.network.output(inputs, 0.5), rtol=0, atol=1e-10)


@pytest.mark.parametrize("state", ["reset", "travels"])
@pytest.mark.parametrize("outer", [None, lambda params: torch.optim.AdamW(params, lr=0.01)])
def test_training_resumes_with_the_same_bits_from_any_round(tmp_path, state, outer):
    """Also after a stop in the middle of a round: what was not aggregated is done again."""
    model, _, _ = convolutions()
    scheme = sl.independent_subnets(P, K, TAU, balanced=True, batch_size=B)
    settings = {
        "optimizer": OPTIMIZERS["adamw"],
        "schedule": lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, K * TAU),
        "state": state,
        "outer": outer,
    }
    whole = trained(sl.cut(model, X[:3]), scheme, **settings)
    for stop in (1, 4):
        path = tmp_path / f"{stop}.safetensors"
        part = ModuleTraining(sl.cut(model, X[:3]), scheme, checkpoint=path, checkpoint_every=1, **settings)
        for round in part.rounds():
            if round.index == stop:
                next(iter(round))  # and one subnetwork has begun
                break
            for subnet in round:
                for x, y in subnet.batches((X, Y)):
                    subnet.step(cross_entropy(subnet.module(x), y))
        resumed = trained(sl.cut(model, X[:3]), scheme, checkpoint=path, **settings)
        assert resumed.rounds_done == K
        assert all(torch.equal(tensor, whole.entries[name]) for name, tensor in resumed.entries.items())


def test_a_checkpoint_of_other_settings_or_damaged_is_refused(tmp_path):
    model, _, _ = perceptron()
    path = tmp_path / "run.safetensors"
    scheme = sl.local_sgd(2, 2, TAU, 0.1, batch_size=B)
    trained(sl.cut(model, X[:3]), scheme, checkpoint=path)
    with pytest.raises(ValueError, match=r"must be of the same settings \(seed: 0 there, 1 here\)"):
        ModuleTraining(sl.cut(model, X[:3]), scheme, checkpoint=path, seed=1)
    with pytest.raises(ValueError, match="local_steps: 3 there, 4 here"):
        ModuleTraining(sl.cut(model, X[:3]), sl.local_sgd(2, 2, 4, 0.1, batch_size=B), checkpoint=path)
    more = trained(sl.cut(model, X[:3]), sl.local_sgd(2, 5, TAU, 0.1, batch_size=B), checkpoint=path)
    assert more.rounds_done == 5
    data = path.read_bytes()
    for damaged in (b"", data[:100], data[: len(data) // 2], b"\xff" * 16 + data[16:]):
        path.write_bytes(damaged)
        with pytest.raises(sl.archive.ArchiveError, match=re.escape(str(path))):
            ModuleTraining(sl.cut(model, X[:3]), scheme, checkpoint=path)


@pytest.mark.parametrize("name", ["entry/0.weight", "state/0.weight/exp_avg", "outer/0.weight/momentum_buffer"])
def test_a_checkpoint_with_one_other_bit_is_refused(tmp_path, with_a_bit_changed, name):
    model, _, _ = perceptron()
    settings = {
        "optimizer": OPTIMIZERS["adamw"],
        "state": "travels",
        "outer": lambda params: torch.optim.SGD(params, 0.7, momentum=0.9),
        "checkpoint": tmp_path / "run.safetensors",
    }
    scheme = sl.independent_subnets(2, 2, TAU, balanced=True, batch_size=B)
    trained(sl.cut(model, X[:3]), scheme, **settings)
    whole = settings["checkpoint"].read_bytes()
    settings["checkpoint"].write_bytes(with_a_bit_changed(whole, name))
    with pytest.raises(sl.archive.ArchiveError, match=r"run.safetensors: not a readable .* \(its checksum must be"):
        ModuleTraining(sl.cut(model, X[:3]), scheme, **settings)
    settings["checkpoint"].write_bytes(whole)
    assert ModuleTraining(sl.cut(model, X[:3]), scheme, **settings).rounds_done == 2


def test_batches_are_passes_without_replacement():
    stream = np.concatenate([rows_of_step(3, 1, s, n_samples=10, shards=None, batch_size=4) for s in range(10)])
    for number in range(4):
        assert sorted(stream[10 * number : 10 * number + 10]) == list(range(10))
    shards = [set(rows_of_step(3, l, 0, n_samples=10, shards=3, batch_size=None)) for l in range(6)]
    assert set.union(*shards[:3]) == set(range(10))
    assert [shards[l] == shards[l + 3] for l in range(3)] == [True] * 3
    assert sum(map(len, shards[:3])) == 10


def test_random_draws_inside_a_step_depend_on_the_step_alone():
    """Dropout draws the same whatever was drawn before, and torch's state afterwards is as it was."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 4)
    ).double()
    scheme = sl.independent_subnets(2, 3, TAU, 0.1, batch_size=B)
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.random.get_rng_state()
        runs.append(trained(sl.cut(model, X[:3]), scheme).entries)
        assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_subnetworks_are_smaller_modules():
    model, _, _ = perceptron()
    training = ModuleTraining(sl.cut(model, X[:3]), sl.independent_subnets(3, 1, 1, 0.1, balanced=True))
    sizes = [tuple(subnet.module.get_parameter("2.weight").shape) for subnet in next(training.rounds())]
    assert sizes == [(3, 4)] * 3


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"optimizer": OPTIMIZERS["sgd"]}, ValueError, "step_size must be left at 'auto' where an optimizer is given"),
        ({"state": "keeps"}, ValueError, "ModuleTraining: state must be one of 'reset', 'travels', got 'keeps'"),
        ({"scale": 1.5}, ValueError, "ModuleTraining: scale must be in [0, 1], got 1.5"),
        ({"engine": "dual"}, ValueError, "ModuleTraining: engine must be one of 'sliced', 'masked', got 'dual'"),
        ({"seed": -1}, ValueError, "ModuleTraining: seed must be at least 0, got -1"),
        ({"threads": 0}, ValueError, "ModuleTraining: threads must be at least 1, got 0"),
        ({"clip_norm": -1.0}, ValueError, "ModuleTraining: clip_norm must be above 0, got -1.0"),
        ({"autocast": "float16"}, ValueError, "ModuleTraining: autocast must be one of 'bfloat16', got 'float16'"),
    ],
)
def test_what_breaks_a_rule_is_refused_before_work(settings, error, message):
    cut = sl.cut(perceptron()[0], X[:3])
    with pytest.raises(error, match=re.escape(message)):
        ModuleTraining(cut, sl.local_sgd(2, 1, 1, 0.1), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": torch.optim.LBFGS}, "optimizer must step by gradients alone, which LBFGS cannot"),
        (
            {"optimizer": torch.optim.Adafactor, "state": "travels"},
            "state must be 'reset' with Adafactor: its 'row_var'",
        ),
        ({"outer": torch.optim.Adafactor}, "outer must keep its state by entry, got Adafactor: its 'row_var'"),
        ({"outer": torch.optim.LBFGS}, "outer must step by gradients alone, which LBFGS cannot"),
        ({"optimizer": list}, "optimizer must return a torch optimizer, got list"),
        (
            {"schedule": torch.optim.lr_scheduler.ReduceLROnPlateau},
            "schedule must last for 6 steps, told nothing but their number, which ReduceLROnPlateau does not",
        ),
        (
            {"schedule": lambda made: torch.optim.lr_scheduler.OneCycleLR(made, 0.1, total_steps=4)},
            "schedule must last for 6 steps, told nothing but their number, which OneCycleLR does not",
        ),
    ],
)
def test_optimizers_that_cannot_be_used_are_refused_before_work(settings, message):
    cut = sl.cut(perceptron()[0], X[:3])
    settings = {"optimizer": lambda params: torch.optim.SGD(params, lr=0.1)} | settings
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        ModuleTraining(cut, sl.local_sgd(2, 2, 3), **settings)


def test_sparse_gradients_are_clipped_as_dense_ones():
    """Oracle: the same network, whose embedding has dense gradients; rows that come twice are summed."""
    tokens = torch.randint(6, (20, 3), generator=torch.Generator().manual_seed(0))
    y = torch.arange(20) % 2

    def weights(sparse):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Embedding(6, 4, sparse=sparse), torch.nn.Flatten(), torch.nn.Linear(12, 8), torch.nn.Linear(8, 2)
        )
        scheme = sl.independent_subnets(2, 2, 3, 0.1, batch_size=5)
        run = sl.train(sl.cut(model, tokens[:2]), tokens, y, scheme, clip_norm=0.01)
        return torch.cat([parameter.detach().flatten() for parameter in run.model.parameters()])

    torch.testing.assert_close(weights(sparse=True), weights(sparse=False))


def test_groups_of_parameters_have_schedules_of_their_own():
    """A function may sort parameters; each group follows its own learning rate on every subnetwork."""

    def optimizer(params):
        params = list(params)
        groups = [[p for p in params if p.ndim > 1], [p for p in params if p.ndim == 1]]
        return torch.optim.SGD([{"params": groups[0], "lr": 0.2}, {"params": groups[1], "lr": 0.1}])

    def schedule(made):
        return torch.optim.lr_scheduler.LambdaLR(made, [lambda s: 0.5**s, lambda s: 1 - 0.25 * s])

    seen = []
    training = ModuleTraining(
        sl.cut(perceptron()[0], X[:3]), sl.independent_subnets(2, 2, 2), optimizer=optimizer, schedule=schedule
    )
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches((X, Y)):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(x), y))
                seen.append([group["lr"] for group in subnet.optimizer.param_groups])
    by_step = [[0.2, 0.1], [0.1, 0.075], [0.05, 0.05], [0.025, 0.025]]
    np.testing.assert_allclose(seen, [*by_step[:2] * 2, *by_step[2:] * 2])


def test_a_schedule_is_not_told_all_steps_again_by_every_subnetwork():
    told = []

    class Counting(torch.optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            told.append(self.last_epoch)
            return self.base_lrs

    scheme = sl.local_sgd(3, 6, 4, batch_size=B)
    trained(sl.cut(perceptron()[0], X[:3]), scheme, optimizer=lambda p: torch.optim.SGD(p, lr=0.1), schedule=Counting)
    assert len(told) == 2 * 6 * 4  # once to try, once to train


def test_schemes_that_do_not_fit_modules_are_refused():
    cut = sl.cut(perceptron()[0], X[:3])
    for scheme, message in [
        (sl.local_sgd(2, 1, 1), "optimizer must be given"),
        (sl.TrainingScheme(sl.Balanced(2), 1, step_size=0.1, unselected="zero"), "unselected must be 'keep'"),
        (sl.TrainingScheme(sl.Balanced(10), 1, step_size=0.1), "n_subnetworks must be at most the width 9"),
        (sl.TrainingScheme({"5": sl.Balanced(2)}, 1, step_size=0.1), "must name groups of the network (0, 2), got '5'"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            ModuleTraining(cut, scheme)


def test_a_round_that_was_not_finished_changes_nothing():
    model, _, _ = perceptron()
    training = ModuleTraining(sl.cut(model, X[:3]), sl.local_sgd(2, 1, 1, 0.1))
    rounds = training.rounds()
    next(rounds)
    with pytest.raises(RuntimeError, match="all 2 subnetworks of round 0 must be iterated over, got 0"):
        next(rounds)
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in training.entries.items())


def test_a_round_in_which_a_subnetwork_took_no_step_is_refused():
    """A loop that forgets to step is told so; one that stops early, as at a good loss, is not."""
    model = perceptron()[0]
    training = ModuleTraining(sl.cut(model, X[:3]), sl.local_sgd(2, 2, 3, 0.1))
    rounds = training.rounds()
    for l, subnet in enumerate(next(rounds)):
        for x, y in subnet.batches((X, Y)):
            value = cross_entropy(subnet.module(x), y)
            if l == 0:
                subnet.step(value)
                break
    with pytest.raises(RuntimeError, match=r"must be trained by subnet\.step\(loss\), got no step of subnetwork 1"):
        next(rounds)
    assert training.rounds_done == 0
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in training.entries.items())
    rounds = training.rounds()
    for subnet in next(rounds):
        for x, y in subnet.batches((X, Y)):
            subnet.step(cross_entropy(subnet.module(x), y))
            break
    next(rounds)
    assert training.rounds_done == 1


def test_a_round_is_aggregated_once_whatever_loops_there_are():
    model = perceptron()[0]
    training = ModuleTraining(sl.cut(model, X[:3]), sl.local_sgd(2, 3, 1, 0.1))
    loops = [training.rounds(), training.rounds()]
    for round in [next(loop) for loop in loops]:
        for subnet in round:
            for x, y in subnet.batches((X, Y)):
                subnet.step(cross_entropy(subnet.module(x), y))
    assert next(loops[0]).index == 1
    entries = {name: tensor.clone() for name, tensor in training.entries.items()}
    with pytest.raises(RuntimeError, match="in their order by one loop, got round 0 where round 1 is next"):
        next(loops[1])
    assert training.rounds_done == 1
    assert all(torch.equal(tensor, entries[name]) for name, tensor in training.entries.items())


def test_an_entry_that_nobody_holds_keeps_its_bits_whatever_they_are():
    """Also a negative zero, which a plain sum would turn into a positive one."""
    from subnetlab.core.units import Units, group_axis
    from subnetlab.modules.entries import Kept, RoundSum, changes, take

    units = Units({"g": 4}, {"w": (group_axis("g", 4), group_axis("g", 4))})
    whole = {"w": torch.tensor([[-0.0, 1.0, float("inf"), -0.0]] * 4)}
    before = whole["w"].clone()
    masks = {"g": np.array([[True, False, False, False], [True, True, False, False]])}
    sums = RoundSum(units, whole, masks)
    for l in range(2):
        own = {"g": masks["g"][l]}
        place = Kept(units, own, own).held("w")
        given = {"w": take(whole["w"], place)}
        sums.add({"w": place}, changes(given, {"w": torch.full((l + 1, l + 1), 2.0)}))
    sums.apply()
    assert whole["w"][:2, :2].tolist() == [[2.0, 2.0], [2.0, 2.0]]
    rest = torch.ones(4, 4, dtype=torch.bool)
    rest[:2, :2] = False
    assert torch.equal(whole["w"][rest].view(torch.int32), before[rest].view(torch.int32))


@pytest.mark.parametrize("engine", ["sliced", "masked"])
def test_subnetworks_of_sizes_that_do_not_come_back_are_not_kept(engine):
    """Bernoulli masks have another size almost every time: a long run must not hold all their modules."""
    made = []

    def optimizer(params):
        made.append(weakref.ref(optimizer_made := torch.optim.SGD(params, lr=0.1)))
        return optimizer_made

    scheme = sl.TrainingScheme(sl.Bernoulli(2, 0.5), rounds=30, batch_size=B)
    training = trained(sl.cut(perceptron()[0], X[:3]), scheme, optimizer=optimizer, engine=engine)
    gc.collect()
    assert training.rounds_done == 30
    assert len(made) > 20
    assert sum(reference() is not None for reference in made) <= 5
