"""What may be asked of the explorer."""

from dataclasses import asdict
from urllib.parse import parse_qs, urlencode

import pytest

from subnetlab.core.masks.table import plain_laws
from subnetlab.report.explore.settings import ExploreSettings, ModuleSettings, read_settings, stops_of


def test_an_empty_request_means_the_paper_s_settings():
    assert read_settings({}) == ExploreSettings()
    scheme = ExploreSettings().scheme()
    assert (scheme.masks.n_subnetworks, scheme.masks.selection_prob, scheme.local_steps) == (10, 0.5, 10)


@pytest.mark.parametrize("kind", [ExploreSettings, ModuleSettings])
def test_every_setting_has_a_control_that_offers_its_default_and_what_is_allowed(kind):
    defaults, stops = asdict(kind()), stops_of(kind)
    assert sorted(defaults) == sorted(stops)
    for name, offered in stops.items():
        assert defaults[name] in offered
        for stop in offered:
            assert getattr(read_settings(parse_qs(urlencode({name: stop})), kind), name) == stop


def test_the_laws():
    assert read_settings({"masks": ["categorical"], "n_subnetworks": ["4"]}).scheme().masks.selection_prob == 0.25
    assert read_settings({"masks": ["all"]}).scheme().masks.n_subnetworks == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("rounds=0", "explore: rounds must be at least 1, got 0"),
        ("rounds=9999999", "explore: rounds must be at most 5000 here, got 9999999"),
        ("rounds=2.5", "explore: rounds must be a whole number, got '2.5'"),
        ("rounds=", "explore: rounds must be a whole number, got ''"),
        ("selection_prob=1.2", "explore: selection_prob must be in (0, 1], got 1.2"),
        ("selection_prob=nan", "explore: selection_prob must be finite, got nan"),
        ("step_size=fast", "explore: step_size must be a number, got 'fast'"),
        ("step_size=-1", "TrainingScheme: step_size must be above 0, got -1.0"),
        ("width=1000000", "explore: width must be at most 100000 here, got 1000000"),
        (
            "masks=fixed",
            "explore: masks must be one of " + ", ".join(map(repr, plain_laws())) + ", got 'fixed'",
        ),
        ("seed=1&seed=2", "explore: seed must be given once, got 2 values"),
        ("file=/etc/passwd", "explore: 'file' is no setting; there are: masks, n_subnetworks, "),
        ("local_steps=auto", "explore: local_steps must be a whole number, got 'auto'"),
    ],
)
def test_what_breaks_a_rule_is_refused(query, message):
    with pytest.raises((TypeError, ValueError)) as refusal:
        read_settings(parse_qs(query, keep_blank_values=True))
    assert str(refusal.value).startswith(message)
