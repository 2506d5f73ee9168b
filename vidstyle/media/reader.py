"""Films and pictures, frame by frame: `open_reader` takes whatever `vidstyle render` may be given."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.errors import UsageError
from vidstyle.frames import Frame, VideoInfo
from vidstyle.media.colour import has_alpha, source_colour
from vidstyle.media.colour_profile import srgb_transform
from vidstyle.media.demux import choose_film, time_base_of
from vidstyle.media.description import describe, has_fields
from vidstyle.media.film import DecodedFilm
from vidstyle.media.jpeg import has_more_behind, is_cut_short
from vidstyle.media.notes import Notes
from vidstyle.media.opening import (
    MAX_PIXELS,
    declared_size,
    is_searchable,
    length_of,
    open_container,
    refuse_above,
    spoken_name,
)
from vidstyle.media.orientation import orientation_of
from vidstyle.media.protocol import CopiedPacket, Reader
from vidstyle.media.rgb_converter import RgbConverter
from vidstyle.media.sequence import SEQUENCE_RATE, SequenceReader, find_sequence
from vidstyle.media.timecode import later
from vidstyle.media.upright import PictureFilter
from vidstyle.media.window import TimeWindow

if TYPE_CHECKING:
    from av.container.core import Chapter  # only PyAV's stubs have it

_INTERLEAVING = Fraction(1)  # seconds by which sound may lie behind the picture in a file


def open_reader(
    source: str | Path,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    rate: Fraction | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Reader:
    """Open a film, a still picture, a numbered sequence (`f_%04d.png`) or, for `-`, standard input.

    `start` and `end` are seconds from the beginning; the part has the frames with start <= time < end, moved
    forward by `start`. `rate` is that of a sequence, in frames a second; nothing else takes one.
    Pictures above `max_pixels` are refused before they are decoded.
    Raises InputError if nothing can be read from it, UsageError if the part makes no sense.
    """
    if sequence := find_sequence(source):
        return SequenceReader(
            sequence,
            start=start,
            end=end,
            rate=Fraction(rate or SEQUENCE_RATE),
            open_picture=lambda p: FilmReader(p, max_pixels=max_pixels),
        )
    if rate is not None:
        raise UsageError(f"fps is for numbered pictures; {spoken_name(source)} keeps its own times: leave it out")
    return FilmReader(source, start=start, end=end, max_pixels=max_pixels)


def probe(source: str | Path) -> VideoInfo:
    """What `source` is, from its headers and its first frame. Raises InputError as `open_reader` does."""
    with open_reader(source) as reader:
        return reader.info


class FilmReader:
    """One film or still picture, by PyAV. See `Reader` for the contract.

    The packets it gives belong to its container: use them before the reader is closed. With `hwaccel` frames may be
    decoded into a device's memory: `pictures` gives them there, iteration in host memory.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        max_pixels: int = MAX_PIXELS,
        hwaccel: HWAccel | None = None,
    ) -> None:
        opening = Notes()
        self._container = open_container(source, max_pixels=max_pixels, hwaccel=hwaccel, notes=opening)
        try:
            name = spoken_name(source)
            self._stream = choose_film(self._container, name=name)
            _refuse_bomb(self._stream, source, max_pixels=max_pixels)
            self._window = TimeWindow(
                origin=_origin(self._container), tick=time_base_of(self._stream), start=start, end=end
            )
            self._film = DecodedFilm(
                self._container,
                stream=self._stream,
                window=self._window,
                searchable=is_searchable(source),
                max_pixels=max_pixels,
                name=name,
            )
            self._orientation = orientation_of(self._film.first, packet=self._film.first_packet)
            self._one_picture = self._container.format.name == "jpeg_pipe" and has_more_behind(self._film.first_packet)
            self._info = describe(
                self._container,
                self._stream,
                self._film.first,
                orientation=self._orientation,
                window=self._window,
                still=self._is_still(source),
            )
        except BaseException:
            self._container.close()
            raise
        self._to_srgb = None
        if self._info.rate is None and not source_colour(self._film.first).is_hdr:
            self._to_srgb = srgb_transform(self._film.first_packet)
        self._move_time_code()
        self._note_losses(name, opening)
        self._events = self._run()

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame."""
        return self._info

    @property
    def first(self) -> VideoFrame:
        """The part's first frame as it was decoded."""
        return self._film.first

    @property
    def container(self) -> InputContainer:
        """The open input, for tags, chapters and stream templates."""
        return self._container

    @property
    def video_stream(self) -> int:
        """Index of the film's own stream."""
        return self._stream.index

    @property
    def chapters(self) -> list[Chapter]:
        """The part's chapters, moved together with its frames."""
        return self._window.chapters(self._container.chapters())

    @property
    def warnings(self) -> list[str]:
        """Everything repaired, assumed or lost so far, one line each."""
        return self._film.notes.lines()

    def __iter__(self) -> Iterator[Frame]:
        """Every frame once, in order of strictly increasing pts."""
        return (event for event in self._events if isinstance(event, Frame))

    def events(self) -> Iterator[Frame | CopiedPacket]:
        """Frames and the other streams' packets, in the order of the file; shared with iteration, each given once."""
        return self._events

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._events.close()
        self._film.close()
        self._container.close()

    def _is_still(self, source: str | Path) -> bool:
        """Whether there is one picture only, without a time, as far as can be told: JPEG pictures may be a film."""
        form, length = self._container.format.name, length_of(source)
        if form == "jpeg_pipe" and not self._one_picture and length is not None:
            return length == len(self._film.first_packet)
        return form == "image2" or form.endswith("_pipe")

    def _move_time_code(self) -> None:
        """Let the time code, in the container's tags, be that of the part's first frame."""
        begins, first, rate = self._stream.start_time, self._film.first.pts, self._info.rate
        if self._window.first is None or begins is None or first is None or rate is None:
            return
        frames = round((first - begins) * self._window.tick * rate)
        for tags in (self._container.metadata, self._stream.metadata):
            tags.update({k: later(label, frames, rate=rate) for k, label in tags.items() if k.lower() == "timecode"})

    def _note_losses(self, name: str, opening: Notes) -> None:
        info, notes = self._info, self._film.notes
        for line in opening.lines():
            notes.add(line)
        if info.bit_depth > 8:
            notes.add(f"{info.bit_depth}-bit pictures were reduced to 8 bits")
        if self._to_srgb is not None:
            notes.add(f"colours were converted from {self._to_srgb.name} to sRGB")
        if info.colour.assumed:
            matrix = "BT.709" if info.colour.matrix == 1 else "BT.601"
            notes.add(f"the film does not say how its colours are coded; by its size, {matrix} was assumed")
        if info.rate is None and is_cut_short(self._film.first_packet):
            notes.add(f"{name} is cut short: its end-of-image marker is missing, the rest of it may be grey")

    def pictures(self) -> Iterator[VideoFrame | CopiedPacket]:
        """What `events` gives, with the frames as FFmpeg's: upright, in their own format and the part's time.

        The same frames: use one or the other.
        """
        upright = PictureFilter(
            orientation=self._orientation,
            time_base=self._info.time_base,
            notes=self._film.notes,
            fields=has_fields(self._info.codec),
        )
        for item in self._in_part():
            if isinstance(item, CopiedPacket):
                yield item
                continue
            for frame in upright.push(item) if item is not None else upright.flush():
                if self._window.holds(self._time(frame)):
                    assert frame.pts is not None
                    frame.pts -= self._window.shift
                    yield frame
        self._film.report_losses()

    def _run(self) -> Generator[Frame | CopiedPacket, None, None]:
        info = self._info
        converter = RgbConverter(
            width=info.width,
            height=info.height,
            alpha=info.has_alpha,
            notes=self._film.notes,
            to_bt709=self._to_srgb is None,
        )
        index = 0
        for item in self.pictures():
            if isinstance(item, CopiedPacket):
                yield item
                continue
            if not info.has_alpha and has_alpha(item, codec=info.codec):
                self._film.notes.count("frames with transparency, lost because the first one has none")
            yield self._finished(item, converter, index)
            index += 1

    def _in_part(self) -> Iterator[VideoFrame | CopiedPacket | None]:
        """What the film gives until the part is over, with one frame more for the deinterlacer; None for its end."""
        last = self._window.last
        over = False
        for item in self._film.events():
            if isinstance(item, CopiedPacket):
                yield item
            elif not over:
                # asked first: `pictures` moves the frame that it is given
                over = self._one_picture or self._window.after(self._time(item))
                yield item
            elif last is not None and self._time(item) >= last + _INTERLEAVING:
                break
        yield None

    def _time(self, frame: VideoFrame) -> Fraction:
        assert frame.pts is not None
        return frame.pts * self._info.time_base

    def _finished(self, frame: VideoFrame, converter: RgbConverter, index: int) -> Frame:
        picture = converter.convert(frame)
        assert frame.pts is not None
        return Frame(
            image=picture.image if self._to_srgb is None else self._to_srgb(picture.image),
            alpha=picture.alpha,
            pts=frame.pts,
            time_base=self._info.time_base,
            duration=frame.duration or None,
            index=index,
        )


def _refuse_bomb(stream: VideoStream, source: str | Path, *, max_pixels: int) -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if not (width and height):
        width, height = declared_size(source) or (0, 0)
    refuse_above(max_pixels, width=width, height=height, source=source)


def _origin(container: InputContainer) -> Fraction:
    """When the input begins, in seconds of its own clock: the earliest start of its streams."""
    starts = [s.start_time * s.time_base for s in container.streams if s.start_time is not None and s.time_base]
    return min((Fraction(start) for start in starts), default=Fraction(0))
