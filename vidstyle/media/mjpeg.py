"""The picture as a web page: Motion JPEG for OBS's browser source and for people, with statistics and control.

Loopback only, unless another address is named. Pages of other sites can neither read it nor steer it: `Host` must
be ours, and of commands `Origin` too. They may show the picture, which they cannot read, as overlays in OBS do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from vidstyle.errors import OutputError, UsageError, VidstyleError
from vidstyle.live.mailbox import Mailbox, MailboxClosed, MailboxEmpty
from vidstyle.media.http_server import LOOPBACK, QuietServer, begin_stream, is_foreign, named_host, stream_part
from vidstyle.media.jpeg import encode_jpeg
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound

PATIENCE = 2.0
"""Seconds that a client may leave a picture unread before it is dropped."""

LARGEST_COMMAND = 4096
"""Bytes of a command's JSON."""

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>vidstyle</title>
<style>html,body{margin:0;height:100%;background:#000;overflow:hidden}
img{width:100%;height:100%;object-fit:contain;display:block}</style>
<img id="picture" src="/stream" alt="the painted camera">
<script>
const picture = document.getElementById("picture");
picture.onerror = () => setTimeout(() => { picture.src = "/stream?" + Date.now(); }, 1000);
</script></html>
"""

Status = Callable[[], dict[str, Any]]
Perform = Callable[[str, Any], None]


class MjpegPage:
    """An HTTP server: `/` the page, `/stream` Motion JPEG, `/snapshot.jpg`, `/stats`, `/health`, `POST /control`.

    `status` gives the statistics, `perform` takes a command and its value. Every viewer has a mailbox of
    depth one: a slow one misses pictures, one that takes none for two seconds is dropped.
    """

    steady = False

    def __init__(self, url: str, *, status: Status, perform: Perform) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname or "127.0.0.1", parts.port if parts.port is not None else 8080
        except ValueError:
            raise UsageError(f"output {url!r}: write http://HOST:PORT") from None
        self.name = url
        self.status, self.perform = status, perform
        self.viewers_dropped = 0
        self.address = (host, port)
        self._server: _Server | None = None
        self._lock = threading.Lock()
        self._viewers: set[Mailbox[bytes]] = set()
        self._latest: LiveFrame | None = None

    def open(self, picture: PictureFormat) -> None:
        """Start serving. Raises OutputError if the address is taken or not ours."""
        try:
            self._server = _Server(self)
        except OSError as error:
            raise OutputError(
                f"{self.name}: cannot listen there ({error.strerror or error}); choose another port"
            ) from error
        self.address = (self.address[0], self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True).start()

    def write(self, frame: LiveFrame) -> None:
        """Hand one picture to everybody who is watching."""
        self._latest = frame
        with self._lock:
            viewers = list(self._viewers)
        if viewers:
            data = encode_jpeg(frame.image)
            for mailbox in viewers:
                mailbox.put(data)

    def hear(self, sound: Sound) -> None:
        """Pages carry no sound."""

    def close(self) -> None:
        """Stop serving; viewers see the stream end."""
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
        with self._lock:
            for mailbox in self._viewers:
                mailbox.close()

    def snapshot(self) -> bytes | None:
        """The last picture as JPEG; None before the first."""
        return encode_jpeg(self._latest.image) if self._latest else None

    def watch(self, send: Callable[[bytes], object]) -> None:
        """Give `send` every picture that it has time for, until it raises OSError or the page closes."""
        mailbox: Mailbox[bytes] = Mailbox()
        with self._lock:
            self._viewers.add(mailbox)
        try:
            if self._latest:
                mailbox.put(encode_jpeg(self._latest.image))
            while self._server:
                try:
                    send(mailbox.take(1.0))
                except MailboxEmpty:
                    continue
        except MailboxClosed:
            pass  # the session is over
        except OSError:
            self.viewers_dropped += 1
        finally:
            with self._lock:
                self._viewers.discard(mailbox)


class _Server(QuietServer):
    def __init__(self, page: MjpegPage) -> None:
        self.page = page
        super().__init__(page.address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        """The page, `/stream`, `/stats`, `/health` (503 while the camera is not live) and `/snapshot.jpg`."""
        self._body()
        if not self._let_in():
            return
        page, path = self.server.page, urlsplit(self.path).path
        if path == "/":
            self._answer(200, PAGE.encode(), "text/html; charset=utf-8")
        elif path == "/stream":
            self._stream()
        elif path == "/stats":
            self._json(200, page.status())
        elif path == "/health":
            status = page.status()
            live = status.get("camera_state") == "live"
            self._json(200 if live else 503, {"ok": live, "camera": status.get("camera_state")})
        elif path == "/snapshot.jpg" and (data := page.snapshot()):
            self._answer(200, data, "image/jpeg")
        else:
            self._json(404, {"error": f"nothing at {path}"})

    def do_POST(self) -> None:
        """`{"command": "strength", "value": 0.5}`"""
        body = self._body()
        if not self._let_in():
            return
        if is_foreign(self.headers):
            self._json(403, {"error": "pages of other sites may not ask"})
        elif urlsplit(self.path).path != "/control":
            self._json(404, {"error": "commands go to /control"})
        elif self.headers.get_content_type() != "application/json":
            self._json(415, {"error": "commands are application/json"})
        elif body is None:
            self._json(413, {"error": f"commands have up to {LARGEST_COMMAND} bytes"})
        else:
            self._perform(body)

    def _body(self) -> bytes | None:
        """What comes with the request, whoever sends it; None if it is too long, and the last of its connection.

        What stayed in the connection would be taken for the next request: any site could write one in our name.
        """
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > LARGEST_COMMAND:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _perform(self, body: bytes) -> None:
        try:
            order = json.loads(body)
        except (ValueError, RecursionError):  # the latter from a thousand brackets within each other
            order = None
        if not isinstance(order, dict) or not isinstance(order.get("command"), str):
            self._json(400, {"error": 'write a command like {"command": "strength", "value": 0.5}'})
            return
        try:
            self.server.page.perform(order["command"], order.get("value"))
        except VidstyleError as error:
            self._json(400, {"error": str(error)})
        else:
            self._json(200, {"ok": True})

    def _stream(self) -> None:
        begin_stream(self)
        self.server.page.watch(lambda data: self.connection.sendall(stream_part(data)))

    def _let_in(self) -> bool:
        """Against DNS rebinding: a page under a foreign name that resolves to us may not look in."""
        if self.server.page.address[0] in LOOPBACK and named_host(self.headers.get("Host")) not in LOOPBACK:
            self._json(403, {"error": "this page is for this machine only"})
            return False
        return True

    def _json(self, code: int, value: dict[str, Any]) -> None:
        self._answer(code, json.dumps(value).encode(), "application/json")

    def _answer(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are not logged."""
