"""A quick look whether a lost camera is back, so that the wait before opening it again can be cut short."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 0.2
"""Seconds the look may take."""

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtmp": 1935}


def has_returned(source: str) -> bool:
    """Whether the device node exists, or the server takes a connection (and, for http, answers).

    False wherever there is no quick way to tell.
    """
    if source.isdecimal() and Path("/dev").is_dir():
        return Path(f"/dev/video{source}").exists()
    if source.startswith("/dev/"):
        return Path(source).exists()
    url = urlsplit(source)
    port = url.port or _PORTS.get(url.scheme)
    if not url.hostname or not port or url.scheme == "udp":
        return False
    try:
        with socket.create_connection((url.hostname, port), PATIENCE) as connection:
            if url.scheme != "http":
                return True
            connection.settimeout(PATIENCE)
            connection.sendall(
                f"GET {url.path or '/'} HTTP/1.0\r\nHost: {url.netloc.rpartition('@')[2]}\r\n\r\n".encode()
            )
            return bool(connection.recv(1))
    except (OSError, ValueError):
        return False
