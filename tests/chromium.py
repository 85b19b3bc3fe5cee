"""Chromium without a window, driven over its DevTools protocol: what a test needs of it and no more."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDED = "chromium is not installed: apt-get install -y --no-install-recommends chromium fonts-nanum"
PATIENCE = 120  # seconds, of a machine that does other things too


class Browser:
    """One page. requests: addresses it asked for; errors: what console, scripts and network complained of."""

    def __init__(self, profile: Path):
        import websocket

        told = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--remote-allow-origins=*", "--remote-debugging-port=0", "--disable-background-networking",
                "--disable-component-update"]  # fmt: skip
        if os.geteuid() == 0:
            told.append("--no-sandbox")  # which Chromium asks of root
        self.process = subprocess.Popen([PROGRAM, *told, f"--user-data-dir={profile}", "about:blank"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        self.requests, self.errors, self.count = [], [], itertools.count(1)
        try:
            port = self._until(lambda: (profile / "DevToolsActivePort").read_text().split()[0])
            page = self._until(lambda: _page(port))
            self.socket = websocket.create_connection(page, timeout=PATIENCE)
            for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
                self.send(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def _until(self, look):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return look()
            except (OSError, IndexError, StopIteration):
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def send(self, method: str, **params) -> dict:
        number = next(self.count)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._heard(message)

    def _heard(self, message: dict) -> None:
        kind, told = message.get("method"), message.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"].get("exception", told["exceptionDetails"]).get("description"))
        elif kind == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(str(told["args"]))

    def run(self, script: str):
        """The value of an expression, or of the promise that it is."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str):
        """Until the expression is true; its value."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, (script, self.errors, self.run("document.body.innerText"))
            time.sleep(0.05)
        return value

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address)}) && document.documentElement?.dataset.ready")

    def upload(self, selector: str, *paths: Path) -> None:
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def look(self, width: int, dark: bool = False) -> None:
        """As on a screen of this width."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme",
                                                           "value": "dark" if dark else "light"}])  # fmt: skip

    def picture(self, path: Path) -> None:
        """Of the whole page."""
        taken = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


def _page(port: str) -> str:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE) as answer:
        return next(each["webSocketDebuggerUrl"] for each in json.load(answer) if each["type"] == "page")
