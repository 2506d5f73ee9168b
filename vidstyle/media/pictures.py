"""Writes single pictures and numbered sequences, each complete at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange

from vidstyle.errors import OutputError, UsageError
from vidstyle.frames import ColourInfo, Frame
from vidstyle.media.codecs import EncodeOptions, is_rgb
from vidstyle.media.frame_converter import FrameConverter
from vidstyle.media.notes import Notes
from vidstyle.media.numbered import numbered_name
from vidstyle.media.part_file import is_picture, output_error, write_file, writing
from vidstyle.media.protocol import CopiedPacket, FilmSource
from vidstyle.media.shape import pixel_aspect

_JFIF = ColourInfo(matrix=6, full_range=True)  # ITU-T T.871: always BT.601, always full range
_RGB = ColourInfo(matrix=0, full_range=True)


@dataclass(frozen=True, kw_only=True)
class PictureFormat:
    """How FFmpeg writes one kind of picture file; `with_alpha` is the pixel format that holds transparency."""

    encoder: str
    opaque: str
    with_alpha: str | None
    options: Mapping[str, str] = field(default_factory=dict)


_JPEG = PictureFormat(encoder="mjpeg", opaque="yuv444p", with_alpha=None, options={"huffman": "optimal"})
_TIFF = PictureFormat(encoder="tiff", opaque="rgb24", with_alpha="rgba", options={"compression_algo": "deflate"})
_FORMATS = {
    ".png": PictureFormat(encoder="png", opaque="rgb24", with_alpha="rgba", options={"pred": "mixed"}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": PictureFormat(encoder="libwebp", opaque="bgra", with_alpha="bgra", options={"quality": "92"}),
    ".bmp": PictureFormat(encoder="bmp", opaque="bgr24", with_alpha="bgra"),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".tga": PictureFormat(encoder="targa", opaque="bgr24", with_alpha="bgra"),
    ".ppm": PictureFormat(encoder="ppm", opaque="rgb24", with_alpha=None),
}
_TELL_ASPECT = ("png", "mjpeg", "tiff")  # encoders whose files say how wide a pixel is shown
_LONGEST = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500, ".tga": 65535}  # pixels of a side; FFmpeg's limit for JPEG
_NOT_SEEN = Fraction(1, 200)  # seconds by which frames may differ in length
_JPEG_QUANTISER = 2  # FFmpeg's scale from 1 to 31; at 2 no blocks show


class PictureWriter:
    """One picture, or numbered ones for a pattern such as out_%04d.png: from 1 on, or with the numbers they had."""

    def __init__(self, target: Path, *, source: FilmSource, options: EncodeOptions) -> None:
        """Make the folder that a sequence needs. Raises UsageError, OutputError."""
        info = source.info
        self._target = target
        self._numbered = numbered_name(target)
        self._form = _FORMATS[target.suffix.lower()]
        self._notes = Notes()
        self._single: bytes | None = None
        self._written: set[Path] = set()
        self._closed = False
        self._first_number, self._apart = info.first_number, info.time_base
        self._last: Fraction | None = None
        self._lasted: set[Fraction] = set()
        size = options.size or (info.width, info.height)
        self._refuse(source, options, size)
        self._alpha = info.has_alpha and self._form.with_alpha is not None
        pixels = self._form.with_alpha if self._alpha and self._form.with_alpha else self._form.opaque
        self._pixels = pixels
        colour = _RGB if is_rgb(pixels) else _JFIF
        self._converter = FrameConverter(pixel_format=pixels, colour=colour, alpha=self._alpha or pixels == "bgra")
        if info.has_alpha and not self._alpha:
            self._notes.add(f"transparency is laid on black: {target.suffix} files cannot hold it")
        self._pixel_aspect = pixel_aspect(info, size)
        if self._pixel_aspect != 1 and self._form.encoder not in _TELL_ASPECT:
            self._notes.add(f"pixels are not square ({self._pixel_aspect}): {target.suffix} files cannot say so")
        self._older: list[Path] = []
        if self._numbered:
            with writing(target.parent):
                target.parent.mkdir(parents=True, exist_ok=True)
                self._older = [path for _, path in self._numbered.existing()]

    def _refuse(self, source: FilmSource, options: EncodeOptions, size: tuple[int, int]) -> None:
        suffix = self._target.suffix.lower()
        if max(size) > (longest := _LONGEST.get(suffix, max(size))):
            raise UsageError(
                f"{suffix} files hold no more than {longest} pixels a side, the picture is {size[0]}x{size[1]}; "
                "use .png, or a smaller --size"
            )
        if options.codec not in (None, self._form.encoder, suffix[1:]):
            raise UsageError(f"{suffix} files are not written with {options.codec}; leave --codec out")
        if options.crf is not None or options.preset is not None or options.bit_depth != 8:
            raise UsageError(f"{suffix} files have 8 bits and no crf or preset; leave them out")
        refuse_several(self._target, source.info.frames)
        kinds = set() if source.container is None else {stream.type for stream in source.container.streams}
        left = sorted(kinds & {"audio", "subtitle"})
        if left and not (options.audio == "none" and left == ["audio"]):
            self._notes.add(f"{' and '.join(left)} left out: picture files hold none")

    @property
    def frames_written(self) -> int:
        return len(self._written)

    @property
    def warnings(self) -> list[str]:
        return self._notes.lines()

    def write(self, frame: Frame) -> None:
        """Write one picture. Raises OutputError."""
        if not self._numbered and self._written:
            raise OutputError(_too_many(self._target))
        path = self._numbered.path(self._number(frame)) if self._numbered else self._target
        try:
            encoded = self._encode(frame)
        except av.error.FFmpegError as error:
            raise output_error(error, path) from error
        if self._numbered:
            write_file(path, encoded)
        else:
            self._single = encoded  # a second frame would mean that the name was a mistake
        self._written.add(path)
        if self._last is not None:
            self._lasted.add(frame.time - self._last)
        self._last = frame.time

    def _number(self, frame: Frame) -> int:
        """Pictures that were numbered keep their numbers, which are all that is known of their times."""
        if self._first_number is None:
            return len(self._written) + 1
        return self._first_number + round(frame.time / self._apart)

    def _encode(self, frame: Frame) -> bytes:
        height, width = frame.image.shape[:2]
        context: VideoCodecContext = av.Codec(self._form.encoder, "w").create("video")
        context.width, context.height = width, height
        context.sample_aspect_ratio = self._pixel_aspect  # square, too: PNG files would say 0:1, JPEG files lack JFIF's
        context.pix_fmt = self._pixels
        context.time_base = frame.time_base
        context.thread_count = 1  # threads over frames would hold the picture back
        context.options = dict(self._form.options)
        if not is_rgb(self._pixels):
            context.color_range = ColorRange.JPEG
        if self._form.encoder == "mjpeg":
            context.qmin = context.qmax = _JPEG_QUANTISER
        picture = self._converter.convert(frame.image, frame.alpha)
        picture.pts, picture.time_base = 0, frame.time_base
        return b"".join(bytes(packet) for packet in [*context.encode(picture), *context.encode(None)])

    def copy(self, packet: CopiedPacket) -> None:
        """Pictures hold nothing else: dropped, as `warnings` says from the start."""

    def close(self, commit: bool) -> None:
        """Give a single picture its name. Raises OutputError where there is none."""
        if self._closed:
            return
        self._closed = True
        if not commit:
            return
        if not self._written:
            raise OutputError(f"no picture was written to {self._target}")
        if self._single is not None:
            write_file(self._target, self._single)
        if self._numbered:
            self._say_what_remains()
            if self._lasted and self._first_number is None and max(self._lasted) - min(self._lasted) > _NOT_SEEN:
                self._notes.add("frames did not all last as long: numbered pictures cannot say so")

    def _say_what_remains(self) -> None:
        rest = [path for path in self._older if path not in self._written]
        if rest:
            self._notes.add(f"{len(rest)} older pictures of the same pattern remain, from {rest[0].name} on")

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close(commit=error[0] is None)


def refuse_several(target: Path, frames: int | None) -> None:
    """Refuse a single picture's name for a film of several frames; None is a number not known. Raises UsageError."""
    if is_picture(target) and frames is not None and frames > 1:
        raise UsageError(_too_many(target))


def _too_many(target: Path) -> str:
    pattern = f"{target.stem}_%04d{target.suffix}"
    return f"{target} holds one picture and the film has more; name a sequence, such as {pattern}"
