"""The old name of ``subnetlab.launch.process``, for scripts that start torchrun themselves."""

import runpy
import warnings

if __name__ == "__main__":
    warnings.warn(
        "subnetlab.engines.distributed.process is now subnetlab.launch.process", DeprecationWarning, stacklevel=1
    )
    runpy.run_module("subnetlab.launch.process", run_name="__main__", alter_sys=True)
