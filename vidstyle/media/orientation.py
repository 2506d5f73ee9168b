"""Which way up a picture is meant to be seen: display matrices and EXIF.

All eight orientations, mirrored ones included, are read from the whole matrix; its angle alone, which is what
FFmpeg's rotation value gives, cannot tell a mirror from a half turn, and serves where nothing else can be had.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from vidstyle.media.side_data import side_data
from vidstyle.media.tiff import SIGNATURES, directories_of

Matrix = tuple[int, int, int, int]
"""a, b, c, d: the stored point (x, y) is shown at (a x + c y, b x + d y), y downwards; each is -1, 0 or 1."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture, with the FFmpeg filters that make it upright."""

    name: str
    matrix: Matrix
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.matrix[0] == 0


_ORIENTATION = 0x0112
_CHUNKED = ((b"\x89PNG", b"eXIf", 4), (b"RIFF", b"EXIF", 8))  # PNG: type, data; WebP: type, length, data

UPRIGHT = Orientation("upright", (1, 0, 0, 1))
# In the order of EXIF's orientation tag, 1 to 8 (CIPA DC-008, 4.6.4): what is done to the stored picture.
ORIENTATIONS = (
    UPRIGHT,
    Orientation("mirrored", (-1, 0, 0, 1), (("hflip", ""),)),
    Orientation("turned 180", (-1, 0, 0, -1), (("hflip", ""), ("vflip", ""))),
    Orientation("mirrored, turned 180", (1, 0, 0, -1), (("vflip", ""),)),
    Orientation("mirrored, turned 270", (0, 1, 1, 0), (("transpose", "dir=cclock_flip"),)),
    Orientation("turned 90", (0, 1, -1, 0), (("transpose", "dir=clock"),)),
    Orientation("mirrored, turned 90", (0, -1, -1, 0), (("transpose", "dir=clock_flip"),)),
    Orientation("turned 270", (0, -1, 1, 0), (("transpose", "dir=cclock"),)),
)
_BY_MATRIX = {o.matrix: o for o in ORIENTATIONS}


def orientation_of(frame: VideoFrame, *, packet: bytes = b"") -> Orientation:
    """How `frame` must be turned to stand upright; `packet` is what it was decoded from, for its EXIF block."""
    if exif := _exif_block(packet):
        return ORIENTATIONS[exif_orientation(exif) - 1]
    try:
        matrix = side_data(frame, Type.DISPLAYMATRIX)
    except ValueError:
        angle = math.radians(frame.rotation)  # counterclockwise
        return from_display_matrix((math.cos(angle), -math.sin(angle), 0, math.sin(angle), math.cos(angle)))
    return UPRIGHT if matrix is None else from_display_matrix(struct.unpack("9i", matrix))


def from_display_matrix(matrix: Sequence[float]) -> Orientation:
    """The orientation nearest to a 3x3 display matrix, row by row, of any scale (ISO/IEC 14496-12, 6.2.2)."""
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        nearest = (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    else:
        nearest = (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)
    return _BY_MATRIX[nearest]


def exif_orientation(data: bytes) -> int:
    """The orientation tag, 1 to 8, of a JPEG, PNG, WebP or TIFF file; 1 where there is none or it is damaged."""
    directories = directories_of(BytesIO(_exif_block(data)))
    value = directories[0].get(_ORIENTATION) if directories else None
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _exif_block(data: bytes) -> bytes:
    """The TIFF structure that holds a picture file's EXIF tags; empty where there is none."""
    if data.startswith(SIGNATURES):
        return data
    if data[:2] == b"\xff\xd8":
        at = data.find(b"Exif\0\0", 2, 1 << 17)
        return data[at + 6 :] if at > 0 else b""
    for signature, marker, offset in _CHUNKED:
        if data.startswith(signature) and (at := data.find(marker)) > 0:
            return data[at + offset :].removeprefix(b"Exif\0\0")
    return b""
