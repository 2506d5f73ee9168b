"""What the tests of reading share: films made by hand, frame by frame, and pictures that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from vidstyle.frames import Frame, ImageArray
from vidstyle.media.protocol import CopiedPacket, Reader

CORNERS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 220, 220))
"""RGB of the quarters of `quarters`: top left, top right, bottom left, bottom right."""


def quarters(width: int = 64, height: int = 48) -> ImageArray:
    """(height, width, 3): four fields of colour, so that every way of turning or mirroring it looks different."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = CORNERS[0], CORNERS[1]
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = CORNERS[2], CORNERS[3]
    return picture


def field_colours(picture: ImageArray) -> list[tuple[int, ...]]:
    """The mean colour of each quarter's middle, in the order of CORNERS."""
    height, width = picture.shape[:2]
    middles = [(y, x) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return [tuple(picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0).round().astype(int)) for y, x in middles]


def near(one: Sequence[tuple[int, ...]], other: Sequence[tuple[int, ...]], *, within: int = 6) -> bool:
    """Whether all colours agree within so many levels."""
    return bool(np.abs(np.array(one) - np.array(other)).max() <= within)


def write_film(
    path: Path,
    pictures: Sequence[ImageArray | VideoFrame],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    colour: tuple[int, int] | None = None,
    sound: bool = False,
    tags: dict[str, str] | None = None,
) -> Path:
    """A film of these pictures. `colour`: H.273 matrix and range (1 limited, 2 full) of the conversion and the tags."""
    first = pictures[0]
    size = (first.width, first.height) if isinstance(first, VideoFrame) else (first.shape[1], first.shape[0])
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=round(1 / time_base) if time_base > Fraction(1, 240) else 25)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = stream.time_base = time_base
        stream.metadata.update(tags or {})
        stream.options = options or ({"crf": "4", "preset": "ultrafast"} if codec == "libx264" else {})
        if colour:
            stream.codec_context.colorspace, stream.codec_context.color_range = colour
        tone = film.add_stream("pcm_s16le", rate=8000) if sound else None
        for index, picture in enumerate(pictures):
            frame = picture
            if not isinstance(picture, VideoFrame):
                frame = VideoFrame.from_ndarray(picture, format="rgb24")
                if colour:
                    frame = frame.reformat(
                        format=pixel_format, dst_colorspace=colour[0], src_color_range=2, dst_color_range=colour[1]
                    )
            frame.pts, frame.time_base = (pts[index] if pts else index), time_base
            film.mux(stream.encode(frame))
            if tone is not None:
                samples = av.AudioFrame.from_ndarray(np.full((1, 320), index, np.int16), format="s16", layout="mono")
                samples.sample_rate, samples.pts, samples.time_base = 8000, 320 * index, Fraction(1, 8000)
                film.mux(tone.encode(samples))
        film.mux(stream.encode(None))
        if tone is not None:
            film.mux(tone.encode(None))
    return path


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a, b, c, d of the display matrix into the only track of an mp4 file (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    for slot, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[at + 4 * slot : at + 4 * slot + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


def frames_of(reader: Reader) -> list[Frame]:
    """All frames that are left."""
    return list(reader)


def split(reader: Reader) -> tuple[list[Frame], list[CopiedPacket]]:
    """All frames and all packets that are left."""
    events = list(reader.events())
    return [e for e in events if isinstance(e, Frame)], [e for e in events if isinstance(e, CopiedPacket)]
