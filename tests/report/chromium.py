"""A headless Chromium, driven over a pipe by the DevTools protocol: what the tests of pages need, and no more.

https://chromedevtools.github.io/devtools-protocol. With ``--remote-debugging-pipe`` the browser reads JSON messages,
each ended by a zero byte, from file descriptor 3 and answers on 4: neither a port nor a web socket is needed.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)


def find_chromium():
    """The path of the browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One browser; a context manager that ends it."""

    def __init__(self, path, timeout=30.0):
        self._timeout = timeout
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        pipes = [*os.pipe(), *os.pipe()]
        # moved out of the way of the numbers 3 and 4, which the browser's ends are to get
        to_browser, self._out, self._in, from_browser = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipes)
        self._process = os.posix_spawn(
            path,
            [path, *_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, to_browser, 3),
                (os.POSIX_SPAWN_DUP2, from_browser, 4),
            ],
        )
        for end in (*pipes, to_browser, from_browser):
            os.close(end)
        self._numbers = itertools.count(1)
        self._rest = b""
        self._waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        os.close(self._out)
        os.close(self._in)
        os.kill(self._process, signal.SIGTERM)
        os.waitpid(self._process, 0)
        self._profile.cleanup()

    def open(self, place, *, width=1280, height=900, scheme="light", media="", touch=False):
        """A page that shows a file without a network, or an address of this machine, once its figures are drawn."""
        served = str(place).startswith("http://127.0.0.1:")
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        if not served:
            page.call(
                "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
            )
        page.resize(width, height, touch=touch)
        page.prefer(scheme, media)
        page.call("Page.navigate", url=place if served else Path(place).resolve().as_uri())
        page.wait("document.documentElement?.dataset.drawn === 'yes'")
        return page

    def call(self, method, session=None, **parameters):
        """The answer to one command."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._waiting.append(answer)

    def events(self):
        """Take the events that came while commands were answered."""
        events, self._waiting = self._waiting, []
        return events

    def receive(self):
        """The next message of the browser."""
        end = time.monotonic() + self._timeout
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            read = os.read(self._in, 1 << 16) if ready else b""
            if not read:
                raise TimeoutError("the browser does not answer")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


class Page:
    """A page, and what it asked for and complained about."""

    def __init__(self, browser, session, target):
        self._browser, self._session, self._target = browser, session, target
        self.requests, self.complaints = [], []

    def call(self, method, **parameters):
        """The answer to a command about this page."""
        result = self._browser.call(method, self._session, **parameters)
        for event in self._browser.events():
            self._note(event)
        return result

    def run(self, script):
        """The value of an expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition, seconds=20.0):
        """Return when the expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition}: not true after {seconds} s; {self.complaints}")
            time.sleep(0.02)

    def resize(self, width, height, touch=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)

    def prefer(self, scheme, media=""):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def press(self, key, code):
        """Press a key on whatever has the focus."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, x, y, to_x, to_y):
        steps = [("mousePressed", x, y), ("mouseMoved", (x + to_x) / 2, to_y), ("mouseMoved", to_x, to_y)]
        for kind, at_x, at_y in [*steps, ("mouseReleased", to_x, to_y)]:
            self.call("Input.dispatchMouseEvent", type=kind, x=at_x, y=at_y, button="left", buttons=1, clickCount=1)

    def picture(self, full=False):
        """A PNG of what is seen, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        return base64.b64decode(answer["data"])

    def paper(self):
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _note(self, event):
        method, about = event.get("method"), event.get("params", {})
        if event.get("sessionId") != self._session:
            return
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.complaints.append([argument.get("value", argument.get("description")) for argument in about["args"]])
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(about["entry"]["text"])
