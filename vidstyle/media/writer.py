"""Writes the painted film: frames encoded at their own times, everything else of the film beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from vidstyle.errors import OutputError
from vidstyle.frames import Frame
from vidstyle.media.codecs import EncodeOptions
from vidstyle.media.containers import container_for
from vidstyle.media.encoder import VideoEncoder
from vidstyle.media.film_settings import film_settings
from vidstyle.media.live_protocol import SoundFormat
from vidstyle.media.mp4_index import complete_index, mend_duration
from vidstyle.media.notes import Notes
from vidstyle.media.part_file import PartFile, check_target, is_picture, is_sequence, output_error
from vidstyle.media.pictures import PictureWriter
from vidstyle.media.protocol import CopiedPacket, FilmSource, Writer
from vidstyle.media.remux import OrderedTimes, Route, add_route
from vidstyle.media.side_track import SideTrack
from vidstyle.media.sound_track import SoundTrack
from vidstyle.media.stream_plan import RemuxPlan, StreamPlan, codec_name, plan_streams
from vidstyle.media.tags import film_tags, stream_tags

__all__ = ["EncodeOptions", "check_target", "open_writer"]

# Hand over at once, and wait at most a second of film for a stream that is silent (subtitles mostly are):
# what waits in the muxer is lost when the process is killed.
_LOSE_LITTLE = {"flush_packets": "1", "max_interleave_delta": "1000000"}
_MOST_HELD = 2**25  # bytes of sound before the first picture
_WRITE_ERRORS = (av.error.FFmpegError, OSError, ValueError)


def open_writer(
    target: str | Path, *, source: FilmSource, options: EncodeOptions | None = None, overwrite: bool = False
) -> Writer:
    """Open `target` for the painted film: a video file, a picture, numbered pictures or `-` (stdout).

    Whatever the target cannot hold is decided here, before the first frame, and said in `warnings`. Nothing
    appears under the target's own name before `close(commit=True)`. Raises UsageError and OutputError.
    """
    options = options or EncodeOptions()
    container = source.container
    check_target(None if container is None else container.name.removeprefix("file:"), target, overwrite=overwrite)
    if is_picture(target) or is_sequence(target):
        return PictureWriter(Path(target), source=source, options=options)
    return FilmWriter(target, source=source, options=options)


class FilmWriter:
    """A video file or stream. Not to be used from two threads at once."""

    def __init__(self, target: str | Path, *, source: FilmSource, options: EncodeOptions) -> None:
        """Decide about every stream and open the encoders. Raises UsageError, OutputError."""
        self._format = container_for(str(target), codec=options.codec)
        self._part = PartFile(target)
        self._notes = Notes()
        self._times = OrderedTimes(self._format.muxer)
        self._frames = self._refused = 0
        self._started = self._failed = self._closed = False
        self._held: list[Packet[Any]] = []
        self._held_bytes = 0
        film = film_settings(source, self._format, options, notes=self._notes)
        plan = self._plan(source, options)
        settings = self._format.stream_options if self._part.direct else self._format.options
        self._output: OutputContainer = av.open(
            self._part.url,
            "w",
            format=self._format.muxer,
            container_options={**_LOSE_LITTLE, **settings},
            metadata_errors="replace",
        )
        self._encoder = VideoEncoder(self._output, film)
        self._covers: list[tuple[str, bytes]] = []
        self._cover_codecs: dict[int, str] = {}
        self._routes: dict[int, Route] = {}
        self._sides: list[SideTrack] = []
        self._add_streams(source, plan)

    @property
    def frames_written(self) -> int:
        return self._frames

    @property
    def warnings(self) -> list[str]:
        refused = self._refused + sum(route.refused for route in self._routes.values())
        counted = {
            "had no usable time": self._times.moved,
            "were damaged or coded otherwise than before, and are left out": refused,
        }
        return [*self._notes.lines(), *(f"{n} packets beside the film {what}" for what, n in counted.items() if n)]

    def _plan(self, source: FilmSource, options: EncodeOptions) -> RemuxPlan:
        if source.container is None:
            return RemuxPlan(streams=(), warnings=())
        plan = plan_streams(
            source.container,
            self._format,
            video=source.video_stream,
            audio=options.audio,
            searchable=not self._part.direct,
        )
        for line in plan.warnings:
            self._notes.add(line)
        return plan

    def _add_streams(self, source: FilmSource, plan: RemuxPlan) -> None:
        container = source.container
        if container is None:
            return
        for entry in plan.streams:
            stream = container.streams[entry.index]
            if entry.action == "cover":
                self._cover_codecs[entry.index] = codec_name(stream)
                continue
            try:
                self._routes[entry.index] = self._route(stream, entry)
            except _WRITE_ERRORS as error:
                raise output_error(error, f"the {stream.type} stream #{entry.index} in {self._part.target}") from error
        self._output.metadata.update(film_tags(container))
        if self._format.chapters:
            self._output.set_chapters(source.chapters)
        if source.video_stream is not None:
            film = container.streams[source.video_stream]
            self._encoder.stream.metadata.update(stream_tags(film, muxer=self._format.muxer))
            self._encoder.stream.disposition = film.disposition

    def _route(self, stream: Stream, entry: StreamPlan) -> Route:
        if stream.type != "subtitle" or not self._format.subtitles_apart:
            return add_route(self._output, stream, entry, self._format)
        side = SideTrack(self._format.muxer, lambda output: add_route(output, stream, entry, self._format))
        self._sides.append(side)
        return side

    def write(self, frame: Frame) -> None:
        """Encode one frame. Raises OutputError."""
        with self._reporting():
            self._frames += 1
            self._mux_film(self._encoder.encode(frame))

    def copy(self, packet: CopiedPacket) -> None:
        """Pass on a packet of another stream; what `open_writer` left out is dropped. Raises OutputError."""
        with self._reporting():
            if codec := self._cover_codecs.pop(packet.stream, None):
                self._add_cover(codec, bytes(packet.packet))
            elif route := self._routes.get(packet.stream):
                self._mux_copied(route.feed(packet.packet))

    def add_sound(self, sound: SoundFormat) -> SoundTrack | None:
        """A track for a live camera's sound, before the first frame; None where the container holds none.

        What it encodes goes to `mux_sound`.
        """
        encoder = self._format.audio_encoder
        return SoundTrack(self._output, sound, encoder=encoder) if encoder else None

    def mux_sound(self, packets: Iterable[Packet[Any]]) -> None:
        """Write packets of the track that `add_sound` gave. Raises OutputError."""
        with self._reporting():
            self._mux_copied(packets)

    def _mux_film(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            self._start()
            self._output.mux_one(packet)

    def _mux_copied(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            if self._started:
                self._mux_one_copied(packet)
                continue
            self._held.append(packet)
            self._held_bytes += packet.size
            if self._held_bytes > _MOST_HELD:
                self._start()

    def _mux_one_copied(self, packet: Packet[Any]) -> None:
        for timed in self._times.in_order([packet]):
            try:
                self._output.mux_one(timed)
            except av.error.InvalidDataError:
                self._refused += 1  # damaged in the source, in a way that this container cannot hold

    def _start(self) -> None:
        """Open the file, once the encoder has something for it: before that it would be one that does not play."""
        if self._started:
            return
        self._started = True
        self._part.create()
        self._output.start_encoding()
        for packet in self._held:
            self._mux_one_copied(packet)
        self._held.clear()

    def _add_cover(self, codec: str, picture: bytes) -> None:
        if self._format.cover == "atom":
            self._covers.append((codec, picture))
        elif self._started:
            self._notes.add("a cover picture that came after the film's beginning is left out")
        else:
            suffix, kind = ("jpg", "image/jpeg") if codec == "mjpeg" else ("png", "image/png")
            self._output.add_attachment(f"cover.{suffix}", kind, picture)

    def close(self, commit: bool) -> None:
        """Flush and close; see `Writer`. A film without frames leaves nothing behind. Raises OutputError."""
        if self._closed:
            return
        self._closed = True
        try:
            self._complete(commit)
        finally:
            self._part.release()

    def _complete(self, commit: bool) -> None:
        broken, name = self._failed, self._part.target
        try:
            with self._reporting():
                if not broken and self._frames:
                    self._flush()
                self._output.close()
                if self._frames and not broken and self._format.subtitles_apart and not self._part.direct:
                    self._finish_index()
        except OutputError:
            if not broken:  # else this is the same trouble a second time
                raise
        if not self._frames:
            self._part.discard()
        if commit and (broken or not self._frames):
            raise OutputError(f"{name} was not completed" if broken else f"no frame was written to {name}")
        if commit:
            self._part.commit()

    def _flush(self) -> None:
        self._mux_film(self._encoder.flush())
        for route in self._routes.values():
            self._mux_copied(route.flush())

    def _finish_index(self) -> None:
        mend_duration(self._part.path, self._encoder.duration)
        tracks = [
            (track, bool(side.stream.disposition & Disposition.default))
            for side in self._sides
            if (track := side.finish())
        ]
        if self._covers or tracks:
            complete_index(self._part.path, covers=self._covers, tracks=tracks)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turn FFmpeg's and the system's errors into OutputError, and remember that one came."""
        try:
            yield
        except OutputError:
            self._failed = True
            raise
        except _WRITE_ERRORS as error:
            self._failed = True
            raise output_error(error, self._part.path) from error

    def __enter__(self) -> FilmWriter:
        return self

    def __exit__(self, *error: object) -> None:
        first = error[1]
        try:
            self.close(commit=first is None)
        except OutputError as second:
            if not isinstance(first, BaseException):
                raise
            first.add_note(str(second))
