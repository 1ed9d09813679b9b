"""Progress without a terminal: a line a minute. The bar is seen in study/test_execution_terminal.py."""

from types import SimpleNamespace

import pytest

from subnetlab import progress


@pytest.fixture
def rounds(monkeypatch, capsys):
    """What is printed while some of 100 rounds take so many seconds each; stderr is no terminal here."""
    now = [1000.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def run(count, seconds, *, steps=1, **how):
        with progress.progress_bar(100, "round", **how) as advance:
            for _ in range(count):
                now[0] += seconds
                advance("error 0.5", steps)
        said = capsys.readouterr()
        assert said.out == ""
        return said.err.splitlines()

    return run


def test_a_line_a_minute_says_how_far_it_is_and_what_is_left(rounds):
    assert rounds(7, 25) == [
        "round 3 of 100, error 0.5, about 40 min left",  # 97 rounds of 25 seconds
        "round 6 of 100, error 0.5, about 39 min left",
    ]


def test_what_was_done_before_says_nothing_about_the_pace(rounds):
    assert rounds(1, 60, done=98) == ["round 99 of 100, error 0.5, about 60 s left"]


def test_without_a_step_there_is_a_line_and_no_guess(rounds):
    assert rounds(1, 61, steps=0) == ["round 0 of 100, error 0.5"]


@pytest.mark.parametrize(("count", "seconds", "how"), [(59, 1, {}), (100, 0.5, {}), (5, 1000, {"quiet": True})])
def test_short_work_and_quiet_work_print_nothing(rounds, count, seconds, how):
    assert rounds(count, seconds, **how) == []


def test_the_last_step_needs_no_line(rounds):
    assert rounds(1, 90, done=99) == []
