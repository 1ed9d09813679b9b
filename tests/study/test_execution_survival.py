"""A short run of the heavy test in stress/studies_kills.py: kill -9 of parents and workers."""

import importlib.util
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_lost_when_processes_are_killed(repository, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("studies_kills", repository / "stress" / "studies_kills.py")
    kills = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "studies_kills", kills)  # dataclasses look their module up
    spec.loader.exec_module(kills)
    monkeypatch.setattr(kills, "PROGRESS", 4)
    monkeypatch.setattr(kills, "GRACE", 120.0)  # they die at once; on a busy machine the kernel takes its time
    report = kills.survive(3, tmp_path, seed=5, seeds_per_study=4)
    assert report.kills == 3
    assert report.acknowledged > 0
    assert (report.lost, report.torn, report.failed_integrity_checks, report.orphans) == (0, 0, 0, 0)
    assert report.studies_with_another_table == 0
    assert report.problems == []
