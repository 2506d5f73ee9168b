"""HEIF pictures (ISO/IEC 23008-12), which phones take: HEIC and AVIF. FFmpeg takes their tiles for so many films."""

from __future__ import annotations

import re

_CODE_POINTS = re.compile(rb"colrnclx\0(.)\0(.)", re.DOTALL)  # H.273's, of two bytes each (ISO/IEC 14496-12, 12.1.5)
_PIXEL_INFORMATION = re.compile(rb"pixi\0{4}[\x01-\x04](.)", re.DOTALL)  # bits of the first channel (6.5.6)

HEAD = 64
"""Bytes of a file that tell what it is."""


def is_heif_picture(head: bytes) -> bool:
    """Whether a file that begins so is a single picture; sequences (`msf1`, `avis`) are films, which FFmpeg reads."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    return b"mif1" in brands and not brands & {b"msf1", b"avis"}


def code_points(encoded: bytes) -> tuple[int, int] | None:
    """H.273's primaries and transfer, where all that a HEIF file holds has the same; gain maps have their own."""
    said = set(_CODE_POINTS.findall(encoded))
    if len(said) != 1:
        return None
    ((primaries, transfer),) = said
    return primaries[0], transfer[0]


def bit_depth(encoded: bytes) -> int:
    """Bits a channel of the deepest picture that a HEIF file holds, as far as it says; at least 8."""
    return max([8, *(int(found[1][0]) for found in _PIXEL_INFORMATION.finditer(encoded))])
