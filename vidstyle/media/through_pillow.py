"""Pictures that FFmpeg does not read whole: Pillow reads them, and they are handed on as PNG."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from vidstyle.media.heif import bit_depth, code_points
from vidstyle.media.notes import Notes
from vidstyle.media.tiff import SIGNATURES

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

_BITS_PER_SAMPLE = 258  # TIFF's tag


def as_png(
    encoded: bytes,
    *,
    check_size: Callable[[int, int], None] = lambda width, height: None,
    notes: Notes | None = None,
) -> bytes:
    """The picture as a PNG file, upright, with its colour profile or code points; grey may have 16 bits, colour 8.

    HEIF's tiles are put together by libheif, through pi-heif. What is lost goes to `notes`. Raises ValueError, and what
    `check_size` raises before decoding.
    """
    import pi_heif
    from PIL import Image, ImageOps
    from PIL.PngImagePlugin import PngInfo

    notes = Notes() if notes is None else notes
    pi_heif.register_heif_opener()
    with opened(BytesIO(encoded)) as picture:
        check_size(*picture.size)
        upright = ImageOps.exif_transpose(picture)
        profile = picture.info.get("icc_profile")
        bits = max((bit_depth(encoded), *getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, ())))
    if upright.mode in ("CMYK", "LAB"):
        upright, profile = _in_srgb(upright, profile, notes), None
    if upright.mode in ("F", "I"):
        raise ValueError("its values have 32 bits, of which nothing says what is white")
    file, tags = BytesIO(), PngInfo()
    if (said := code_points(encoded)) is not None:
        tags.add(b"cICP", bytes([*said, 0, 1]))  # matrix 0, full range: RGB
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray(np.asarray(upright).astype(np.uint16))  # in the machine's order of bytes
    else:
        if bits > 8:
            notes.add(f"{bits}-bit pictures were reduced to 8 bits")
        if upright.mode != "L":  # which may have a profile of grey
            upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.save(file, "PNG", compress_level=1, icc_profile=profile, pnginfo=tags)
    return file.getvalue()


def is_photoshop(head: bytes) -> bool:
    """Whether a file that begins so is Photoshop's, with 8 bits, of which FFmpeg does not read all compressed ones."""
    return head.startswith(b"8BPS") and head[22:24] == b"\0\x08"


def is_ink(head: bytes, encoded: BinaryIO) -> bool:
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


def _in_srgb(picture: PillowImage, profile: bytes | None, notes: Notes) -> PillowImage:
    """Of CIELAB, or of inks by their profile; inks as they are where there is none that can be read."""
    from PIL import ImageCms

    try:
        lab = ImageCms.createProfile("LAB") if picture.mode == "LAB" else None
        source = ImageCms.ImageCmsProfile(lab or BytesIO(profile or b""))
        converted = ImageCms.applyTransform(picture, to_srgb(source, picture.mode))
    except (OSError, ImageCms.PyCMSError):
        converted = None
    if converted is None:
        notes.add("the colours of inks (CMYK) are only nearly right: no profile says what they are")
        return picture
    notes.add(f"colours were converted from {ImageCms.getProfileDescription(source).strip()} to sRGB")
    return converted


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


@contextmanager
def opened(encoded: BinaryIO) -> Iterator[PillowImage]:
    """The picture; what Pillow says against it is a ValueError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage is an error here, and what is too large the caller knows
            with Image.open(encoded) as picture:
                yield picture
    except (OSError, SyntaxError, EOFError, RuntimeError, Image.DecompressionBombError) as error:  # RuntimeError: AVIF
        raise ValueError("a damaged picture, or one of a kind that is not known") from error
