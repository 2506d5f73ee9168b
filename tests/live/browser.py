"""A headless Chromium and just enough of its DevTools protocol to take a screenshot of a page that never ends."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """Shows `url`; `screenshot` gives a PNG, `evaluate` a value of the page's own."""

    def __init__(self, url: str, profile: Path, *, width: int = 640, height: int = 480) -> None:
        assert CHROMIUM
        plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self._process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--window-size={width},{height}", "--hide-scrollbars",
             f"--user-data-dir={profile}", url],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=plain,
        )  # fmt: skip
        self._count = 0
        port_file = profile / "DevToolsActivePort"
        until = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert time.monotonic() < until, "Chromium does not start"
            assert self._process.poll() is None, "Chromium has ended"
            time.sleep(0.1)
        self._connect(int(port_file.read_text().splitlines()[0]))

    def _connect(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=20) as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        path = page["webSocketDebuggerUrl"].split(str(port), 1)[1]
        self._socket = socket.create_connection(("127.0.0.1", port), 20)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._stream = self._socket.makefile("rb")
        assert b"101" in self._stream.readline()
        while self._stream.readline() != b"\r\n":
            pass

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result."""
        self._count += 1
        data = json.dumps({"id": self._count, "method": method, "params": parameters}).encode()
        mask = b"\0\0\0\0"  # a mask of zeros leaves the data as it is
        self._socket.sendall(struct.pack("!BBH", 0x81, 0x80 | 126, len(data)) + mask + data)
        while True:
            message = json.loads(self._receive())
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]

    def _receive(self) -> bytes:
        data = b""
        while True:
            first, length = self._stream.read(2)
            length &= 0x7F
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self._stream.read(size), "big")
            data += self._stream.read(length)
            if first & 0x80:
                return data

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def evaluate(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return result["result"].get("value")

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
