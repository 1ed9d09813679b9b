"""The page of a module's run: its numbers are those of the run, and nothing that a file says becomes markup."""

import json
import re
import sys
from collections import OrderedDict
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")

import subnetlab as sl  # noqa: E402
from subnetlab.cli.main import main  # noqa: E402

EVIL = "<img src=x onerror=alert(1)>\"'&</script>"
LAYER = EVIL.replace('"', "")  # torch writes code with names of layers
K, TAU, P, EVERY = 12, 3, 4, 4
X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def network():
    """Two cut layers, the first of an evil name."""
    torch.manual_seed(0)
    layers = [
        (LAYER, torch.nn.Linear(6, 12)),
        ("act", torch.nn.ReLU()),
        ("second", torch.nn.Linear(12, 8)),
        ("act2", torch.nn.ReLU()),
        ("$out", torch.nn.Linear(8, 2)),
    ]
    return torch.nn.Sequential(OrderedDict(layers))


def worst(output, y):
    return (output.argmax(-1) != y).double().mean()


@pytest.fixture(scope="module")
def run():
    return sl.train(
        sl.cut(network(), X[:2]),
        X,
        Y,
        sl.TrainingScheme(sl.Bernoulli(P, 0.5), rounds=K, local_steps=TAU, batch_size=10),
        optimizer=lambda params: torch.optim.AdamW(params, lr=0.01),
        seed=3,
        record="subnetworks",
        validation=(X, Y),
        metrics={EVIL: worst, "accuracy": lambda output, y: 1 - worst(output, y)},
        diagnostics=("movement", "reduction", "ntk", "masked_ntk"),
        evaluate_every=EVERY,
    )


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """The run as a user keeps it, in a folder that names the data, too."""
    folder = tmp_path_factory.mktemp("module")
    run.save(folder / "run.safetensors")
    origin = {"name": EVIL, "source": {"sha256": EVIL}, "target": {EVIL: EVIL}}
    (folder / "settings.json").write_text(json.dumps({"data": {"name": EVIL}, "provenance": origin}))
    return folder


