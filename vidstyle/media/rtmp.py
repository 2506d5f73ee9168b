"""Publishing to an RTMP server: Twitch, YouTube, MediaMTX, nginx and their like.

FFmpeg speaks RTMP too, but PyAV holds the interpreter's lock while FFmpeg connects: a server that accepts and
says nothing would stop the whole program. Here every wait has a limit, and no other thread waits.
After Adobe's "Real-Time Messaging Protocol", version 1.0 (2012).
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from vidstyle.errors import UsageError
from vidstyle.media import amf
from vidstyle.media.addresses import without_key
from vidstyle.media.live_protocol import OutputLost
from vidstyle.media.rtmp_chunks import (
    AUDIO,
    COMMAND,
    DATA,
    FIRST_CHUNK_SIZE,
    SET_CHUNK_SIZE,
    USER_CONTROL,
    VIDEO,
    ChunkReader,
    Message,
    chunks,
)
from vidstyle.media.transport import PATIENCE, TcpTransport

ANSWER = 5.0
"""Seconds that a server may take to answer a command."""

CHUNK_SIZE = 4096

_PORTS = {"rtmp": 1935, "rtmps": 443}
_HANDSHAKE = 1536
_FILE_HEADER, _TAG_HEADER, _TAG_END = 9 + 4, 11, 4
_PING, _PONG = b"\0\6", b"\0\7"
_MOST_AT_ONCE = 2**16
_CONTROL_CHANNEL, _COMMAND_CHANNEL, _MEDIA_CHANNEL = 2, 3, 4


class RtmpTransport(TcpTransport):
    """A connection to a server; what is written to it is an FLV file, whose tags become RTMP's messages."""

    muxer = "flv"

    def __init__(self, url: str) -> None:
        """Raises UsageError for an address that is none."""
        parts = urlsplit(url)
        app, _, key = parts.path.strip("/").rpartition("/")
        try:
            port = parts.port or _PORTS[parts.scheme]
        except ValueError:
            port = 0
        if not parts.hostname or not app or not port:
            raise UsageError(f"output {without_key(url)!r}: write {parts.scheme}://HOST/APPLICATION/KEY")
        if parts.username:
            raise UsageError(
                f"output {without_key(url)!r}: RTMP's own log-in is not spoken here; use the server's stream key"
            )
        super().__init__(parts.hostname, port)
        self._name = f"{parts.scheme}://{parts.hostname}:{port}/{app}"
        self._is_secret = parts.scheme == "rtmps"
        self._held, self._has_started = bytearray(), False
        self._app, self._key = app, key + (f"?{parts.query}" if parts.query else "")
        self._server_url = f"{parts.scheme}://{parts.netloc}/{app}"

    def connect(self) -> None:
        """Connect and ask to publish. Raises OutputLost with the server's words where it refuses."""
        try:
            connection = socket.create_connection((self._host, self._port), PATIENCE)
            connection.settimeout(ANSWER)
            if self._is_secret:
                connection = ssl.create_default_context().wrap_socket(connection, server_hostname=self._host)
            self._take(connection)
            connection.settimeout(ANSWER)
            self._begin(connection)
            connection.settimeout(PATIENCE)
        except (OSError, ValueError) as error:
            self.hang_up()
            raise OutputLost(f"{self._name}: no RTMP server answers ({error})") from error

    def write(self, data: bytes) -> int:
        """Take bytes of an FLV file, send every complete tag. Raises OutputLost where the server has gone."""
        self._held += data
        if not self._has_started and len(self._held) >= _FILE_HEADER:
            del self._held[:_FILE_HEADER]
            self._has_started = True
        while self._has_started and len(self._held) >= _TAG_HEADER:
            size = _TAG_HEADER + int.from_bytes(self._held[1:4], "big") + _TAG_END
            if len(self._held) < size:
                break
            tag = bytes(self._held[:size])
            del self._held[:size]
            self._send_tag(tag)
        return len(data)

    def flush(self) -> None:
        """Hear what the server says: it stops reading if nobody listens."""
        if self._socket:
            try:
                for message in self._reader.feed(self._waiting(self._socket)):
                    self._react(message)
            except (OSError, ValueError) as error:
                raise OutputLost(f"{self._name}: the server has gone ({error})") from error

    def close(self) -> None:
        """Tell the server that the stream is over, if it still hears, and leave."""
        if self._socket:
            with contextlib.suppress(OSError, OutputLost):
                self._command("deleteStream", None, float(self._stream))
        self.hang_up()

    def _begin(self, connection: socket.socket) -> None:
        """Handshake and commands up to the server's word that we are on."""
        self._reader, self._chunk_size, self._command_number, self._stream = ChunkReader(), FIRST_CHUNK_SIZE, 0, 0
        self._held, self._has_started = bytearray(), False
        connection.sendall(b"\3" + bytes(8) + os.urandom(_HANDSHAKE - 8))
        theirs = _receive(connection, 1 + 2 * _HANDSHAKE)
        connection.sendall(theirs[1 : 1 + _HANDSHAKE])
        about = {"app": self._app, "type": "nonprivate", "flashVer": "FMLE/3.0 (compatible; vidstyle)"}
        self._answer(connection, self._command("connect", about | {"tcUrl": self._server_url}))
        self._send(Message(kind=SET_CHUNK_SIZE, payload=CHUNK_SIZE.to_bytes(4, "big")), _CONTROL_CHANNEL)
        self._chunk_size = CHUNK_SIZE
        self._command("releaseStream", None, self._key)
        self._command("FCPublish", None, self._key)
        number = self._answer(connection, self._command("createStream", None))[-1]
        self._stream = int(number) if isinstance(number, float) else 1
        self._command("publish", None, self._key, "live")
        self._answer(connection, None)

    def _command(self, name: str, *values: amf.Value) -> float:
        """Send a command; the number under which the server answers it."""
        self._command_number += 1
        payload = amf.encode(name, float(self._command_number), *values)
        self._send(Message(kind=COMMAND, payload=payload, stream=self._stream), _COMMAND_CHANNEL)
        return float(self._command_number)

    def _answer(self, connection: socket.socket, number: float | None) -> list[amf.Value]:
        """The answer to command `number`, or (None) the word that the stream may begin. Raises OutputLost, OSError."""
        found: list[amf.Value] = []
        while not found:
            data = connection.recv(_MOST_AT_ONCE)
            if not data:
                raise OutputLost(f"{self._name}: the server has hung up; is the stream's key right?")
            for message in self._reader.feed(data):
                answer = self._react(message)
                if answer[:2] == ["_error", number]:
                    raise OutputLost(f"{self._name} refuses: {_reason(answer)}")
                if answer[:2] == ["_result", number] or (number is None and answer[:1] == ["onStatus"]):
                    found = answer
        return found

    def _react(self, message: Message) -> list[amf.Value]:
        """Answer pings; the values of a command, none for all else. Raises OutputLost where it ends the stream."""
        if message.kind == USER_CONTROL and message.payload[:2] == _PING:
            self._send(Message(kind=USER_CONTROL, payload=_PONG + message.payload[2:6]), _CONTROL_CHANNEL)
        values = amf.decode(message.payload) if message.kind == COMMAND else []
        if values[:1] == ["onStatus"] and _described(values).get("level") == "error":
            raise OutputLost(f"{self._name} refuses: {_reason(values)}")
        return values

    def _waiting(self, connection: socket.socket) -> bytes:
        """What has come from the server by now. Raises OSError where it has hung up."""
        connection.settimeout(0)
        try:
            data = connection.recv(_MOST_AT_ONCE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        finally:
            connection.settimeout(PATIENCE)
        if not data:
            raise ConnectionError("it hung up")
        return data

    def _send_tag(self, tag: bytes) -> None:
        """One FLV tag as a message; the description of the stream goes in the words that servers expect."""
        kind, payload = tag[0], tag[_TAG_HEADER:-_TAG_END]
        stamp = int.from_bytes(tag[7:8] + tag[4:7], "big")
        if kind == DATA:
            payload = amf.encode("@setDataFrame") + payload
        if kind in (AUDIO, VIDEO, DATA):
            self._send(Message(kind=kind, payload=payload, stamp=stamp, stream=self._stream), _MEDIA_CHANNEL)

    def _send(self, message: Message, channel: int) -> None:
        super().write(chunks(message, channel=channel, size=self._chunk_size))


def _receive(connection: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes. Raises OSError."""
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("it hung up")
        data += piece
    return bytes(data)


def _described(values: list[amf.Value]) -> Mapping[str, amf.Value]:
    """The object with which a server describes how things are."""
    return next((value for value in reversed(values) if isinstance(value, Mapping)), {})


def _reason(values: list[amf.Value]) -> str:
    about = _described(values)
    return str(about.get("description") or about.get("code") or "it gives no reason")
