"""Downloads with pooch; what a mirror gives is verified by its content, whatever its bytes."""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
_TIMEOUT = 15.0  # seconds to connect, and between two packets


class DownloadError(OSError):
    """No mirror gave the file."""


def fetch_first(mirrors: Sequence[str], parse: Callable[[bytes, str], T]) -> tuple[str, T]:
    """Return the first mirror that gives the right content, and the content.

    Parameters
    ----------
    mirrors : sequence of str
        Addresses of one file.
    parse : callable
        Takes the bytes and the address, returns the content; raises ValueError if it is not the right one.

    Raises
    ------
    DownloadError
        If no mirror does; it says what each one gave.
    """
    failures: list[str] = []
    silent_hosts: set[str] = set()
    for url in mirrors:
        host = urlsplit(url).netloc
        if host in silent_hosts:
            continue
        try:
            return url, parse(_fetch(url), url)
        except ConnectionError as error:
            silent_hosts.add(host)  # its other addresses would only cost time
            failures.append(f"{host} cannot be reached ({error})")
        except (OSError, ValueError) as error:
            message = str(error)
            failures.append(message if url in message else f"{url}: {message}")
    raise DownloadError("; ".join(failures))


def keep(files: Mapping[Path, bytes], place: Path) -> dict[str, str]:
    """Write files into the cache if that can be written; return ``place`` or the obstacle, for the provenance."""
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(content)
    except OSError as error:
        return {"not_cached": str(error)}
    return {"path": str(place.absolute())}


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
