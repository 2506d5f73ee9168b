"""HEIF pictures (ISO/IEC 23008-12), which phones take: HEIC and AVIF. FFmpeg takes their tiles for so many films."""

from __future__ import annotations

HEAD = 64
"""Bytes of a file that tell what it is."""


def is_heif_picture(head: bytes) -> bool:
    """Whether a file that begins so is a single picture; sequences (`msf1`, `avis`) are films, which FFmpeg reads."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    return b"mif1" in brands and not brands & {b"msf1", b"avis"}
