"""Tests parametrised over engines by ``name``: skipped where the engine's extra is not installed, one thread."""

import pytest
from threadpoolctl import threadpool_limits

from subnetlab.engines.table import ENGINES


@pytest.fixture(autouse=True)
def _the_engine_is_installed(request):
    callspec = getattr(request.node, "callspec", None)
    entry = ENGINES.get(callspec.params.get("name")) if callspec else None
    if entry is None or entry.requires is None:
        yield
        return
    pytest.importorskip(entry.requires, reason=f"needs {entry.requires}: pip install 'subnetlab[{entry.requires}]'")
    with threadpool_limits(limits=1):  # small products; two threads mostly wait for each other
        yield
