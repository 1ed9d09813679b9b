"""What a file says of the versions that made it."""

import platform

import numpy as np

import subnetlab as sl
from subnetlab.versions import versions


def test_versions_are_those_that_run_here():
    said = versions()
    assert (said["subnetlab"], said["numpy"]) == (sl.__version__, np.__version__)
    assert (said["python"], said["machine"]) == (platform.python_version(), platform.machine())
    assert all(isinstance(value, str) for value in said.values())
