"""Live streams for OBS, players and servers: MPEG-TS over UDP, TCP and SRT, and RTMP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import av
import av.error
from av.container import OutputContainer

from vidstyle.errors import OutputError
from vidstyle.media.addresses import without_key
from vidstyle.media.live_encoder import LiveEncoder
from vidstyle.media.live_protocol import LiveFrame, OutputLost, PictureFormat, ReceiverAbsent, Sound
from vidstyle.media.transport import Transport, transport_for

_AT_ONCE = {"flush_packets": "1", "max_interleave_delta": "200000"}
"""Send at once; and if the sound stops, wait for it 0.2 s (in microseconds here) and not FFmpeg's ten."""

_MUXER_OPTIONS = {
    "mpegts": _AT_ONCE | {"mpegts_flags": "resend_headers"},
    "flv": _AT_ONCE | {"flvflags": "no_duration_filesize"},
}


class TransportStream:
    """Pictures and sound through a transport of ours, so that every wait has a limit.

    The container is opened when there is a receiver.
    """

    steady = True

    def __init__(self, url: str, *, transport: Transport | None = None) -> None:
        """Raises UsageError for an address that is none."""
        self.name = without_key(url)
        self._url = url
        self._transport = transport or transport_for(url)
        self._picture: PictureFormat | None = None
        self._container: OutputContainer | None = None
        self._encoder: LiveEncoder | None = None

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

    def hear(self, sound: Sound) -> None:
        """Take a piece of sound, to be sent with the picture it belongs to."""
        if self._encoder:
            self._encoder.hear(sound)

    def close(self) -> None:
        self._end_stream()
        self._transport.close()

    def _connect(self) -> None:
        assert self._picture
        try:
            self._transport.connect()
        except OutputError as error:
            raise type(error)(self._shown(error)) from error
        muxer = self._transport.muxer
        self._container = av.open(self._transport, "w", format=muxer, options=_MUXER_OPTIONS[muxer])
        self._encoder = LiveEncoder(self._container, self._picture)

    @contextlib.contextmanager
    def _lost_if_broken(self) -> Iterator[None]:
        """Leave a receiver that is gone; where receivers connect to us, that makes room for the next."""
        try:
            yield
        except (OutputLost, av.error.FFmpegError, OSError) as error:
            self._transport.hang_up()  # first: the stream's end would wait for this receiver again
            self._end_stream()
            why = self._shown(error) if isinstance(error, OutputLost) else f"{self.name}: {error.strerror or error}"
            if self._transport.is_called:
                raise ReceiverAbsent(why) from error
            raise OutputLost(why) from error

    def _shown(self, error: Exception) -> str:
        """An error's message without the address's secrets, which ffmpeg's own last words repeat."""
        return str(error).replace(self._url, without_key(self._url))

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
