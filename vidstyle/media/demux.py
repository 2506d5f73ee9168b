"""The packets of an input in file order, with trustworthy stamps, and what was lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.media.notes import Notes
from vidstyle.media.timestamps import PacketRebaser

_KNOWS_ITS_LENGTH = ("mov", "matroska", "avi")  # others estimate a duration from the bit rate
_FASTEST = 1000  # frames a second; a rate above it is a time base in disguise
_CUT_SHORT = Fraction(1, 2)  # seconds that may be missing at the end before it is worth a warning


def choose_film(container: InputContainer, *, name: str) -> VideoStream:
    """The stream that is the film: by type and disposition, then what moves, then size. Cover art never is.

    Raises InputError, calling the input `name`, if there is none or FFmpeg has no decoder for it.
    """
    not_film = Disposition.attached_pic | Disposition.timed_thumbnails
    films = [stream for stream in container.streams.video if not stream.disposition & not_film]
    if not films:
        why = "it holds a cover picture but no film" if container.streams.video else "it holds no picture at all"
        raise InputError(f"cannot read {name}: no frames; {why}")
    decodable = [stream for stream in films if stream.codec_context is not None]
    if not decodable:
        raise InputError(f"cannot read {name}: this FFmpeg has no decoder for its video")

    def rank(stream: VideoStream) -> tuple[bool, bool, int, int]:
        context, default = stream.codec_context, bool(stream.disposition & Disposition.default)
        moves = stream.frames != 1  # a moving AVIF's still, for programs that show no more, comes first in the file
        return default, moves, context.width * context.height, -stream.index

    return max(decodable, key=rank)


def time_base_of(stream: VideoStream) -> Fraction:
    """The film's unit of time, in seconds."""
    assert stream.time_base is not None  # set by every demuxer
    return stream.time_base


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second as far as the file tells; None if it does not."""
    # Without time stamps the average is only the demuxer's guess; the other comes from the pictures' own headers.
    if stream.start_time is None:
        rates = stream.guessed_rate, stream.average_rate
    else:
        rates = stream.average_rate, stream.guessed_rate
    return next((Fraction(rate) for rate in rates if rate and rate <= _FASTEST), None)


class PacketFeed:
    """All packets, stamps rebased, in the order of the file. Read once; after a seek make a new one."""

    def __init__(self, container: InputContainer, *, film: VideoStream, name: str, notes: Notes) -> None:
        self._container = container
        self._film = film
        self._name = name
        self._notes = notes
        self._end = Fraction(0)  # latest end of any packet, in seconds of the file's own clock
        self.film_packets = 0
        self.damaged = False

    def __iter__(self) -> Iterator[Packet[Stream]]:
        """Give the packets. Raises InputError if the medium itself fails; damage in the file only ends it."""
        rebaser = PacketRebaser(film=self._film.index, notes=self._notes)
        try:
            for packet in self._container.demux():
                if packet.size == 0 and packet.dts is None:
                    continue  # PyAV's signal to flush a decoder, which is done at the end
                self._look_at(packet)
                yield from rebaser.place(packet)
        except IndexError:
            # PyAV 18 trips over streams that a damaged file seemed to gain on the way, after the last packet.
            self.damaged = True
        except InvalidDataError:
            self.damaged = True
            self._notes.add(f"the file is damaged: reading ended at {float(self._end):.2f} s")
        except FFmpegError as error:
            raise InputError(f"reading {self._name} failed at {float(self._end):.2f} s: {error.strerror}") from error
        yield from rebaser.flush()

    def report_missing_end(self) -> None:
        """Note it if the file promised more than there was."""
        counts_empty = self._container.format.name == "avi"  # AVI's number of frames is its length on its one grid
        if 0 < self.film_packets < self._film.frames and not counts_empty:
            self._notes.add(f"the file is cut short: {self.film_packets} of {self._film.frames} frames are there")
            return
        promised = self._container.duration
        if promised is None or not self._container.format.name.startswith(_KNOWS_ITS_LENGTH):
            return
        whole = Fraction(promised + (self._container.start_time or 0), av.time_base)
        if self._end < whole - _CUT_SHORT:
            self._notes.add(f"the file is cut short: it ends at {float(self._end):.2f} s of {float(whole):.2f} s")

    def _look_at(self, packet: Packet[Stream]) -> None:
        if packet.stream_index == self._film.index:
            self.film_packets += 1
        if packet.is_corrupt:
            self.damaged = True
            self._notes.count("damaged packets")
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            self._end = max(self._end, (stamp + (packet.duration or 0)) * packet.time_base)


class FilmDecoder:
    """The film's decoder. What it cannot decode is counted and passed over."""

    def __init__(self, stream: VideoStream, *, max_pixels: int) -> None:
        self._notes = Notes()
        self._context = self._with_alpha(stream) or stream.codec_context
        self._context.thread_type = "AUTO"
        if self._context.is_hwaccel:
            self._context.thread_count = 1  # the work is done elsewhere; each thread would hold frames there
        self._context.options = {"max_pixels": str(max_pixels)}
        self.failures = 0
        self.frames = 0
        self.refused = False

    def decode(self, packet: Packet[Stream] | None) -> list[VideoFrame]:
        """Frames that became ready with this packet; with None, the last ones."""
        try:
            frames = self._context.decode(packet)
        except EOFError:
            return []  # was flushed already
        except FFmpegError as error:
            self.failures += 1
            self.refused = isinstance(error, ArgumentError)  # what FFmpeg says of too many pixels, among other things
            self._notes.count("packets that could not be decoded")
            return []
        self.frames += len(frames)
        self._notes.count("frames decoded with damage", sum(frame.is_corrupt for frame in frames))
        return frames

    def restart(self, notes: Notes) -> None:
        """Begin anew, after a seek; what is lost from here on is told to `notes`."""
        self._notes = notes
        if self._context.is_open:
            self._context.flush_buffers()
        self.failures = self.frames = 0

    def _with_alpha(self, stream: VideoStream) -> VideoCodecContext | None:
        """A libvpx decoder where the film is VP8 or VP9 with alpha, which FFmpeg's own decoders leave out."""
        library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
        if library is None or ("alpha_mode", "1") not in {
            (key.lower(), value) for key, value in stream.metadata.items()
        }:
            return None
        if library not in av.codecs_available:
            return None
        context = av.CodecContext.create(library, "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = stream.codec_context.extradata
        return context
