"""AMF0, the notation in which RTMP's commands are written (Adobe, "Action Message Format -- AMF 0", 2007)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

Value = float | bool | str | None | Mapping[str, "Value"] | list["Value"]

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED, _ECMA_ARRAY, _END = 0, 1, 2, 3, 5, 6, 8, 9
_STRICT_ARRAY, _DATE, _LONG_STRING = 10, 11, 12


def encode(*values: Value) -> bytes:
    """The values one after the other. Lists are not written by anybody here."""
    return b"".join(_encode(value) for value in values)


def _encode(value: Value) -> bytes:
    if value is None:
        return bytes([_NULL])
    if isinstance(value, bool):
        return bytes([_BOOLEAN, value])
    if isinstance(value, str):
        return bytes([_STRING]) + _name(value)
    if isinstance(value, Mapping):
        pairs = b"".join(_name(name) + _encode(member) for name, member in value.items())
        return bytes([_OBJECT]) + pairs + _name("") + bytes([_END])
    if isinstance(value, list):
        raise TypeError("lists are not written")
    return bytes([_NUMBER]) + struct.pack(">d", value)


def _name(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def decode(data: bytes) -> list[Value]:
    """All values in `data`. Raises ValueError where it is no AMF0, or a kind that servers do not send."""
    values, at = [], 0
    try:
        while at < len(data):
            value, at = _decode(data, at)
            values.append(value)
    except (struct.error, IndexError) as error:
        raise ValueError("AMF0 that ends too early") from error
    return values


def _decode(data: bytes, at: int) -> tuple[Value, int]:
    """The value at `at`, and where the next one begins."""
    kind, at = data[at], at + 1
    if kind == _NUMBER:
        return float(struct.unpack_from(">d", data, at)[0]), at + 8
    if kind == _BOOLEAN:
        return bool(data[at]), at + 1
    if kind == _STRING:
        return _decode_text(data, at, 2)
    if kind == _LONG_STRING:
        return _decode_text(data, at, 4)
    if kind in (_NULL, _UNDEFINED):
        return None, at
    if kind in (_OBJECT, _ECMA_ARRAY):
        return _decode_members(data, at + (4 if kind == _ECMA_ARRAY else 0))
    if kind == _STRICT_ARRAY:
        count, at = struct.unpack_from(">I", data, at)[0], at + 4
        values: list[Value] = []
        for _ in range(count):
            value, at = _decode(data, at)
            values.append(value)
        return values, at
    if kind == _DATE:
        return float(struct.unpack_from(">d", data, at)[0]), at + 10
    raise ValueError(f"AMF0 of kind {kind}")


def _decode_text(data: bytes, at: int, width: int) -> tuple[str, int]:
    begin = at + width
    end = begin + int.from_bytes(data[at:begin], "big")
    if end > len(data):
        raise IndexError
    return data[begin:end].decode("utf-8", "replace"), end


def _decode_members(data: bytes, at: int) -> tuple[Value, int]:
    members: dict[str, Value] = {}
    while True:
        name, at = _decode_text(data, at, 2)
        if not name and data[at] == _END:
            return members, at + 1
        members[name], at = _decode(data, at)
