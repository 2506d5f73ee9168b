"""Pictures that FFmpeg does not read whole: Pillow reads them, and they are handed on as PNG, moving ones as a film."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import VideoFrame

from vidstyle.media.heif import code_points
from vidstyle.media.tiff import SIGNATURES

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

_MILLISECOND = Fraction(1, 1000)
_UNTOLD = 100  # milliseconds that browsers show a picture that is to last for none


def as_png(encoded: bytes, *, check_size: Callable[[int, int], None] = lambda width, height: None) -> bytes:
    """The picture as a PNG file, upright, with its colour profile or code points; grey may have 16 bits, colour 8.

    HEIF's tiles are put together by libheif, through pi-heif. Raises ValueError, and what `check_size` raises before
    decoding.
    """
    import pi_heif
    from PIL import Image, ImageOps
    from PIL.PngImagePlugin import PngInfo

    pi_heif.register_heif_opener()
    with opened(BytesIO(encoded)) as picture:
        check_size(*picture.size)
        upright = ImageOps.exif_transpose(picture)
        profile = picture.info.get("icc_profile")
    if upright.mode == "CMYK" and profile is not None:
        upright, profile = _from_ink(upright, profile), None
    if upright.mode in ("F", "I"):
        raise ValueError("its values have 32 bits, of which nothing says what is white")
    file, tags = BytesIO(), PngInfo()
    if (said := code_points(encoded)) is not None:
        tags.add(b"cICP", bytes([*said, 0, 1]))  # matrix 0, full range: RGB
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray(np.asarray(upright).astype(np.uint16))  # in the machine's order of bytes
    else:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.save(file, "PNG", compress_level=1, icc_profile=profile, pnginfo=tags)
    return file.getvalue()


def is_ink(head: bytes, encoded: str | Path | BytesIO) -> bool:
    """Whether a file that begins so is a JPEG or TIFF picture of cyan, magenta, yellow and black, made for print.

    FFmpeg does not know their profiles, without which their colours are others, and gives JPEG's a transparency.
    """
    if not head.startswith((b"\xff\xd8", *SIGNATURES)):
        return False
    try:
        with opened(encoded) as picture:
            return picture.mode == "CMYK"
    except ValueError:
        return False


def _from_ink(picture: PillowImage, profile: bytes) -> PillowImage:
    """In sRGB by its profile; as it is where that cannot be read."""
    from PIL import ImageCms

    try:
        transform = to_srgb(ImageCms.getOpenProfile(BytesIO(profile)), picture.mode)
        converted = ImageCms.applyTransform(picture, transform)
    except ImageCms.PyCMSError:
        return picture
    return converted or picture


def to_srgb(profile: ImageCmsProfile, mode: str) -> ImageCmsTransform:
    """From pictures of Pillow's `mode` with this profile to sRGB. Raises ImageCms.PyCMSError where they do not fit."""
    from PIL import ImageCms

    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def is_moving_webp(head: bytes) -> bool:
    """Whether a file that begins so is a WebP animation, by the flag in its extended header (RFC 9649, 2.7.1)."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20:21]) and bool(head[20] & 2)


def as_film(encoded: bytes, *, check_size: Callable[[int, int], None]) -> bytes:
    """A WebP animation as a QuickTime film of PNG pictures at their own times. Raises as `as_png` does."""
    from PIL import ImageSequence

    file = BytesIO()
    with opened(BytesIO(encoded)) as picture, av.open(file, "w", format="mov") as film:
        check_size(*picture.size)
        pixels = "rgba" if picture.has_transparency_data else "rgb24"
        stream = film.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = *picture.size, pixels
        stream.codec_context.time_base = stream.time_base = _MILLISECOND
        stream.codec_context.thread_count = 1  # threads over frames would hold packets back
        moment = 0
        for shown in ImageSequence.Iterator(picture):
            shown.load()  # only then its duration is known
            frame = VideoFrame.from_ndarray(np.asarray(shown.convert("RGBA" if pixels == "rgba" else "RGB")), pixels)
            frame.pts, frame.time_base = moment, _MILLISECOND
            lasts = shown.info["duration"] or _UNTOLD
            for packet in stream.encode(frame):
                packet.duration = lasts
                film.mux_one(packet)
            moment += lasts
    return file.getvalue()


@contextmanager
def opened(encoded: str | Path | BytesIO) -> Iterator[PillowImage]:
    """The picture; what Pillow says against it is a ValueError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage is an error here, and what is too large the caller knows
            with Image.open(encoded) as picture:
                yield picture
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError("a damaged picture, or one of a kind that is not known") from error
