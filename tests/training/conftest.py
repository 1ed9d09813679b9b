"""What the tests of this room share: other_json.py is imported by name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
