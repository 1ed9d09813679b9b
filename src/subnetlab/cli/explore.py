"""`subnetlab explore`: a local page that trains live while settings are changed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from .named_network import named_network
from .options import DataOptions


@dataclass(frozen=True)
class Options:
    """Options of `subnetlab explore`."""

    data: DataOptions = field(default_factory=DataOptions)
    model: Annotated[str | None, tyro.conf.arg(metavar="MODULE:NAME")] = None
    """module:Name of a function without arguments that makes a PyTorch network, or of the network: it is trained in
    the place of the network with one hidden layer, on class labels or numbers."""
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
    from ..report.library import check_installed, check_torch

    if options.port is not None and not 0 <= options.port <= 65535:
        raise ValueError(f"explore: port must be in [0, 65535], got {options.port}")
    check_installed("explore")
    data = options.data.load() if options.model is None else options.data.load_any()
    if options.model is None:
        from ..report.explore.live import shallow_subject

        subject = shallow_subject(data)
    else:
        check_torch("explore")
        from ..report.explore.live_module import module_subject

        subject = module_subject(named_network(options.model, owner="explore"), data)
    explorer = Explorer(subject, options.port)
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
