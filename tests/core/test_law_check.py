"""Laws of one's own: held to the rules, named, and found again without importing what a file names."""

import json
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

import subnetlab as sl
from subnetlab.core.masks import LAWS
from subnetlab.core.masks.law import describe, partitions
from subnetlab.core.masks.naming import import_law, know, law_class, law_name, own_laws
from subnetlab.core.scheme_record import scheme_from_record, scheme_to_record


@dataclass(frozen=True)
class Halves:
    """A law as short as the rules allow: subnetwork l holds every second neuron, from l + round on."""

    n_subnetworks: int = 2

    selection_prob = 0.5

    def check(self, width, rounds):
        if width < 2:
            raise ValueError("Halves: width must be at least 2")

    def sample(self, seed, round, width):
        return np.array([self.sample_subnetwork(seed, round, width, l) for l in range(self.n_subnetworks)])

    def sample_subnetwork(self, seed, round, width, subnetwork):
        return (np.arange(width) + subnetwork + round) % 2 == 0

    def largest_share(self, width):
        return -(-width // 2) / width


LAW = "test_law_check:Halves"


@pytest.fixture(autouse=True)
def loaded(monkeypatch):
    monkeypatch.setattr(Halves, "__module__", "test_law_check")
    monkeypatch.setitem(sys.modules, "test_law_check", sys.modules[__name__])


@pytest.mark.parametrize(
    "law",
    [
        Halves(),
        sl.Bernoulli(3, 0.3),
        sl.Categorical(3),
        sl.Categorical(2, (0.9, 0.1)),
        sl.Balanced(4),
        sl.Ordered(3, (0.2, 0.7), drawn=True),
        sl.Rolling(3, 0.4),
        sl.AllNeurons(2),
    ],
    ids=lambda law: type(law).__name__,
)
def test_right_laws_pass(law):
    sl.check_mask_law(law)


def test_given_masks_pass_at_their_width():
    law = sl.FixedMasks(np.ones((3, 2, 9), bool), 0.5)
    sl.check_mask_law(law, widths=[9])
    with pytest.raises(ValueError, match="FixedMasks: must accept some width, but its check refuses"):
        sl.check_mask_law(law)


RIGHT = Halves.sample


def broken(n_subnetworks=2, **members):
    kind = dataclass(frozen=True)(type("Halves", (Halves,), {"__module__": "test_law_check", **members}))
    return kind(n_subnetworks)


def narrow(self, seed, round, width):
    return RIGHT(self, seed, round, width)[:, 1:]


def fractions(self, seed, round, width):
    return np.full((2, width), 0.5)


def one_row(self, seed, round, width):
    return RIGHT(self, seed, round, width)[:1]


class Impure:
    calls = 0

    def __call__(self, seed, round, width):
        self.calls += 1
        return np.full((2, width), self.calls % 2 == 0)


FIRST = {
    "halves as numbers": ({"sample": fractions}, "must draw masks of bool of shape"),
    "one neuron short": ({"sample": narrow}, "must draw masks of bool of shape"),
    "one subnetwork short": ({"sample": one_row}, "must draw masks of bool of shape"),
    "a list": ({"sample": lambda self, *draw: RIGHT(self, *draw).tolist()}, "must draw masks of bool of shape"),
}
LATER = {
    "other rows": ({"sample": lambda self, seed, round, width: np.zeros((2, width), bool)}, "row 0 of sample"),
    "impure": ({"sample": Impure()}, "must draw the same masks"),
    "no partition": ({"partitions": True, "n_subnetworks": 1}, "says that it partitions but does not"),
    "xi of 2": ({"selection_prob": 2.0}, r"selection_prob must be in \(0, 1\], got 2.0"),
    "xi of 0.9 for halves": ({"selection_prob": 0.9}, r"must select a share of 0.9 of the neurons, got 0\.5"),
    "no subnetwork": ({"n_subnetworks": 0}, "n_subnetworks must be at least 1, got 0"),
    "share of 0": ({"largest_share": lambda self, width: 0.0}, r"largest_share must be in \(0, 1\], got 0.0"),
}


@pytest.fixture
def named(monkeypatch):
    """Make the broken law the one that its name finds."""

    def put(law):
        monkeypatch.setattr(sys.modules[__name__], "Halves", type(law))
        return law

    return put


@pytest.mark.parametrize("case", [*FIRST, *LATER])
def test_broken_laws_are_named_with_their_rule(case, named):
    members, message = {**FIRST, **LATER}[case]
    if case in LATER:
        message = f"Halves: .*{message}"
    with pytest.raises((TypeError, ValueError), match=message):
        sl.check_mask_law(named(broken(**members)))


@pytest.mark.parametrize(
    ("widths", "error", "message"),
    [
        (5, TypeError, "check_mask_law: widths must be a list of whole numbers, got 5"),
        ("ab", TypeError, "check_mask_law: widths must be a list of whole numbers, got 'ab'"),
        ([2.5], TypeError, "check_mask_law: widths must be a whole number, got 2.5"),
        ([3, -1], ValueError, "check_mask_law: widths must be at least 1, got -1"),
    ],
)
def test_what_are_no_widths_is_refused(widths, error, message, refused):
    with refused(error, message):
        sl.check_mask_law(sl.Bernoulli(2, 0.5), widths=widths)


def test_every_variant_is_tried_on_widths_that_can_be_read_once_only(monkeypatch):
    right = Halves.sample

    def wrong_for_five(law, seed, round, width):
        masks = right(law, seed, round, width)
        return masks if law.n_subnetworks < 5 else masks.astype(float)

    monkeypatch.setattr(Halves, "sample", wrong_for_five)
    with pytest.raises(ValueError, match=r"^Halves: must draw masks of bool"):
        sl.check_mask_law(Halves(), widths=iter([4, 8]))


@pytest.mark.parametrize("case", FIRST)
def test_what_are_no_masks_is_refused_before_training(case, named, monkeypatch):
    members, message = FIRST[case]
    law = named(broken(**members))
    monkeypatch.setattr(sl.TrainingSession, "advance", lambda session: pytest.fail("work began"))
    with pytest.raises(ValueError, match=f"^Halves: {message}"):
        sl.train(sl.ShallowReLU.initialize(10, 3), np.eye(3), np.ones(3), sl.TrainingScheme(law, rounds=2))


@pytest.mark.parametrize("member", ["check", "sample_subnetwork", "largest_share", "selection_prob"])
def test_a_missing_member_is_named(member):
    members = {name: value for name, value in vars(Halves).items() if name not in (member, "__dict__", "__weakref__")}
    law = type("Halves", (), members)()
    with pytest.raises(TypeError, match=f"^TrainingScheme: masks must have {member}, which Halves has not$"):
        sl.TrainingScheme(law, rounds=1)


def test_a_law_that_cannot_be_saved_is_refused_before_training():
    @dataclass(frozen=True)
    class Inside(Halves):
        pass

    with pytest.raises(ValueError, match=r"masks must be of a class that can be found again, got .*<locals>.Inside"):
        sl.train(sl.ShallowReLU.initialize(10, 3), np.eye(3), np.ones(3), sl.TrainingScheme(Inside(), rounds=2))


def test_a_run_with_a_law_of_ones_own_is_saved_and_read(tmp_path, monkeypatch):
    run = sl.train(sl.ShallowReLU.initialize(10, 3), np.eye(3), np.ones(3), sl.TrainingScheme(Halves(), rounds=2))
    run.save(tmp_path / "run.npz")
    assert sl.load_run(tmp_path / "run.npz").scheme.masks == Halves()
    monkeypatch.delitem(sys.modules, "test_law_check")
    with pytest.raises(ValueError, match="import test_law_check first; a file does not make this program import it"):
        sl.load_run(tmp_path / "run.npz")


def test_a_name_in_a_file_imports_nothing_and_calls_nothing(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    record, arrays = scheme_to_record(sl.gradient_descent(3))
    for name in (
        "planted:Law",
        "planted:",
        ":",
        "os:system",
        "dataclasses:dataclass",
        "subprocess:Popen",
        "sys:modules",
    ):
        with pytest.raises((TypeError, ValueError), match="masks must be"):
            scheme_from_record({**record, "masks": {"law": name, "args": "touch"}}, arrays)
    assert "planted" not in sys.modules


def test_a_name_that_a_user_wrote_is_imported(tmp_path, monkeypatch):
    source = "from subnetlab.core.masks.bernoulli import Bernoulli\nclass Mine(Bernoulli): pass\n"
    (tmp_path / "my_own_law.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    law = import_law("my_own_law:Mine")
    monkeypatch.delitem(sys.modules, "my_own_law")
    assert law.__name__ == "Mine"
    with pytest.raises(ValueError, match="masks must be in a module that can be imported, got 'no_such:Law'"):
        import_law("no_such:Law")


def test_registered_names_come_first_and_travel(monkeypatch):
    assert own_laws(["bernoulli", "categorical", LAW]) == {LAW: Halves}
    monkeypatch.setitem(LAWS, "halves", Halves)
    assert law_name(Halves) == "halves"
    assert own_laws(["halves"]) == {"halves": Halves}
    monkeypatch.delitem(LAWS, "halves")
    know({"halves": Halves})
    assert law_class("halves") is Halves


def test_laws_know_themselves():
    masks = np.eye(2, dtype=bool)[np.newaxis]
    for law, dealt, phrase in (
        (sl.Bernoulli(2, 0.5), False, "Bernoulli masks"),
        (sl.Categorical(2), True, "categorical masks"),
        (sl.Balanced(2), True, "equal parts"),
        (sl.AllNeurons(), False, "all neurons, no masks"),
        (sl.FixedMasks(masks, 0.5), True, "given masks"),
        (sl.FixedMasks(~masks & False, 0.5), False, "given masks"),
        (Halves(), False, "Halves"),
    ):
        assert partitions(law) is dealt
        assert describe(law) == phrase


def test_more_subnetworks_than_neurons_are_warned_about():
    scheme = sl.TrainingScheme(sl.Categorical(12), rounds=1)
    with pytest.warns(UserWarning, match="12 subnetworks share 10 neurons, so that at least 2 of them hold none"):
        sl.train(sl.ShallowReLU.initialize(10, 3), np.eye(3), np.ones(3), scheme)
    sl.train(sl.ShallowReLU.initialize(10, 3), np.eye(3), np.ones(3), replace(scheme, masks=sl.Bernoulli(12, 0.5)))


def test_the_record_of_an_own_law_is_plain():
    record, _ = scheme_to_record(sl.TrainingScheme(Halves(2), rounds=1))
    assert json.loads(json.dumps(record["masks"])) == {"law": LAW, "n_subnetworks": 2}
