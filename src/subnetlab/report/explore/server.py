"""The explorer's server: the standard library's, on this machine's loopback address only.

Addresses: ``/`` and the page's files, and ``/live?...`` which trains and streams events (server-sent events, one
JSON object each). Every stream is a thread with a training of its own, so any number of tabs can be open; a tab that
goes away, or asks for something else, ends its stream at the next round.
"""

from __future__ import annotations

import ipaddress
import json
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from .page import page_files
from .settings import read_settings

if TYPE_CHECKING:
    from .subject import Subject

ADDRESS = "127.0.0.1"
PORT = 8765
MOST_STREAMS = 8
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src data:"
)


class Explorer(ThreadingHTTPServer):
    """The explorer of one network on one dataset.

    Parameters
    ----------
    subject : Subject
    port : int, optional
        0 takes any free one; None takes 8765, or any free one if that is taken.

    Raises
    ------
    OSError
        If the port is taken.
    ImportError
        If the extra "report" is not installed.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, subject: Subject, port: int | None = None) -> None:
        self.subject = subject
        self.files = page_files(subject)
        self.stopping = threading.Event()
        self.streams = threading.BoundedSemaphore(MOST_STREAMS)
        try:
            super().__init__((ADDRESS, PORT if port is None else port), Handler)
        except OSError as error:
            if port is not None:
                raise OSError(f"explore: port must be free, got {port} ({error.strerror})") from error
            super().__init__((ADDRESS, 0), Handler)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def serve(self) -> None:
        """Answer until Ctrl-C, or until `shutdown` is called from another thread; then end all streams."""
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self.stopping.set()
            self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong in one line; a reader that has gone is no error."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"subnetlab explore: {type(error).__name__}: {error}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server_version = "subnetlab"
    sys_version = ""
    timeout = 10.0  # seconds of a read or a write: a reader that stalls gives up its stream

    @property
    def _explorer(self) -> Explorer:
        return cast("Explorer", self.server)

    def do_GET(self) -> None:
        """Send a file or a stream."""
        refusal = self._refusal()
        if refusal:
            self._send(403, "text/plain", refusal.encode())
            return
        address = urlsplit(self.path)
        if address.path == "/live":
            self._stream(address.query)
        elif address.path in self._explorer.files:
            file = self._explorer.files[address.path]
            self._send(200, file.kind, file.content)
        else:
            self._send(404, "text/plain", b"explore: there is nothing here; the page is at /\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the terminal is the user's."""

    def _refusal(self) -> str | None:
        """Return why a request is refused: pages of other sites may neither read from here nor train here."""
        host = self.headers.get("Host", "")
        if not _is_loopback(host):
            return f"explore: the host must be localhost or a loopback address, got {host!r}\n"
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "explore: other sites may not ask\n"
        return None

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self._headers(kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _headers(self, kind: str) -> None:
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")

    def _stream(self, query: str) -> None:
        self.send_response(200)
        self._headers("text/event-stream")
        self.end_headers()
        if not self._explorer.streams.acquire(blocking=False):
            self._event({"event": "refused", "message": f"{MOST_STREAMS} runs are at work already; close a tab"})
            return
        try:
            subject = self._explorer.subject
            settings = read_settings(parse_qs(query, keep_blank_values=True), subject.settings)
            with closing(subject.events(settings)) as events:
                for event in events:
                    if self._explorer.stopping.is_set():
                        return
                    self._event(event)
        except (TypeError, ValueError, ArithmeticError, MemoryError) as error:
            self._event({"event": "refused", "message": str(error).removeprefix("explore: ")})
        finally:
            self._explorer.streams.release()

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event, allow_nan=False)}\n\n".encode())


def _is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine: at any port, as a forwarded one has another, in any case."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
