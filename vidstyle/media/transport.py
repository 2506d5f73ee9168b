"""Where a live stream's bytes go, by UDP or TCP here, by RTMP and SRT beside it; no write waits for ever."""

from __future__ import annotations

import socket
from typing import Protocol
from urllib.parse import SplitResult, parse_qs, urlsplit

from vidstyle.errors import OutputError, UsageError
from vidstyle.media.live_protocol import OutputLost, ReceiverAbsent

PATIENCE = 2.0
"""Seconds that connecting to a receiver, or one write to it, may take."""

SEND_BUFFER = 2**18
"""Bytes that may wait in a connection: more is old by the time it is seen, and hides that nobody reads."""

DATAGRAM = 7 * 188
"""Bytes a UDP datagram: seven transport packets, the most that an Ethernet frame holds."""


class Transport(Protocol):
    """A way for bytes. `write` and `flush` raise OutputLost when the receiver is gone or takes nothing.

    `is_called`: receivers connect to us, so when one leaves, another may come. `muxer` is FFmpeg's name of the
    container whose bytes go this way.
    """

    is_called: bool
    muxer: str

    def connect(self) -> None:
        """Reach the receiver. Raises ReceiverAbsent while one is waited for, OutputLost, OutputError."""
        ...

    def write(self, data: bytes) -> int:
        """Take the container's next bytes, all of them; returns how many that was. Some may be held back."""
        ...

    def flush(self) -> None:
        """Send what was held back: a picture is complete."""
        ...

    def hang_up(self) -> None:
        """Leave the receiver; another may come."""
        ...

    def close(self) -> None:
        """Leave the receiver for good, and give the port back where receivers connect to us."""
        ...


def transport_for(url: str) -> Transport:
    """By a URL of udp, tcp (`?listen`: the receiver connects to us), rtmp, rtmps or srt. Raises UsageError."""
    parts = urlsplit(url)
    if parts.scheme in ("rtmp", "rtmps"):
        from vidstyle.media.rtmp import RtmpTransport

        return RtmpTransport(url)
    if parts.scheme == "srt":
        from vidstyle.media.srt import SrtTransport

        return SrtTransport(url)
    host, port = _address(parts, url)
    if parts.scheme == "udp":
        return UdpTransport(host, port)
    if "listen" in parse_qs(parts.query, keep_blank_values=True):
        return ListeningTransport(host, port)
    return TcpTransport(host, port)


def _address(parts: SplitResult, url: str) -> tuple[str, int]:
    try:
        host, port = (parts.hostname or "").removeprefix("@"), parts.port
    except ValueError:
        host, port = "", None
    if not port:
        raise UsageError(f"output {url!r}: a stream needs a host and a port, as in {parts.scheme}://127.0.0.1:9000")
    return host or "127.0.0.1", port


class UdpTransport:
    """Datagrams of seven transport packets; whether anybody listens is not known."""

    is_called = False
    muxer = "mpegts"

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._held = bytearray()
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Find the address. Raises OutputLost where the host's name is not known."""
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.settimeout(PATIENCE)
            self._address = address
        except OSError as error:
            raise OutputLost(f"udp://{self._host}:{self._port} cannot be reached: {error.strerror}") from error

    def write(self, data: bytes) -> int:
        """Send as many full datagrams as there are; the rest waits for more bytes or `flush`."""
        self._held += data
        while len(self._held) >= DATAGRAM:
            self._send(DATAGRAM)
        return len(data)

    def flush(self) -> None:
        """Send what waits as a datagram of its own, however short."""
        if self._held:
            self._send(len(self._held))

    def hang_up(self) -> None:
        """The same as `close`: datagrams have no connection."""
        self.close()

    def close(self) -> None:
        """Give the socket back; what waits to be sent is dropped."""
        if self._socket:
            self._socket.close()
        self._socket = None
        self._held.clear()

    def _send(self, count: int) -> None:
        piece = bytes(self._held[:count])
        del self._held[:count]
        if not self._socket:
            return
        try:
            self._socket.sendto(piece, self._address)
        except ConnectionError:
            pass  # an earlier datagram found nobody; somebody may come
        except OSError as error:
            raise OutputLost(f"udp://{self._host}:{self._port}: {error.strerror or error}") from error


class TcpTransport:
    """A connection to a receiver that waits for it."""

    is_called = False
    muxer = "mpegts"

    def __init__(self, host: str, port: int) -> None:
        self._name = f"tcp://{host}:{port}"
        self._host, self._port = host, port
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Raises OutputLost where nobody takes the connection within `PATIENCE` seconds."""
        try:
            self._take(socket.create_connection((self._host, self._port), PATIENCE))
        except OSError as error:
            raise OutputLost(
                f"{self._name}: nobody takes the stream ({error.strerror or error}); start the receiver, "
                f"or let it connect to us: {self._name}?listen"
            ) from error

    def write(self, data: bytes) -> int:
        """Send everything. Raises OutputLost where that takes more than `PATIENCE` seconds."""
        if not self._socket:
            raise OutputLost(f"{self._name}: not connected")
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise OutputLost(f"{self._name}: the receiver has gone or takes nothing ({error})") from error
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def hang_up(self) -> None:
        """Close the connection; `connect` makes a new one."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def close(self) -> None:
        """The same as `hang_up`."""
        self.hang_up()

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._socket = connection


class ListeningTransport(TcpTransport):
    """The other way round: one receiver at a time connects to us."""

    is_called = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._server: socket.socket | None = None

    def connect(self) -> None:
        """Take whoever waits, at once. Raises ReceiverAbsent if nobody does, OutputError if the port is taken."""
        if self._server is None:
            try:
                self._server = socket.create_server((self._host, self._port))
            except OSError as error:
                raise OutputError(
                    f"{self._name}: cannot listen there ({error.strerror}); choose another port"
                ) from error
            self._server.setblocking(False)
        try:
            self._take(self._server.accept()[0])
        except BlockingIOError:
            raise ReceiverAbsent(f"{self._name}: nobody has connected yet") from None

    def close(self) -> None:
        """Close the connection, and listen no more."""
        self.hang_up()
        if self._server:
            self._server.close()
        self._server = None
