"""What the tests of this room share."""

import logging

import pytest

pytest.importorskip("torch")
logging.getLogger("torch.__trace").propagate = False  # thousands of records an export, kept for every failing test
