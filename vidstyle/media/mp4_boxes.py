"""The boxes of which mp4 and QuickTime files consist (ISO/IEC 14496-12, 4.2): each its size, its kind, its content."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_FULL_BOX_HEADER = 4  # version and flags


@dataclass(frozen=True)
class OuterBox:
    """A box of a file's outermost level, from `start` on: a header of `header` bytes, with its content `size` bytes."""

    kind: bytes
    start: int
    size: int
    header: int


def outer_boxes(file: BinaryIO) -> Iterator[OuterBox]:
    """The boxes of the outermost level, up to one that does not say where it ends."""
    end, position = file.seek(0, os.SEEK_END), 0
    while position + 8 <= end:
        file.seek(position)
        size, kind, header = int.from_bytes(file.read(4)), file.read(4), 8
        if size == 1:
            size, header = int.from_bytes(file.read(8)), 16
        yield OuterBox(kind, position, size, header)
        if size < header:
            return
        position += size


def find(file: BinaryIO, kind: bytes) -> OuterBox:
    """The first box of this kind. Raises ValueError where there is none."""
    found = next((box for box in outer_boxes(file) if box.kind == kind), None)
    if found is None:
        raise ValueError(f"no {kind.decode()} box")
    return found


def make_box(kind: bytes, content: bytes) -> bytes:
    """A box with 32 bits of size."""
    return struct.pack(">I", len(content) + 8) + kind + content


def children(box: bytes) -> list[bytes]:
    """The boxes in a box that holds nothing else."""
    position = 8 + len(_own_header(box))
    found = []
    while position + 8 <= len(box):
        size = max(8, int.from_bytes(box[position : position + 4]))
        found.append(box[position : position + size])
        position += size
    return found


def child(box: bytes, kind: bytes) -> bytes:
    """The first box of this kind in a box. Raises ValueError where there is none."""
    for inner in children(box):
        if inner[4:8] == kind:
            return inner
    raise ValueError(f"no {kind.decode()} box in {box[4:8].decode()}")


def edited(box: bytes, kinds: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """`box` with the first box that the nested `kinds` lead to changed. Raises ValueError where one is missing."""
    if not kinds:
        return change(box)
    inner, old = children(box), child(box, kinds[0])
    inner[inner.index(old)] = edited(old, kinds[1:], change)
    return make_box(box[4:8], _own_header(box) + b"".join(inner))


def with_child(box: bytes, inner: bytes) -> bytes:
    """`box` with one more box at its end."""
    return make_box(box[4:8], box[8:] + inner)


def _own_header(box: bytes) -> bytes:
    """What a box has before the boxes in it: of those looked into here, only the tags'."""
    return box[8 : 8 + _FULL_BOX_HEADER] if box[4:8] == b"meta" else b""
