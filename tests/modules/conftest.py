"""What the tests of this room share."""

import logging
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
logging.getLogger("torch.__trace").propagate = False  # thousands of records an export, kept for every failing test
sys.path.append(str(Path(__file__).parent))  # networks.py, plain_networks.py and plain_training.py are imported by name
