"""Moving WebP pictures (RFC 9649), which FFmpeg does not read, as films."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.frame import VideoFrame

from vidstyle.media.colour_profile import srgb_transform
from vidstyle.media.notes import Notes
from vidstyle.media.through_pillow import opened

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_MILLISECOND = Fraction(1, 1000)
_UNTOLD = 100  # milliseconds that browsers show a picture that is to last for none


def is_moving_webp(head: bytes) -> bool:
    """Whether a file that begins so is a WebP animation, by the flag in its extended header (2.7.1)."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20:21]) and bool(head[20] & 2)


def as_film(encoded: bytes, *, check_size: Callable[[int, int], None], notes: Notes) -> bytes:
    """A WebP animation as a QuickTime film of PNG pictures at their own times, in sRGB.

    Raises as `through_pillow.as_png` does.
    """
    from PIL import ImageSequence

    file, to_srgb = BytesIO(), srgb_transform(encoded)
    if to_srgb is not None:
        notes.add(f"colours were converted from {to_srgb.name} to sRGB")
    with opened(BytesIO(encoded)) as picture, av.open(file, "w", format="mov") as film:
        check_size(*picture.size)
        # Not by the file's flag, which may only mean what stays from one picture to the next.
        with_alpha = any(_shows_through(shown) for shown in ImageSequence.Iterator(picture))
        pixels = "rgba" if with_alpha else "rgb24"
        stream = film.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = *picture.size, pixels
        stream.codec_context.time_base = stream.time_base = _MILLISECOND
        stream.codec_context.thread_count = 1  # threads over frames would hold packets back
        moment = 0
        for shown in ImageSequence.Iterator(picture):
            image = np.array(shown.convert("RGBA" if with_alpha else "RGB"))
            if to_srgb is not None:
                image[..., :3] = to_srgb(np.ascontiguousarray(image[..., :3]))
            frame = VideoFrame.from_ndarray(image, pixels)
            frame.pts, frame.time_base = moment, _MILLISECOND
            lasts = shown.info["duration"] or _UNTOLD
            for packet in stream.encode(frame):
                packet.duration = lasts
                film.mux_one(packet)
            moment += lasts
    return file.getvalue()


def _shows_through(picture: PillowImage) -> bool:
    return picture.has_transparency_data and int(np.asarray(picture.convert("RGBA"))[..., 3].min()) < 255