@pytest.fixture(scope="module")
def page(folder):
    """The page of the file alone."""
    return sl.write_report(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full_page(folder):
    """The page of file and module."""
    return sl.write_report(folder, folder / "full.html", model=network()).read_text(encoding="utf-8")


class Read(HTMLParser):
    """Elements, attributes and tables of a page, as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.tables, self._cell = [], [], {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th", "caption"):
            self._cell = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self._caption, self._cell = self._cell, None
        elif tag in ("td", "th"):
            self._rows[-1].append(self._cell)
            self._cell = None
        elif tag == "table":
            self.tables[self._caption] = self._rows

    def table(self, beginning):
        """Header and rows of the table whose caption begins so."""
        (rows,) = [rows for caption, rows in self.tables.items() if caption.startswith(beginning)]
        return rows[0], rows[1:]


def figure_data(page, name):
    found = re.search(rf'<figure id="{name}".*?<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def lines_of(page, name):
    """The numbers of a figure of lines: by line, (round, value)."""
    spec = figure_data(page, name)["specs"]["lines"]
    found = {}
    for row in spec["data"].get("values") or spec["datasets"][spec["data"]["name"]]:
        found.setdefault(row["line"], []).append((row["round"], row["value"]))
    return found


def values_of(page, name):
    """The rows that the one chart of a figure draws."""
    ((_, spec),) = figure_data(page, name)["specs"].items()
    return spec["data"].get("values") or spec["datasets"][spec["data"]["name"]]


def same_curve(points, values):
    known = np.flatnonzero(np.isfinite(values))
    assert [k for k, _ in points] == known.tolist()
    np.testing.assert_allclose([value for _, value in points], values[known], rtol=1e-4)
    return True


def prose(page):
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def test_the_curve_inside_the_rounds_is_the_loss_before_each_step(run, page):
    data = figure_data(page, "inside")
    errors, history = np.array(data["errors"], dtype=float), run.history
    np.testing.assert_allclose(errors[:, :TAU], history.local_loss, rtol=1e-4)
    assert np.isnan(errors[:, TAU]).all()  # the loss after the last step is not measured
    np.testing.assert_allclose(errors[:, -1], history.full_loss[1:], rtol=1e-4)
    assert np.flatnonzero(np.isfinite(errors[:, -1])).tolist() == [EVERY - 1, 2 * EVERY - 1, K - 1]
    assert data["initial"] == pytest.approx(history.full_loss[0], rel=1e-4)
    assert data["overview"] == 0  # the loss after sampling: the whole network was measured now and then alone
    for bound, of in (("low", np.min), ("high", np.max)):
        expected = of(history.subnetwork_errors[:, 1:], axis=2)
        np.testing.assert_allclose(np.array(data[bound], dtype=float)[:, :TAU], expected, rtol=1e-4)


def test_each_subnetwork_has_its_line_and_its_row(run, page):
    losses = run.history.subnetwork_errors
    lines = lines_of(page, "by-subnetwork")
    _, rows = Read(page).table("Losses of the local steps of each subnetwork")
    assert len(lines) == len(rows) == P
    for l in range(P):
        means = np.array([sum(losses[k, t + 1, l] for t in range(TAU)) / TAU for k in range(K)])
        assert same_curve(lines[f"subnetwork {l}"], means)
        expected = [l, losses[0, 1, l], losses[K - 1, TAU, l], means[-1]]
        assert [float(cell) for cell in rows[l]] == pytest.approx(expected, rel=1e-3)


def test_measures_of_the_whole_network_are_the_history_s(run, page):
    history = run.history
    expected = [history.full_loss, history.validation_error, history.metrics[EVIL], history.metrics["accuracy"]]
    for i, values in enumerate(expected):
        ((_, points),) = lines_of(page, f"measure-{i}").items()
        assert same_curve(points, values)
    header, rows = Read(page).table("Measured of the whole network")
    assert header == ["rounds made", "training loss", "validation loss", EVIL, "accuracy"]
    assert [int(row[0]) for row in rows] == [0, EVERY, 2 * EVERY, K]
    for row in rows:
        assert [float(cell) for cell in row[1:]] == pytest.approx([v[int(row[0])] for v in expected], rel=1e-3)
    said = prose(page)
    assert f"accuracy, at the end {history.metrics['accuracy'][-1]:.4g} " in said


def test_diagnostics_are_the_history_s_and_said_to_be_measurements(run, page):
    metrics = run.history.metrics
    moved = {(row["group"], row["start"], row["end"]): row["value"] for row in values_of(page, "diagnostic-movement")}
    ends = [(0, EVERY), (EVERY, 2 * EVERY), (2 * EVERY, K)]  # measured after so many rounds
    expected = {(g, a, b): metrics[f"movement.{g}"][b] for g in (LAYER, "second") for a, b in ends}
    assert moved == pytest.approx(expected, rel=1e-4)
    for name, lines in (
        ("reduction", {"reduction": "reduction"}),
        ("ntk", {"ntk.smallest": "ntk.smallest", "ntk.largest": "ntk.largest"}),
        ("masked_ntk", {"masked_ntk.smallest": "masked_ntk.smallest"}),
    ):
        drawn = lines_of(page, f"diagnostic-{name}")
        assert all(same_curve(drawn[line], metrics[own]) for line, own in lines.items())
    _, rows = Read(page).table("Diagnostics: measured; no theorem covers them")
    assert len(rows) == 4
    assert "Measured; no theorem covers them." in prose(page)
    assert "held against the theory" not in page


def test_what_was_trained_is_told_from_the_file_alone(run, page):
    said = prose(page)
    assert f"Sequential on {EVIL}: Bernoulli masks, p = {P}, ξ = 0.5" in said
    size = sum(p.numel() for p in network().parameters())
    for words in (
        f"parameters {size} ",
        "units 20 in 2 groups",
        "loss cross_entropy",
        "seed 3 ",
        "AdamW ( Parameter Group 0",
        "lr: 0.01",
        "its state between rounds reset",
        "outer optimiser none: the mean update is added",
        f"torch {torch.__version__} ",
        f"subnetlab {sl.__version__} ",
    ):
        assert words in said
    start, end = run.history.full_loss[[0, -1]]
    assert f"The training loss of the whole network fell from {start:.4g} to {end:.4g} in {K} rounds." in said
    _, groups = Read(page).table("The groups of units")
    shares = dict.fromkeys(run.cut.groups, 0.0)
    training = run.training
    for k in range(K):
        for group, M in training.masks(k).items():
            held = [any(M[l, r] for l in range(P)) for r in range(M.shape[1])]
            shares[group] += sum(held) / len(held) / K
    held = {(row["group"], row["start"]): row["value"] for row in values_of(page, "held")}
    drawn = {(group, k): M.any(axis=0).mean() for k in range(K) for group, M in training.masks(k).items()}
    assert held == pytest.approx(drawn, rel=1e-4)
    always = ["0.5", "in every round"]
    assert [row[:4] for row in groups] == [[LAYER, "12", *always], ["second", "8", *always]]
    assert [float(row[4]) for row in groups] == pytest.approx(list(shares.values()), rel=1e-3)
    header, entries = Read(page).table("Parameters and buffers")
    assert header == ["name", "shape", "kept as"]
    stored = [[name, " × ".join(map(str, p.shape)), "float32"] for name, p in network().named_parameters()]
    assert entries == sorted(stored)


def test_with_the_module_the_page_shows_what_is_cut(run, full_page, page):
    assert "<svg" not in re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    assert "need the module: --model" in page
    header, entries = Read(full_page).table("Parameters and buffers")
    assert header[-1] == "coverage"
    shares = dict.fromkeys(run.coverage(), 0.0)
    held = {LAYER: 0, "second": 1, "$out": 2}
    training = run.training
    for k in range(K):
        first, second = (M.astype(int) for M in training.masks(k).values())
        whole = np.ones((P, 1), dtype=int)
        sides = [(first, whole), (second, first), (whole, second)]
        for name in shares:
            layer, kind = name.rsplit(".", 1)
            out, into = sides[held[layer]]
            by_any = out.T @ (into if kind == "weight" else whole) > 0
            shares[name] += by_any.mean() / K
    assert [float(row[-1]) for row in entries] == pytest.approx(list(shares.values()), rel=1e-3)
    bars = {row["name"]: row["share"] for row in values_of(full_page, "coverage")}
    assert bars == pytest.approx(shares, rel=1e-4)
    assert list(bars) == list(shares)
    assert unescape(re.search(r"<pre[^>]*>(.*?)</pre>", full_page, re.DOTALL)[1]) == str(run.cut)
    picture = full_page[full_page.index("<svg ") : full_page.index("</svg>")]
    words = len("input") + len(LAYER.replace(" ", "")) + len("second") + len("$out") + len("output")
    assert picture.count("<use") > words
    assert "url(#" in picture and not re.search(r"url\((?!#)", picture)


def test_names_cannot_become_markup(page, full_page, folder):
    for content in (page, full_page):
        assert EVIL not in content and LAYER not in content
        read = Read(content)
        assert "img" not in read.tags
        assert [name for name, _ in read.attributes if name.startswith("on")] == []
        figures = content.count("<figure ") - content.count('<figure id="cut"')
        assert read.tags.count("script") == figures + 5  # the library, ours and the configuration
        ids = [value for name, value in read.attributes if name == "id"]
        assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_else_and_its_bytes_are_the_same_again(folder, page, full_page):
    assert sl.write_report(folder / "run.safetensors", folder / "again.html").name == "again.html"
    for content, model in ((page, None), (full_page, network())):
        again = sl.write_report(folder, folder / "again.html", model=model).read_text(encoding="utf-8")
        assert again == content
        markup = re.sub(r"<script\b[^>]*>.*?</script>", "", content, flags=re.DOTALL)
        addresses = re.findall(r"""\b(?:src|href)\s*=\s*"([^"]*)""", markup)
        assert {address[:1] for address in addresses} <= {"#", "d"}
        assert "@import" not in markup and len(content.encode()) < 3e6


def test_a_browser_draws_it_asks_for_nothing_and_runs_no_name(opened, folder, full_page):
    for width, touch in ((1280, False), (390, True)):
        shown = opened(folder / "full.html", width=width, touch=touch)
        assert shown.requests == [(folder / "full.html").resolve().as_uri()]
        assert shown.complaints == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.locator(".trouble, img").count() == 0
        empty = "[...document.querySelectorAll('.plot')].filter(plot => !plot.querySelector('svg path')).length"
        assert shown.evaluate(empty) == 0


def own_loop(path):
    scheme = sl.local_sgd(2, 3, 2, 0.1, batch_size=10)
    training = sl.ModuleTraining(sl.cut(network(), X[:2]), scheme, checkpoint=path)
    for round in training.rounds():
        for subnet in round:
            for x, y in subnet.batches((X, Y)):
                subnet.step(torch.nn.functional.cross_entropy(subnet.module(x), y))


def plain(path, **settings):
    scheme = sl.diloco(2, 3, 2, batch_size=10)
    run = sl.train(sl.cut(network(), X[:2]), X, Y, scheme, optimizer=torch.optim.SGD, verify=False, **settings)
    run.save(path)


def negative(output, y):
    return -torch.nn.functional.cross_entropy(output, y)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            own_loop,
            ["3 rounds made, and nothing of their course recorded.", "a loop of one's own", "None were asked for"],
        ),
        (plain, ["The mean loss of the subnetworks", "outer optimiser SGD ( Parameter Group 0", "were not kept"]),
        (lambda path: plain(path, record="none"), ["recorded nothing inside the rounds (record='none')"]),
        (lambda path: plain(path, record="rounds"), ["The training loss of the whole network fell", "record='rounds'"]),
        (lambda path: plain(path, loss=negative), ["loss a function", "Losses that are not above 0 are not drawn."]),
    ],
)
def test_what_was_not_recorded_is_said(tmp_path, make, says):
    make(tmp_path / "run.safetensors")
    said = prose(sl.write_report(tmp_path).read_text(encoding="utf-8"))
    for words in says:
        assert words in said


def test_a_run_that_diverged_says_so(tmp_path):
    with pytest.raises(sl.DivergenceError) as caught:
        sl.train(sl.cut(network(), 1e4 * X[:2]), 1e4 * X, Y, sl.local_sgd(2, 9, 3, 1e12, batch_size=10), verify=False)
    caught.value.run.save(tmp_path / "run.safetensors")
    said = prose(sl.write_report(tmp_path).read_text(encoding="utf-8"))
    assert "The run diverged in round" in said or "No round was completed. The run diverged" in said
    assert "lower the learning rate" in said


@pytest.fixture
def said(capsys):
    """``said(*arguments)``: exit code and message."""

    def call(*arguments):
        capsys.readouterr()
        code = main(list(map(str, arguments)))
        return code, capsys.readouterr().err

    return call


def test_the_theory_is_refused_with_what_to_do_instead(folder, said):
    for place in (folder, folder / "run.safetensors"):
        code, message = said("theory", place)
        assert code == 2
        assert message.startswith("subnetlab theory: run must be of a network with one hidden layer, got ")
        assert "no theorem of the paper covers it; `subnetlab report " in message
        assert message.count("\n") == 1
    assert sorted(file.suffix for file in folder.glob("theory*")) == []


OWN = """
import torch
from test_module_page import EVIL, network
made = network()
class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(6, 3))
def fails():
    raise RuntimeError("no weights here")
