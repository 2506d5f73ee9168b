"""A request, and the kinds of answers to it: what the routes deal in, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidstyle.errors import UsageError, VidstyleError

LARGEST_JSON = 1 << 16
"""Bytes of a request's JSON."""


class NothingThere(VidstyleError):
    """No such page, film or job."""


class OutOfRange(UsageError):
    """The part of a file that was asked for is not in it."""


class Forbidden(VidstyleError):
    """The request comes from somewhere else than our own page."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """`query` are the parameters after the question mark, `kind` the body's media type, `length` its bytes
    (None where it is not said), `read(n)` gives up to n of them; `range` is the header of that name."""

    query: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    length: int | None = None
    read: Callable[[int], bytes] = lambda count: b""
    range: str = ""

    def json(self) -> dict[str, Any]:
        """The body, an object. Raises UsageError."""
        if self.kind != "application/json":
            raise UsageError("this is asked as application/json")
        if self.length is None or self.length > LARGEST_JSON:
            raise UsageError(f"requests have up to {LARGEST_JSON} bytes, and say how many")
        try:
            value = json.loads(self.read(self.length), parse_int=float)  # infinite where int is too large for one
        except (ValueError, RecursionError) as error:
            raise UsageError(f"the request is not JSON ({error})") from error
        if not isinstance(value, dict):
            raise UsageError("the request is a JSON object")
        return value


@dataclass(frozen=True, kw_only=True)
class Content:
    """Bytes of some media type, with headers of their own."""

    data: bytes
    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(value: dict[str, Any]) -> Content:
    """Plain values."""
    return Content(data=json.dumps(value).encode(), kind="application/json")


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, or the part of it that `range` asks for; with `save_as` the browser saves it under that name."""

    path: Path
    kind: str
    range: str = ""
    save_as: str = ""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Motion JPEG: `watch(send)` sends pictures until the viewer leaves or the session ends."""

    watch: Callable[[Callable[[bytes], object]], None]


Answer = Content | File | Stream

_MOST_DIGITS = 19
"""Digits of a number of bytes; of some thousands, Python would read none."""


def read_length(text: str) -> int | None:
    """The number of bytes that a `Content-Length` header says; None where it says none."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def read_range(text: str, size: int) -> tuple[int, int] | None:
    """The first and last byte that a `Range` header asks for of `size`; None for the whole (RFC 9110, 14.2).

    One range only; what is not understood asks for the whole. Raises OutOfRange where it lies outside.
    """
    unit, _, span = text.partition("=")
    first, dash, last = span.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first + last).isdecimal():
        return None
    if max(len(first), len(last)) > _MOST_DIGITS:
        return None
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start >= size or start > end:
        raise OutOfRange(f"bytes {span} of {size} are not there")
    return start, end
