"""``python -m subnetlab`` is the program ``subnetlab``."""

import sys

from .cli.main import main

sys.exit(main())
