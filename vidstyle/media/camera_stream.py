"""Network cameras and FFmpeg's capture devices, through PyAV, with a limit on every wait."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.live_protocol import (
    CameraEnded,
    CameraInfo,
    CameraLost,
    CameraRequest,
    PictureUnusable,
    Sound,
    SoundFormat,
)
from vidstyle.media.pace import Pace

PATIENCE = 1.5
"""Seconds without data after which a stream that has worked counts as lost."""

FIRST_PATIENCE = 10.0
"""Seconds a stream may take to be opened and understood."""

_LIVE_OPTIONS = {"fflags": "nobuffer", "rtsp_transport": "tcp", "analyzeduration": "1000000"}


class StreamCamera:
    """A stream as it comes; one of known length, or made by a filter, is played at its own pace."""

    def __init__(self, request: CameraRequest) -> None:
        self._request = request
        self._paced = request.source.startswith("lavfi:")
        self._container = _open(request)
        if not self._container.streams.video:
            self._container.close()
            raise InputError(f"{request.source}: no picture in it, only sound or data")
        self._video: VideoStream = self._container.streams.video[0]
        self._audio: AudioStream | None = next(iter(self._container.streams.audio), None)
        self._finite = self._container.duration is not None
        self._paced |= self._finite
        # Threads over frames would hold back as many pictures as there are threads.
        self._video.thread_type = "AUTO" if self._finite else "SLICE"
        self._pace = Pace()
        self._sounds: list[Sound] = []
        self._offset = 0.0
        self._end = 0.0
        self._pictures = self._decode()
        self.info = self._describe()

    def read(self) -> ImageArray:
        """The next picture; see `Camera.read`."""
        try:
            return next(self._pictures)
        except StopIteration:
            if not self._finite:
                raise CameraLost(f"{self.info.name}: the stream was closed at the other end") from None
            if not self._request.loop:
                raise CameraEnded(f"{self.info.name}: the end") from None
        except av.error.InvalidDataError as error:
            self._pictures = self._decode()
            raise PictureUnusable(f"{self.info.name}: a picture that cannot be decoded ({error.strerror})") from error
        except (av.error.ExitError, av.error.TimeoutError) as error:
            raise CameraLost(f"{self.info.name}: nothing came for {PATIENCE:g} s") from error
        except (av.error.FFmpegError, OSError) as error:
            raise CameraLost(f"{self.info.name}: {error.strerror or error}") from error
        self._offset = self._end
        self._container.seek(0)
        self._pictures = self._decode()
        return self.read()

    def sounds(self) -> list[Sound]:
        heard, self._sounds = self._sounds, []
        return heard

    def close(self) -> None:
        self._container.close()

    def _decode(self) -> Iterator[ImageArray]:
        streams = [self._video, self._audio] if self._audio else [self._video]
        packets = self._container.demux(streams)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, IndexError):  # PyAV's IndexError: the end of a damaged file
                return
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    at = self._offset + float(frame.time or 0)
                    self._sounds.append(Sound(samples=frame, captured=self._pace.moment(at)))
                elif isinstance(frame, av.VideoFrame):
                    at = self._offset + float(frame.time or 0)
                    if frame.is_corrupt and self._video.codec_context.name == "mjpeg":
                        continue  # half a picture; those of other codecs repair themselves, these come whole next time
                    self._keep_time(at)
                    yield picture_of(frame)

    def _keep_time(self, at: float) -> None:
        period = 1 / float(self._video.average_rate) if self._video.average_rate else 0.04
        self._end = max(self._end, at + period)
        if self._paced:
            self._pace.wait(at)
        else:
            self._pace.follow(at)

    def _describe(self) -> CameraInfo:
        rate = self._video.average_rate or self._video.guessed_rate or None
        context = self._video.codec_context
        sound = None
        if self._audio:
            sound = SoundFormat(
                rate=self._audio.codec_context.sample_rate, layout=self._audio.codec_context.layout.name
            )
        shown = f"{float(rate):g} fps" if rate else "unknown rate"
        return CameraInfo(
            name=without_secrets(self._request.source),
            width=context.width,
            height=context.height,
            rate=Fraction(rate) if rate else None,
            text=f"{context.width}x{context.height}, {shown}, {context.name}" + (", with sound" if sound else ""),
            sound=sound,
        )


def picture_of(frame: av.VideoFrame) -> ImageArray:
    """A decoded frame as (H, W, 3) uint8 RGB. Untagged HD is taken as BT.709, as displays do."""
    matrix = None
    if (
        frame.colorspace == 2
        and frame.height >= 720
        and not frame.format.is_rgb
        and not frame.format.name.startswith("yuvj")
    ):
        matrix = "ITU709"
    return np.asarray(frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray(), np.uint8)


def without_secrets(source: str) -> str:
    """A URL without the user and password in it, for messages and statistics."""
    scheme, separator, rest = source.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path if separator else source


def _open(request: CameraRequest) -> InputContainer:
    source, options, form = request.source, dict(_LIVE_OPTIONS), None
    if "://" not in source:
        form, source = source.split(":", 1)
        options = {}
        if form != "lavfi":
            if request.size:
                options["video_size"] = "{}x{}".format(*request.size)
            if request.rate:
                options["framerate"] = str(request.rate)
    name = without_secrets(request.source)
    try:
        return av.open(source, format=form, options=options, timeout=(FIRST_PATIENCE, PATIENCE))
    except (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError) as error:
        raise InputError(f"{name} is forbidden: {error.strerror}; check user, password and permissions") from error
    except (av.error.HTTPNotFoundError, FileNotFoundError) as error:
        raise InputError(f"{name} is missing: {error.strerror}") from error
    except av.error.ExitError as error:
        raise InputError(f"{name} gave no picture within {FIRST_PATIENCE:g} s") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        busy = isinstance(error, OSError) and error.errno == 16
        words = "is busy: another program uses it" if busy else f"cannot be opened: {getattr(error, 'strerror', error)}"
        raise InputError(f"{name} {words}") from error
