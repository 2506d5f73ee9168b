"""Live streams for OBS, players and servers: MPEG-TS over UDP, TCP and SRT, and RTMP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import av
import av.error
from av.container import OutputContainer

from vidstyle.errors import UsageError
from vidstyle.media.live_encoder import LiveEncoder
from vidstyle.media.live_protocol import LiveFrame, OutputLost, PictureFormat, ReceiverAbsent, Sound
from vidstyle.media.transport import Transport, transport_for

_MUXER = {"flush_packets": "1", "max_interleave_delta": "200000"}
"""Send at once; and if the sound stops, wait for it 0.2 s (in microseconds here) and not FFmpeg's ten."""


class _EncodedStream:
    """What the streams share: a container that is opened when there is a receiver, and an encoder for it."""

    steady = True

    def __init__(self, url: str) -> None:
        self.name = url
        self._picture: PictureFormat | None = None
        self._container: OutputContainer | None = None
        self._encoder: LiveEncoder | None = None

    def hear(self, sound: Sound) -> None:
        if self._encoder:
            with self._lost_if_broken():
                self._encoder.hear(sound)

    @contextlib.contextmanager
    def _lost_if_broken(self) -> Iterator[None]:
        """FFmpeg's errors mean that the receiver has gone; our transports say so themselves."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            raise OutputLost(f"{self.name}: {error.strerror or error}") from error

    def _end_stream(self) -> None:
        """Finish the stream as well as the receiver lets us."""
        container, encoder = self._container, self._encoder
        self._container = self._encoder = None
        if not container or not encoder:
            return
        with contextlib.suppress(OutputLost, av.error.FFmpegError, OSError):
            encoder.finish()
        with contextlib.suppress(OutputLost, av.error.FFmpegError, OSError):
            container.close()


class TransportStream(_EncodedStream):
    """MPEG-TS through a transport of ours, so that every wait has a limit."""

    def __init__(self, url: str, *, transport: Transport | None = None) -> None:
        super().__init__(url)
        self._transport = transport or transport_for(url)

    def open(self, picture: PictureFormat) -> None:
        """Connect; a receiver that is to connect to us may come later. Raises OutputLost, OutputError."""
        self._picture = picture
        with contextlib.suppress(ReceiverAbsent):
            self._connect()

    def write(self, frame: LiveFrame) -> None:
        """Send one picture. Raises ReceiverAbsent, OutputLost."""
        if not self._encoder:
            self._connect()
        assert self._encoder
        with self._lost_if_broken():
            self._encoder.write(frame)
            self._transport.flush()

    @contextlib.contextmanager
    def _lost_if_broken(self) -> Iterator[None]:
        """Where receivers connect to us, one that leaves makes room for the next."""
        try:
            with super()._lost_if_broken():
                yield
        except OutputLost as error:
            self._transport.hang_up()  # first: the stream's end would wait for this receiver again
            self._end_stream()
            if not self._transport.is_called:
                raise
            raise ReceiverAbsent(str(error)) from error

    def close(self) -> None:
        self._end_stream()
        self._transport.close()

    def _connect(self) -> None:
        assert self._picture
        self._transport.connect()
        options = _MUXER | {"mpegts_flags": "resend_headers"}
        self._container = av.open(self._transport, "w", format="mpegts", options=options)
        self._encoder = LiveEncoder(self._container, self._picture)


class RtmpStream(_EncodedStream):
    """FLV over RTMP, by FFmpeg itself. A server that stops reading without hanging up blocks this output alone.

    Nothing may look first whether the server answers: a receiver in FFmpeg's listening mode takes one connection.
    """

    def open(self, picture: PictureFormat) -> None:
        """Connect. Raises OutputLost where nobody answers, UsageError for an address that is none."""
        url = urlsplit(self.name)
        if not url.hostname or not url.path.strip("/"):
            raise UsageError(f"output {self.name!r}: write rtmp://HOST/APPLICATION/KEY")
        self._picture = picture
        with self._lost_if_broken():
            options = _MUXER | {"flvflags": "no_duration_filesize"}
            self._container = av.open(self.name, "w", format="flv", options=options)
            self._encoder = LiveEncoder(self._container, picture)
            self._container.start_encoding()

    def write(self, frame: LiveFrame) -> None:
        """Send one picture. Raises OutputLost."""
        assert self._encoder
        with self._lost_if_broken():
            self._encoder.write(frame)

    def close(self) -> None:
        self._end_stream()
