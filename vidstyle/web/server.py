"""The studio's HTTP server: lets requests in, hands them to their routes, sends the answers."""

from __future__ import annotations

import errno
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, quote, urlsplit

from vidstyle.errors import InputError, OutputError, StyleError, UsageError, VidstyleError
from vidstyle.media.http_server import QuietServer, begin_stream, stream_part
from vidstyle.web.artist import Superseded
from vidstyle.web.exchange import (
    Answer,
    Content,
    File,
    Forbidden,
    NothingThere,
    OutOfRange,
    Request,
    Stream,
    as_json,
    read_length,
    read_range,
)
from vidstyle.web.gate import Gate
from vidstyle.web.routes import find_route
from vidstyle.web.studio import Studio

DEFAULT_PORT = 8420

PATIENCE = 30.0
"""Seconds that a visitor may leave us waiting in the middle of something."""

_PIECE = 1 << 18
"""Bytes of a file that are sent at once."""

_DRAINED = 1 << 20
"""Bytes of a refused request that are still read after the answer, so that the visitor gets to read why."""

_DRAIN_PATIENCE = 0.5
"""Seconds to wait for them."""

_WRONG_HOST = (errno.EADDRNOTAVAIL, errno.EINVAL, socket.EAI_NONAME)
"""What the system says of an address that is not this machine's, or none."""

_CODES: tuple[tuple[type[VidstyleError], int], ...] = (
    (Forbidden, 403),
    (NothingThere, 404),
    (Superseded, 409),
    (OutOfRange, 416),
    (UsageError, 400),
    (StyleError, 400),
    (InputError, 422),
)
"""HTTP's numbers for our errors; for all others it is 500."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""What every answer says: nothing but our own files is loaded, shown or framed, by us or by others."""


class StudioServer:
    """Serves `studio` at `host`, a name or address, while it is open as a context manager."""

    def __init__(self, studio: Studio, *, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        """Listen; a port of 0 takes any. Raises OutputError if that is not possible."""
        try:
            self._server = _Server(studio, (host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            wrong = "--host" if getattr(error, "errno", None) in _WRONG_HOST else "--port"
            raise OutputError(f"cannot listen at {host}:{port}: {reason}; choose another {wrong}") from error
        self.gate = self._server.gate
        name = _own_address() if host in ("0.0.0.0", "::", "") else host
        shown = f"[{name}]" if ":" in name else name
        token = f"?token={self.gate.token}" if self.gate.token else ""
        self.url = f"http://{shown}:{self._server.server_port}/{token}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _own_address() -> str:
    """Where other machines reach this one: where its route outwards begins, or its name, which fewer of them know."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: only the route is looked up
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


class _Server(QuietServer):
    block_on_close = False  # a visitor who is still watching is sent away by the studio's end

    def __init__(self, studio: Studio, address: tuple[str, int]) -> None:
        self.studio = studio
        super().__init__(address, _Handler)
        self.gate = Gate.for_address(address[0], self.server_port)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "vidstyle", ""
    timeout = PATIENCE
    _length: int | None = None
    _unread = 0
    _is_cut_off = False

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        self._measure()
        try:
            if self._let_in():
                return
            self._send(self._answer(method))
        except VidstyleError as error:
            code = next((code for kind, code in _CODES if isinstance(error, kind)), 500)
            self._fail(code, str(error))
        except OSError:
            raise  # the visitor has left, or a file breaks off whose beginning is sent
        except Exception as error:
            self._fail(500, f"unexpected {type(error).__name__}: {error}")

    def _measure(self) -> None:
        """How long the body is. One of unknown length is not taken, and the last of its connection.

        What stayed in the connection would be taken for the next request: any site could write one in our name.
        """
        chunked, said = "Transfer-Encoding" in self.headers, self.headers.get_all("Content-Length", [])
        self._length = read_length(said[0]) if len(said) == 1 and not chunked else None
        is_unknown = self._length is None and (chunked or bool(said))
        self._unread = _DRAINED if is_unknown else self._length or 0

    def _let_in(self) -> bool:
        """Exchange the address's token for a cookie; True if the visitor was sent on with it. Raises Forbidden."""
        url = urlsplit(self.path)
        token = dict(parse_qsl(url.query)).get("token", "")
        gate = self.server.gate
        if url.path == "/" and gate.admits(token):
            self._begin(303, {"Location": "/", "Content-Length": "0",
                              "Set-Cookie": f"{gate.cookie}={token}; HttpOnly; SameSite=Strict; Path=/"})  # fmt: skip
            return True
        gate.check(self.headers)
        return False

    def _answer(self, method: str) -> Answer:
        url = urlsplit(self.path)
        route, names = find_route(method, url.path)
        request = Request(
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            kind=self.headers.get_content_type() if "Content-Type" in self.headers else "",
            length=self._length,
            read=self._read,
            range=self.headers.get("Range", ""),
        )
        try:
            return route(self.server.studio, request, *names)
        except OSError as error:
            if self._is_cut_off:
                raise
            raise OutputError(f"unexpected {type(error).__name__}: {error}") from error

    def _read(self, count: int) -> bytes:
        try:
            data = self.rfile.read(min(count, self._unread))
        except OSError:
            self._is_cut_off = True
            raise
        self._unread -= len(data)
        return data

    def _send(self, answer: Answer) -> None:
        match answer:
            case Content():
                self._send_content(answer)
            case File():
                self._send_file(answer)
            case Stream():
                self._send_stream(answer)

    def _send_content(self, content: Content, *, code: int = 200) -> None:
        self._begin(code, {"Content-Type": content.kind, "Content-Length": str(len(content.data)), **content.headers})
        self.wfile.write(content.data)

    def _send_file(self, answer: File) -> None:
        try:
            file = answer.path.open("rb")
        except OSError as error:
            raise NothingThere(f"{answer.path.name} is no longer where it was: {error.strerror or error}") from error
        with file:
            size = os.fstat(file.fileno()).st_size
            span = read_range(answer.range, size)
            first, last = span or (0, size - 1)
            headers = {"Content-Type": answer.kind, "Content-Length": str(last - first + 1), "Accept-Ranges": "bytes"}
            if span:
                headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            if answer.save_as:
                headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(answer.save_as)}"
            self._begin(206 if span else 200, headers)
            file.seek(first)
            left = last - first + 1
            while left and (piece := file.read(min(left, _PIECE))):
                self.wfile.write(piece)
                left -= len(piece)

    def _send_stream(self, answer: Stream) -> None:
        begin_stream(self)
        answer.watch(lambda data: self.connection.sendall(stream_part(data)))

    def _fail(self, code: int, message: str) -> None:
        """One line that the page, or the browser itself, shows; what is left of the request is read, within reason,
        then cut off."""
        line = " ".join(message.split())
        if "text/html" in self.headers.get("Accept", ""):  # a browser's window, which does not break JSON into lines
            content = Content(data=line.encode(errors="replace"), kind="text/plain; charset=utf-8")
        else:
            content = as_json({"error": line})
        self._send_content(content, code=code)
        self.connection.settimeout(_DRAIN_PATIENCE)
        left = min(self._unread, _DRAINED)
        while left and (data := self._read(min(left, _PIECE))):
            left -= len(data)
        self.connection.settimeout(PATIENCE)

    def _begin(self, code: int, headers: dict[str, str]) -> None:
        if self._unread:
            headers["Connection"] = "close"
            self.close_connection = True
        self.send_response(code)
        for name, value in (_HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are not logged."""
