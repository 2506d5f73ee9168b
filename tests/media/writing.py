"""What the tests of writing share: a reader that gives what it is told, and ways to look at what was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer

from vidstyle.frames import ColourInfo, Frame, ImageArray, VideoInfo
from vidstyle.media.protocol import CopiedPacket, Reader
from vidstyle.media.writer import EncodeOptions, open_writer

if TYPE_CHECKING:
    from av.container.core import Chapter  # only PyAV's stubs have it

PATCHES = np.array(
    [
        *[(255, 255, 255), (192, 192, 192), (128, 128, 128), (32, 32, 32), (0, 0, 0)],
        *[(255, 0, 0), (0, 255, 0), (0, 0, 255), (224, 160, 128), (32, 96, 128)],
    ],
    np.uint8,
)
"""(10, 3) RGB: greys, primaries and two mixed colours."""


@dataclass
class GivenReader:
    """A reader of frames that a test made, and of the streams of an open file beside them."""

    frames: Sequence[Frame]
    info: VideoInfo
    container: InputContainer | None = None
    video_stream: int | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def chapters(self) -> list[Chapter]:
        return [] if self.container is None else self.container.chapters()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def events(self) -> Iterator[Frame | CopiedPacket]:
        """The other streams' packets first, then the frames."""
        if self.container is not None:
            for packet in self.container.demux():
                if packet.stream.index != self.video_stream and packet.size:
                    yield CopiedPacket(packet, packet.stream.index)
        yield from self.frames

    def __enter__(self) -> GivenReader:
        return self

    def __exit__(self, *error: object) -> None:
        if self.container is not None:
            self.container.close()


def given(
    images: Sequence[ImageArray],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    durations: Sequence[int] | None = None,
    alpha: Sequence[npt.NDArray[np.uint8]] | None = None,
    rate: Fraction | None = Fraction(25),
    colour: ColourInfo | None = None,
    pixel_aspect: Fraction = Fraction(1),
) -> GivenReader:
    """A reader of these pictures at these times."""
    height, width = images[0].shape[:2]
    frames = [
        Frame(
            image=image,
            pts=index if pts is None else pts[index],
            time_base=time_base,
            index=index,
            duration=None if durations is None else durations[index],
            alpha=None if alpha is None else alpha[index],
        )
        for index, image in enumerate(images)
    ]
    info = VideoInfo(
        width=width,
        height=height,
        time_base=time_base,
        rate=rate,
        colour=colour or ColourInfo(),
        has_alpha=alpha is not None,
        pixel_aspect=pixel_aspect,
    )
    return GivenReader(frames, info)


def patch_picture(width: int = 160, height: int = 96) -> ImageArray:
    """(height, width, 3): ten upright stripes of `PATCHES`."""
    return np.ascontiguousarray(np.repeat(PATCHES[None], height, 0)[:, np.arange(width) * 10 // width])


def noise(count: int, width: int = 64, height: int = 48) -> list[ImageArray]:
    """Pictures that no lossy codec keeps, all different."""
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def copy_film(reader: Reader, target: Path, *, options: EncodeOptions | None = None) -> list[str]:
    """Write everything the reader gives; the writer's warnings."""
    with reader, open_writer(target, source=reader, options=options) as writer:
        for event in reader.events():
            if isinstance(event, Frame):
                writer.write(event)
            else:
                writer.copy(event)
        writer.close(commit=True)
    return writer.warnings


def times(path: Path) -> list[Fraction]:
    """When each frame of a film is shown, in seconds."""
    with av.open(str(path)) as film:
        return [frame.pts * frame.time_base for frame in film.decode(video=0)]


def first_frame(path: Path, *, decoder: str | None = None) -> av.VideoFrame:
    """The first decoded frame; `decoder` names another than FFmpeg's first choice."""
    with av.open(str(path)) as film:
        if decoder is None:
            return next(film.decode(video=0))
        context = av.CodecContext.create(decoder, "r")
        return next(frame for packet in film.demux(video=0) for frame in context.decode(packet))


def stream_bytes(path: Path, index: int) -> bytes:
    """All that the packets of one stream hold."""
    with av.open(str(path)) as film:
        return b"".join(bytes(packet) for packet in film.demux(film.streams[index]) if packet.size)


def as_rgb(frame: av.VideoFrame) -> ImageArray:
    """A decoded frame as a player that believes the tags shows it."""
    if frame.format.is_rgb or frame.format.name == "pal8":
        return frame.to_ndarray(format="rgb24")
    matrix = {1: "ITU709", 9: "BT2020"}.get(frame.colorspace, "ITU601")
    limited = frame.color_range != 2
    shown = frame.reformat(
        format="rgb24",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range="MPEG" if limited else "JPEG",
        dst_color_range="JPEG",
    )
    return shown.to_ndarray()


def patch_error(image: ImageArray) -> int:
    """How far the worst patch of a `patch_picture` is off, in levels."""
    height, width = image.shape[:2]
    columns = [i * width // 10 + width // 20 for i in range(10)]
    found = np.array([image[height // 2 - 3 : height // 2 + 3, x - 2 : x + 2].reshape(-1, 3).mean(0) for x in columns])
    return int(np.ceil(np.abs(found - PATCHES).max()))
