"""A film's decoded frames, from the beginning or from a moment inside, beside the other streams' packets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from functools import partial

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.media.demux import FilmDecoder, PacketFeed, frame_rate
from vidstyle.media.notes import Notes
from vidstyle.media.protocol import CopiedPacket
from vidstyle.media.timestamps import FrameClock
from vidstyle.media.window import TimeWindow

_Items = Generator[VideoFrame | CopiedPacket, None, None]

_SEEK_BACK = (0, 2, 10, 60)  # seconds before the wanted moment, until a frame before it can be decoded
_USUAL_RATE = Fraction(25)
_REORDERED = ("h264", "hevc")  # FFmpeg guesses when a packet of AVI is shown, which says nothing of it; these wrongly
_PERHAPS_BEYOND_FFMPEG = ("tiff_pipe", "webp_pipe")  # read otherwise, from files
_HIDES_FRAMES = ("vp8", "vp9", "av1")  # these have packets that show nothing: packets cannot be held against frames


class DecodedFilm:
    """Frames with settled pts, in the stream's time base, and packets, from the first frame of the part on.

    Making one finds that frame: `first`, and `first_packet`, the bytes it may have been decoded from.
    Raises InputError if there is none.
    """

    first: VideoFrame

    def __init__(
        self,
        container: InputContainer,
        *,
        stream: VideoStream,
        window: TimeWindow,
        searchable: bool,
        max_pixels: int,
        name: str,
    ) -> None:
        self.notes = Notes()
        self.first_packet = b""
        self._container = container
        self._stream = stream
        self._window = window
        self._searchable = searchable
        self._name = name
        self._max_pixels = max_pixels
        self._counted = container.format.name == "avi" and stream.codec_context.name in _REORDERED
        self._decoder = FilmDecoder(stream, max_pixels=max_pixels)
        self._feed = PacketFeed(container, film=stream, name=name, notes=self.notes)
        self._undecoded: list[int] = []  # pts of the film's packets until the first frame came
        self._lead_in = 0  # of these, how many are earlier than that frame
        self._head: list[CopiedPacket] = []
        self._earlier: VideoFrame | None = None
        self._items = self._from_first()

    def events(self) -> Iterator[VideoFrame | CopiedPacket]:
        """Packets and frames, once; where a part begins inside, with one frame before it for the deinterlacer."""
        yield from self._head
        if self._earlier is not None:
            yield self._earlier
        yield self.first
        yield from self._items

    def close(self) -> None:
        """Stop reading. The container stays open."""
        self._items.close()

    def report_losses(self) -> None:
        """Note what was lost, when everything has been read; of a part only what was seen to be damaged."""
        if self._window.first is not None or self._window.last is not None:
            return
        self._feed.report_missing_end()
        self.notes.count("frames before the first key frame, not decodable", self._lead_in)
        if (self._feed.damaged or self._decoder.failures) and self._stream.codec_context.name not in _HIDES_FRAMES:
            self.notes.count("frames lost", max(0, self._feed.film_packets - self._decoder.frames - self._lead_in))

    def _from_first(self) -> _Items:
        """Read up to the first frame of the part; from a key frame before it where the input can be searched."""
        items = self._decode()
        first: VideoFrame | None = None
        failure: FFmpegError | None = None
        for seek in self._seeks():
            items.close()
            try:
                seek()
            except FFmpegError as error:
                failure = error
                continue
            failure = None
            items = self._decode()
            first = self._advance(items)
            if first is not None and self._window.reached_by(self._time(first)):
                break
        else:
            first = first or self._advance(items)
        if failure is not None:
            raise InputError(f"cannot move inside {self._name}: {failure.strerror}") from failure
        while first is not None and self._window.before(self._time(first)):
            self._earlier = first
            first = self._advance(items)
        if first is None or self._window.after(self._time(first)):
            raise InputError(f"cannot read {self._name}: {self._why_nothing()}")
        self.first = first
        self._lead_in = sum(pts < (first.pts or 0) for pts in self._undecoded)  # now: whoever takes it may move it
        return items

    def _seeks(self) -> Iterator[Callable[[], None]]:
        """Ways to get to the part, the quickest first; none if reading has to start at the beginning anyway."""
        first = self._window.first
        if first is None or self._stream.start_time is None or not self._searchable:
            return
        for back in _SEEK_BACK:
            if first - back > self._window.origin:
                yield partial(self._seek, first - back, self._stream)
        yield self._rewind

    def _rewind(self) -> None:
        if self._container.format.name.startswith("mpeg"):
            # These have no index; a search by time stamp can overshoot, one by position cannot.
            self._container.seek(0, unsupported_byte_offset=True)
            return
        # By the stream that begins first: the others then begin at their own beginnings.
        begun = [s for s in self._container.streams if s.start_time is not None and s.time_base]
        earliest = min(begun, key=lambda s: Fraction(s.start_time or 0) * Fraction(s.time_base or 1))
        self._seek(self._window.origin, earliest)

    def _seek(self, moment: Fraction, stream: Stream) -> None:
        assert stream.time_base is not None
        self._container.seek(int(moment / stream.time_base), stream=stream)

    def _advance(self, items: _Items) -> VideoFrame | None:
        """The next frame, after keeping the packets before it; None at the end."""
        for item in items:
            if isinstance(item, VideoFrame):
                return item
            self._head.append(item)
        return None

    def _decode(self) -> _Items:
        """Everything from where the container stands."""
        self.notes = Notes()
        self._head = []
        self._undecoded = []
        self._decoder.restart(self.notes)
        self._feed = PacketFeed(self._container, film=self._stream, name=self._name, notes=self.notes)
        clock = FrameClock(step=self._step(), tick=self._window.tick, notes=self.notes, counted=self._counted)
        for packet in self._feed:
            if packet.stream_index != self._stream.index:
                if self._window.admit(packet):
                    yield CopiedPacket(packet, packet.stream_index)
                continue
            if self._counted:
                packet.pts = packet.dts
            self._remember(packet)
            for frame in self._decoder.decode(packet):
                yield from clock.place(frame)
        for frame in self._decoder.decode(None):
            yield from clock.place(frame)
        yield from clock.flush()

    def _remember(self, packet: av.Packet[Stream]) -> None:
        if self._decoder.frames:
            return
        if not self.first_packet:
            self.first_packet = bytes(packet)
        if packet.pts is not None and not packet.is_discard and self._window.first is None:
            self._undecoded.append(packet.pts)

    def _step(self) -> Fraction:
        """Distance of two frames in ticks."""
        return 1 / ((frame_rate(self._stream) or _USUAL_RATE) * self._window.tick)

    def _time(self, frame: VideoFrame) -> Fraction:
        assert frame.pts is not None
        return frame.pts * self._window.tick

    def _why_nothing(self) -> str:
        failed_at_once = self._feed.damaged and not self._feed.film_packets
        if failed_at_once and not self._searchable and self._container.format.name.startswith("mov"):
            # The demuxer has found the index behind the pictures, and a pipe does not lead back to them.
            return "no frames; an mp4 with its index at the end must be given as a file, not through a pipe"
        if not self._searchable and self._container.format.name in _PERHAPS_BEYOND_FFMPEG:
            return "no frames; it may be a picture that must be given as a file, not through a pipe"
        if self._window.first is not None or self._window.last is not None:
            return "no frames in the part that was asked for"
        if self._decoder.failures:
            limit = f", or larger than the limit of {self._max_pixels / 1e6:.0f} million pixels"
            maybe_large = self._decoder.refused or not self._stream.codec_context.width
            return f"no frames; its pictures are damaged{limit if maybe_large else ''}"
        return "no frames; its video stream is empty"
