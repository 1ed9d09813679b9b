"""`subnetlab explore`: a local page that trains live while settings are changed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from .options import DataOptions


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab explore`."""

    data: DataOptions = field(default_factory=DataOptions)
    port: int | None = None
    """Port of the loopback address; 8765 if not given, or a free one where that is taken."""
    open: bool = False
    """Open the page in the browser."""
    quiet: bool = False
    """Print the address alone."""


def run(options: Options) -> int:
    """Serve until Ctrl-C."""
    from ..datasets import headline
    from ..report.explore.server import Explorer

    if options.port is not None and not 0 <= options.port <= 65535:
        raise ValueError(f"explore: port must be in [0, 65535], got {options.port}")
    data = options.data.load()
    explorer = Explorer(data, options.port)
    print(explorer.url, flush=True)
    if not options.quiet:
        print(f"{headline(data)}\nOpen the address in a browser; Ctrl-C stops.", file=sys.stderr)
    if options.open:
        import webbrowser

        webbrowser.open(explorer.url)
    try:
        explorer.serve()
    except KeyboardInterrupt:  # the way to end it, so no failure
        print("stopped", file=sys.stderr)
    return 0
