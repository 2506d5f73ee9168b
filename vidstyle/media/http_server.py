"""The HTTP server that the live page and the studio have in common."""

from __future__ import annotations

import socket
import sys
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""The names of this machine that only it can use."""

BOUNDARY = "vidstyle-frame"


class QuietServer(ThreadingHTTPServer):
    """Listens at once, without asking a name server who we are, and says nothing of visitors that leave."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it lets two servers have the same port

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        """Raises OSError where `address` is taken or not ours."""
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of our own name, which may take seconds where DNS is slow.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Viewers come and go, which is not worth a word; anything else is a mistake of ours, and one line."""
        error = sys.exception()
        if isinstance(error, OSError) and error.filename is None:  # a connection's: a file's error names its file
            return
        line = " ".join(f"unexpected {type(error).__name__}: {error}".split())
        sys.stderr.write(f"vidstyle: a request was not answered: {line}\n")


def named_host(value: str | None) -> str:
    """The host that a `Host` header names, without its port; empty where it names none."""
    try:
        return urlsplit("//" + (value or "")).hostname or ""
    except ValueError:
        return ""


def is_foreign(headers: Message) -> bool:
    """Whether another site's page makes this request (`Origin`, `Sec-Fetch-Site`)."""
    origin = headers.get("Origin")
    if origin is not None and origin != f"http://{headers.get('Host') or ''}":
        return True
    return headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and not _is_visit(headers)


def _is_visit(headers: Message) -> bool:
    """Whether somebody follows a link to our page, from wherever: the page itself gives nothing away."""
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"


def stream_part(data: bytes) -> bytes:
    """One JPEG as a part of a multipart/x-mixed-replace stream."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + b"\r\n"


def begin_stream(handler: BaseHTTPRequestHandler) -> None:
    """Answer with the head of a multipart/x-mixed-replace stream."""
    handler.send_response(200)
    handler.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
    handler.send_header("Cache-Control", "no-store")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    # A small buffer: what lies in it is old by the time the viewer sees it.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
