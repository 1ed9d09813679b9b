"""What the extra ``report`` brings, and what draws the charts in the browser: Vega with its embedding."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec


def check_installed(owner: str) -> None:
    """Raise ImportError unless altair, which describes charts, and vl-convert, which brings Vega, are installed."""
    if any(find_spec(name) is None for name in ("altair", "vl_convert")):  # altair brings jinja2
        raise ImportError(f"{owner}: needs altair and vl-convert: pip install 'subnetlab[report]'")


def check_torch(owner: str) -> None:
    """Raise ImportError unless torch and safetensors, which runs of modules are kept in, are installed."""
    if any(find_spec(name) is None for name in ("torch", "safetensors")):
        raise ImportError(f"{owner}: the run of a module needs torch: pip install 'subnetlab[torch]'")


@cache
def vega() -> str:
    """Return the script that defines ``vegaEmbed``, fit to stand inside a page; making it takes about a second."""
    from vl_convert import javascript_bundle

    return javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