def nothing():
    return None
"""


def test_the_command_takes_the_network_by_its_name(folder, full_page, tmp_path, said, monkeypatch):
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "test_module_page", sys.modules[__name__])
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)
    out = tmp_path / "page.html"

    def page_with(name, place=folder):
        return said("report", place, "--out", out, "--model", f"own_nets:{name}")

    for name in ("network", "made"):
        assert page_with(name) == (0, "")
        assert out.read_text(encoding="utf-8") == full_page
        out.unlink()
    for name, message in {
        "absent": "report: --model must be module:Name of a function that makes the network, got 'own_nets:absent'",
        "fails": "report: model 'own_nets:fails' cannot be made (RuntimeError: no weights here)",
        "nothing": "report: --model must be module:Name of a function that makes the network, got 'own_nets:nothing'",
        "EVIL": "report: --model must be a torch.nn.Module, got str",
        "Net": "report: load_run: model must have the groups of the run ",
    }.items():
        code, told = page_with(name)
        assert (code, out.exists()) == (2, False)
        assert told.startswith(f"subnetlab {message}")
    code, told = said("report", folder, "--model", "own_nowhere:Net")
    assert (code, "got 'own_nowhere:Net' (No module named 'own_nowhere')" in told) == (2, True)


def test_a_model_is_for_the_run_of_a_module_alone(run_folder, tmp_path):
    with pytest.raises(ValueError, match="report: model must be given for the run of a module alone"):
        sl.write_report(run_folder, tmp_path / "page.html", model=network())


def test_of_several_runs_in_a_folder_one_must_be_named(folder, tmp_path, said):
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_bytes((folder / "run.safetensors").read_bytes())
    code, message = said("report", tmp_path)
    assert code == 2
    assert message.endswith("; of its runs of modules name one: a.safetensors, b.safetensors\n")
    assert said("report", tmp_path / "a.safetensors") == (0, "")
    assert (tmp_path / "a.html").exists()


def test_a_damaged_file_is_a_failure_in_one_line(folder, tmp_path, said):
    content = (folder / "run.safetensors").read_bytes()
    other = content.replace(b"subnetlab-module-run", b"subnetlab-module-ruN")
    for name, damaged in {"cut": content[:-100], "other": other}.items():
        (tmp_path / f"{name}.safetensors").write_bytes(damaged)
        code, message = said("report", tmp_path / f"{name}.safetensors")
        assert (code, message.count("\n")) == (1, 1)
        assert f"{name}.safetensors: " in message


def test_without_torch_one_line_says_what_to_install(folder, tmp_path, said, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setattr("subnetlab.report.library.find_spec", lambda name: None if name == "safetensors" else name)
    code, message = said("report", folder, "--out", tmp_path / "page.html")
    assert (code, message) == (1, "subnetlab report: the run of a module needs torch: pip install 'subnetlab[torch]'\n")
