"""HEIF pictures (ISO/IEC 23008-12), which phones take: HEIC and AVIF.

FFmpeg takes the tiles of such a picture for so many films. libheif, by pi-heif, and Pillow put them together and
turn them upright; the result is handed on as a PNG file, with its colour profile.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO

HEAD = 64
"""Bytes of a file that tell what it is."""


def is_heif_picture(head: bytes) -> bool:
    """Whether a file that begins so is a single picture; sequences (`msf1`, `avis`) are films, which FFmpeg reads."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    return b"mif1" in brands and not brands & {b"msf1", b"avis"}


def as_png(encoded: bytes, *, check_size: Callable[[int, int], None] = lambda width, height: None) -> bytes:
    """The picture as a PNG file of 8 bits, upright. Raises ValueError, and what `check_size` raises before decoding."""
    import pi_heif
    from PIL import Image, ImageOps

    pi_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what is too large the caller knows
            with Image.open(BytesIO(encoded)) as picture:
                check_size(*picture.size)
                upright = ImageOps.exif_transpose(picture)
                profile = picture.info.get("icc_profile")
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError("a damaged HEIF picture, or one of a kind that is not known") from error
    file = BytesIO()
    kind = "RGBA" if upright.has_transparency_data else "RGB"
    upright.convert(kind).save(file, "PNG", compress_level=1, icc_profile=profile)
    return file.getvalue()
