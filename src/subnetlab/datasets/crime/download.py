"""Fetching Communities and Crime with pooch; what a mirror gives is verified, whatever its bytes."""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import DownloadError
from .content import parse_crime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .content import CrimeTable

_UCI = "https://archive.ics.uci.edu"
MIRRORS: tuple[str, ...] = (
    f"{_UCI}/static/public/183/communities+and+crime.zip",
    f"{_UCI}/ml/machine-learning-databases/communities/communities.data",
    f"{_UCI}/static/public/183/data.csv",
)
_TIMEOUT = 15.0  # seconds to connect, and between two packets


def download_crime(mirrors: Sequence[str] | None = None) -> tuple[str, CrimeTable]:
    """Return the first mirror that gives the right content, and the table.

    Raises
    ------
    DownloadError
        If no mirror does; it says what each one gave.
    """
    failures: list[str] = []
    silent_hosts: set[str] = set()
    for url in MIRRORS if mirrors is None else mirrors:
        host = urlsplit(url).netloc
        if host in silent_hosts:
            continue
        try:
            return url, parse_crime(_fetch(url), url)
        except ConnectionError as error:
            silent_hosts.add(host)  # its other addresses would only cost time
            failures.append(f"{host} cannot be reached ({error})")
        except (OSError, ValueError) as error:
            message = str(error)
            failures.append(message if url in message else f"{url}: {message}")
    raise DownloadError("; ".join(failures))


def _fetch(url: str) -> bytes:
    """Return what the address gives.

    Raises
    ------
    ConnectionError
        If its host does not answer.
    OSError, ValueError
        If it answers with an error, or is no address.
    """
    import pooch
    import requests

    downloader: Any = pooch.HTTPDownloader(timeout=_TIMEOUT)
    with tempfile.TemporaryDirectory(prefix="subnetlab-") as folder, _quiet(pooch.get_logger()):
        try:
            file = pooch.retrieve(url, known_hash=None, fname="download", path=folder, downloader=downloader)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise ConnectionError(type(error).__name__) from error
        return Path(file).read_bytes()


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from advising a byte hash: mirrors differ in bytes, the content is what is verified."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
