"""RTMP's messages, cut into chunks and put together again (Adobe's "Real-Time Messaging Protocol", 1.0, chapter 5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

SET_CHUNK_SIZE, USER_CONTROL, AUDIO, VIDEO, DATA, COMMAND = 1, 4, 8, 9, 18, 20

FIRST_CHUNK_SIZE = 128
"""Bytes of a message in one chunk until the sender says otherwise."""

LARGEST_MESSAGE = 2**20
"""Bytes; servers send far less to somebody who publishes."""

_EXTENDED = 0xFFFFFF
_HEADER_BYTES = (11, 7, 3, 0)


@dataclass(frozen=True, kw_only=True)
class Message:
    """`stamp` is in ms; `stream` is 0 for the connection itself."""

    kind: int
    payload: bytes
    stamp: int = 0
    stream: int = 0


def chunks(message: Message, *, channel: int, size: int) -> bytes:
    """The message in chunks of `size` bytes on a channel (3..63), as it goes over the wire."""
    stamp = message.stamp & 0xFFFFFFFF
    extended = struct.pack(">I", stamp) if stamp >= _EXTENDED else b""
    head = bytes([channel]) + min(stamp, _EXTENDED).to_bytes(3, "big") + len(message.payload).to_bytes(3, "big")
    head += bytes([message.kind]) + message.stream.to_bytes(4, "little") + extended
    follow = bytes([0xC0 | channel]) + extended
    parts = [message.payload[at : at + size] for at in range(0, len(message.payload), size)] or [b""]
    return head + follow.join(parts)


@dataclass
class _Channel:
    """What the last header on a channel said, and what has come of its message."""

    stamp: int = 0
    length: int = 0
    kind: int = 0
    stream: int = 0
    is_extended: bool = False
    payload: bytearray = field(default_factory=bytearray)


class _Incomplete(Exception):
    """The chunk has not come whole."""


class ChunkReader:
    """Puts messages together from what the socket gives, in whatever pieces."""

    def __init__(self) -> None:
        self._size = FIRST_CHUNK_SIZE
        self._data = bytearray()
        self._channels: dict[int, _Channel] = {}

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete now. Raises ValueError for what is no RTMP."""
        self._data += data
        while True:
            try:
                channel = self._read_chunk()
            except _Incomplete:
                return
            if len(channel.payload) == channel.length:
                message = Message(
                    kind=channel.kind, payload=bytes(channel.payload), stamp=channel.stamp, stream=channel.stream
                )
                channel.payload.clear()
                if message.kind == SET_CHUNK_SIZE and len(message.payload) == 4:
                    self._size = max(1, int.from_bytes(message.payload, "big"))
                yield message

    def _read_chunk(self) -> _Channel:
        form, number, at = self._basic_header()
        channel = self._channels.setdefault(number, _Channel())
        header, at = self._piece(at, _HEADER_BYTES[form])
        stamp = int.from_bytes(header[:3], "big")
        is_extended = channel.is_extended if form == 3 else stamp == _EXTENDED
        if is_extended:
            piece, at = self._piece(at, 4)
            stamp = int.from_bytes(piece, "big")
        length = int.from_bytes(header[3:6], "big") if form < 2 else channel.length
        if length > LARGEST_MESSAGE:
            raise ValueError(f"a message of {length} bytes")
        part, at = self._piece(at, min(self._size, length - len(channel.payload)))
        # All of it is there: from here on nothing may fail.
        channel.length, channel.is_extended = length, is_extended
        if form < 2:
            channel.kind = header[6]
        if form == 0:
            channel.stream = int.from_bytes(header[7:11], "little")
        if form < 3:
            channel.stamp = stamp if form == 0 else channel.stamp + stamp
        channel.payload += part
        del self._data[:at]
        return channel

    def _basic_header(self) -> tuple[int, int, int]:
        """The header's form, the channel's number, and where the header goes on."""
        first, _ = self._piece(0, 1)
        form, number = first[0] >> 6, first[0] & 63
        if number > 1:
            return form, number, 1
        rest, at = self._piece(1, number + 1)
        return form, 64 + int.from_bytes(rest, "little"), at

    def _piece(self, at: int, count: int) -> tuple[bytes, int]:
        if at + count > len(self._data):
            raise _Incomplete
        return bytes(self._data[at : at + count]), at + count
