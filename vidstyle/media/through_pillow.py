"""Pictures that FFmpeg does not read whole: Pillow reads them, and they are handed on as PNG files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO

import numpy as np

from vidstyle.media.heif import code_points


def as_png(encoded: bytes, *, check_size: Callable[[int, int], None] = lambda width, height: None) -> bytes:
    """The picture as a PNG file of 8 bits, upright, with its colour profile or code points.

    HEIF's tiles are put together by libheif, through pi-heif. Raises ValueError, and what `check_size` raises before
    decoding.
    """
    import pi_heif
    from PIL import Image, ImageOps
    from PIL.PngImagePlugin import PngInfo

    pi_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage is an error here, and what is too large the caller knows
            with Image.open(BytesIO(encoded)) as picture:
                check_size(*picture.size)
                upright = ImageOps.exif_transpose(picture)
                profile = picture.info.get("icc_profile")
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError("a damaged picture, or one of a kind that is not known") from error
    if upright.mode.startswith("I;16"):  # what Pillow would cut off instead
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    file, tags = BytesIO(), PngInfo()
    if (said := code_points(encoded)) is not None:
        tags.add(b"cICP", bytes([*said, 0, 1]))  # matrix 0, full range: RGB
    kind = "RGBA" if upright.has_transparency_data else "RGB"
    upright.convert(kind).save(file, "PNG", compress_level=1, icc_profile=profile, pnginfo=tags)
    return file.getvalue()
