"""The explorer's server: who may ask, what is answered, several tabs, an end that leaves nothing behind."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import subnetlab as sl
from subnetlab.report.explore import server as explore_server
from subnetlab.report.explore.live import shallow_subject

pytest.importorskip("altair", reason="needs the extra 'report'")
pytest.importorskip("vl_convert", reason="needs the extra 'report'")


@pytest.fixture(scope="module")
def explorer():
    explorer = explore_server.Explorer(shallow_subject(sl.load_dataset("diabetes", n_samples=30)), port=0)
    thread = threading.Thread(target=explorer.serve)
    thread.start()
    yield explorer
    explorer.shutdown()
    thread.join(10)
    assert not thread.is_alive()


def ask(explorer, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", explorer.server_port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer, answer.read().decode()


def stream(explorer, query):
    answer, text = ask(explorer, f"/live?{query}")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]


def test_it_listens_on_the_loopback_address_alone(explorer):
    assert explorer.server_address[0] == "127.0.0.1"
    assert explorer.url == f"http://127.0.0.1:{explorer.server_port}/"


def test_the_page_needs_nothing_from_elsewhere(explorer):
    answer, page = ask(explorer, "/")
    assert answer.status == 200
    assert "diabetes: 30 rows" in page
    assert "http://" not in page
    assert "https://" not in page.replace("https://vega.github.io/schema/", "")  # a name, never asked for
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    for path in ("/figures.js", "/rounds.js", "/explore.js", "/explore.css", "/vega.js"):
        assert path[1:] in page
        assert ask(explorer, path)[0].status == 200


def test_what_is_not_there(explorer):
    for path in ("/nothing", "/../explore.js", "/assets/explore.html", "/etc/passwd"):
        assert ask(explorer, path)[0].status == 404
    assert ask(explorer, "/", method="POST")[0].status == 501


def test_other_names_and_other_sites_are_refused(explorer):
    """Against DNS rebinding, and against pages of other sites that would train here."""
    assert ask(explorer, "/", Host="example.com")[0].status == 403
    assert ask(explorer, "/", Host=f"localhost:{explorer.server_port}")[0].status == 200
    answer, text = ask(explorer, "/live?rounds=2", Sec_Fetch_Site="cross-site")
    assert (answer.status, text) == (403, "explore: other sites may not ask\n")
    assert ask(explorer, "/live?rounds=2&width=20", Sec_Fetch_Site="same-origin")[0].status == 200


def test_a_stream_trains(explorer):
    events = [event["event"] for event in stream(explorer, "rounds=3&width=50&n_subnetworks=2")]
    assert events == ["start", "prediction", "round", "round", "round", "end"]


def test_wrong_settings_are_refused_with_the_rule(explorer):
    assert stream(explorer, "rounds=0") == [{"event": "refused", "message": "rounds must be at least 1, got 0"}]


def test_two_tabs_at_once_get_what_each_gets_alone(explorer):
    queries = ["rounds=20&width=200&seed=1", "rounds=20&width=300&seed=2"]
    alone = [stream(explorer, query)[:-1] for query in queries]  # the last event holds seconds
    together = [None, None]

    def tab(i):
        together[i] = stream(explorer, queries[i])[:-1]

    tabs = [threading.Thread(target=tab, args=(i,)) for i in range(2)]
    for thread in tabs:
        thread.start()
    for thread in tabs:
        thread.join()
    assert together == alone


def test_a_tab_that_goes_away_ends_its_training(explorer):
    connection = http.client.HTTPConnection("127.0.0.1", explorer.server_port, timeout=30)
    connection.request("GET", "/live?rounds=5000&width=2000")
    answer = connection.getresponse()
    assert b"start" in answer.fp.readline()
    assert explorer.streams._value == explore_server.MOST_STREAMS - 1
    answer.close()
    connection.close()
    deadline = time.monotonic() + 20
    while explorer.streams._value < explore_server.MOST_STREAMS:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_too_many_tabs_are_told_so(explorer):
    for _ in range(explore_server.MOST_STREAMS):
        assert explorer.streams.acquire(blocking=False)
    try:
        (event,) = stream(explorer, "rounds=1&width=10")
    finally:
        explorer.streams.release(explore_server.MOST_STREAMS)
    assert event == {"event": "refused", "message": "8 runs are at work already; close a tab"}


def test_a_taken_port_is_refused_only_if_it_was_asked_for(explorer, monkeypatch):
    with pytest.raises(OSError, match=rf"explore: port must be free, got {explorer.server_port} \("):
        explore_server.Explorer(explorer.subject, explorer.server_port)
    monkeypatch.setattr(explore_server, "PORT", explorer.server_port)
    other = explore_server.Explorer(explorer.subject)
    assert other.server_port != explorer.server_port
    other.server_close()


def test_the_command_stops_on_ctrl_c_while_it_trains():
    # Python's own handler: where tests run in the background, the shell has made Python ignore Ctrl-C
    main = (
        "import signal, sys; from subnetlab.cli.main import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", main, "explore", "--dataset", "diabetes", "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/live?rounds=5000&width=4000")
    assert b"start" in connection.getresponse().fp.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors.endswith("Ctrl-C stops.\nstopped\n")
    connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9000", 200),  # ssh -L 9000:127.0.0.1:8765
        ("LocalHost:1", 200),
        ("localhost", 200),
        ("[::1]:9000", 200),
        ("127.0.0.2", 200),
        ("localhost.example.com", 403),
        ("127.0.0.1.example.com:9000", 403),
        ("10.0.0.1:9000", 403),
        ("user@example.com", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_loopback_names_at_any_port_are_this_machine(explorer, host, status):
    assert ask(explorer, "/", Host=host)[0].status == status


def test_readers_that_stall_give_up_their_streams(explorer, monkeypatch):
    """Each asks for more than its buffers hold and reads nothing; the test waits for the streams to come back."""
    monkeypatch.setattr(explore_server.Handler, "timeout", 0.2)
    stalled = []
    for _ in range(explore_server.MOST_STREAMS):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", explorer.server_port))
        query = "rounds=2000&width=20&n_subnetworks=2&local_steps=1"
        connection.sendall(f"GET /live?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while b'"start"' not in answer:  # it has its stream
            answer += connection.recv(64)
        stalled.append(connection)
    silent = socket.create_connection(("127.0.0.1", explorer.server_port))  # and one that asks for nothing
    assert silent.recv(1) == b""
    while explorer.streams._value < explore_server.MOST_STREAMS:
        time.sleep(0.01)
    assert stream(explorer, "rounds=1&width=20")[-1]["event"] == "end"
    for connection in (*stalled, silent):
        connection.close()
