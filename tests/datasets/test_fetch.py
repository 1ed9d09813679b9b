"""The download, with a server on this machine: what it serves is verified, failures are one clear error."""

import io
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from subnetlab.datasets import DatasetNotFoundError, fetch, load_dataset
from subnetlab.datasets.crime import source
from subnetlab.datasets.crime.content import parse_crime
from subnetlab.datasets.fetch import DownloadError


@pytest.fixture
def server():
    """Serve ``server.files`` (path -> bytes) and note the paths asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            body = self.server.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"") + self.server.lost))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked, running.lost = {}, [], 0
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def dead_url():
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("communities.data", content)
    return file.getvalue()


def test_a_download_is_kept_in_the_cache(accepted, server, tmp_path, monkeypatch, capfd):
    server.files["/crime.zip"] = zipped(accepted.text(line_end="\r\n", missing=""))
    monkeypatch.setattr(source, "MIRRORS", (f"{server.url}/crime.zip",))
    first = load_dataset("crime").provenance["source"]
    assert first["kind"] == "download"
    assert first["url"] == f"{server.url}/crime.zip"
    assert first["path"] == str(tmp_path / "cache" / "communities.data")
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["communities.data"]
    assert load_dataset("crime").provenance["source"]["kind"] == "cache"
    assert server.asked == ["/crime.zip"]
    assert capfd.readouterr() == ("", "")  # pooch would advise a hash of the bytes


def test_the_next_mirror_serves_where_one_fails(accepted, server):
    server.files = {"/page": b"<html>sorry</html>", "/good": accepted.content}
    mirrors = [f"{server.url}/{name}" for name in ("missing", "page", "good", "unused")]
    url, table = fetch.fetch_first(mirrors, parse_crime)
    assert url == f"{server.url}/good"
    assert table.text == accepted.text()
    assert server.asked == ["/missing", "/page", "/good"]


def test_a_failed_download_is_one_error_that_names_the_ways(accepted, server, dead_url, monkeypatch):
    server.files["/page"] = b"<html>sorry</html>"
    monkeypatch.setattr(source, "MIRRORS", (f"{dead_url}/a", f"{server.url}/missing", f"{server.url}/page"))
    with pytest.raises(DatasetNotFoundError) as caught:
        load_dataset("crime")
    message = str(caught.value)
    for part in (
        "cannot be reached",
        "404",
        "got 1 in line 1",
        "path=",
        "SUBNETLAB_DATA",
        "cache folder",
        "data set 183",
    ):
        assert part in message
    fallback = load_dataset("auto")
    assert fallback.name == "diabetes"
    assert "cannot be reached" in fallback.provenance["why"]


def test_a_silent_host_is_asked_once(dead_url, monkeypatch):
    asked = []
    monkeypatch.setattr(fetch, "_fetch", lambda url, fetch=fetch._fetch: asked.append(url) or fetch(url))
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch.fetch_first([f"{dead_url}/a", f"{dead_url}/b"], parse_crime)
    assert asked == [f"{dead_url}/a"]


def test_a_broken_transfer_is_a_failure(accepted, server):
    server.files["/crime"], server.lost = accepted.content, 1000
    with pytest.raises(DownloadError, match=f"{server.url}/crime"):
        fetch.fetch_first([f"{server.url}/crime"], parse_crime)


def test_an_address_that_is_none_is_a_failure():
    with pytest.raises(DownloadError, match="nonsense"):
        fetch.fetch_first(["nonsense"], parse_crime)


def test_a_cache_that_cannot_be_written_costs_only_the_cache(accepted, server, tmp_path, monkeypatch):
    server.files["/crime"] = accepted.content
    monkeypatch.setattr(source, "MIRRORS", (f"{server.url}/crime",))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SUBNETLAB_CACHE", str(tmp_path / "file" / "cache"))
    facts = load_dataset("crime").provenance["source"]
    assert "not_cached" in facts
    assert "path" not in facts


def test_no_download_where_it_is_not_allowed(accepted, server, monkeypatch):
    monkeypatch.setattr(source, "MIRRORS", (f"{server.url}/crime",))
    assert load_dataset("auto", download=False).name == "diabetes"
    assert server.asked == []


def test_mirrors_are_uci_over_https():
    assert source.MIRRORS
    assert all(url.startswith("https://archive.ics.uci.edu/") for url in source.MIRRORS)
