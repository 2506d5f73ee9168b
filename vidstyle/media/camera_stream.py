"""Films, network cameras and FFmpeg's capture devices, through PyAV, with a limit on every wait."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.addresses import without_secrets
from vidstyle.media.camera_patience import FIRST_PATIENCE, Patience
from vidstyle.media.colour import SWS_MATRIX, source_colour
from vidstyle.media.live_protocol import (
    CameraEnded,
    CameraInfo,
    CameraLost,
    CameraRequest,
    PictureNotDue,
    PictureUnusable,
    Sound,
    SoundFormat,
)
from vidstyle.media.notes import Notes
from vidstyle.media.opening import open_container
from vidstyle.media.orientation import orientation_of
from vidstyle.media.pace import Pace
from vidstyle.media.upright import PictureFilter

SOUND_LEAD = 1.0
"""Seconds before its time at which sound is given: films of slow pictures are read far ahead; outputs keep little."""

SOUND_KEPT = 3000
"""Pieces of sound (about 20 ms each) kept until then; where there are more, their stamps are not the picture's."""

_LIVE_OPTIONS = {"rtsp_transport": "tcp", "analyzeduration": "1000000"}

OpenSource = Callable[[Patience], InputContainer]
"""Opens what the camera reads from, and waits for its data as long as told. Raises InputError."""


class StreamCamera:
    """A stream as it comes; one of known length, or made by a filter, is played at its own pace.

    Films and streams of known length end (or begin again, with the request's `loop`), others can only be lost.
    """

    def __init__(self, open_source: OpenSource, request: CameraRequest, *, is_film: bool = False) -> None:
        self._open_source = open_source
        self._request = request
        self._patience = Patience()
        self._container = open_source(self._patience)
        self._finite = is_film or self._container.duration is not None
        self._paced = self._finite or request.source.startswith("lavfi:")
        self._find_streams()
        self._reformatter = VideoReformatter()
        self._upright: PictureFilter | None = None
        self._pace = Pace()
        self._sounds: deque[tuple[av.AudioFrame, float]] = deque()
        self._offset = self._end = 0.0
        self._begin: float | None = None  # the first picture's time, which need not be 0
        self._pictures = self._decode()
        self.info = self._describe()

    def read(self) -> ImageArray:
        """The next picture; see `Camera.read`. Raises PictureNotDue too, in the pauses of a film."""
        try:
            image = next(self._pictures)
        except StopIteration:
            if not self._finite:
                raise CameraLost(f"{self.info.name}: the stream was closed at the other end") from None
            if not self._request.loop or not self._end:
                raise CameraEnded(f"{self.info.name}: the end") from None
        except av.error.InvalidDataError as error:
            self._pictures = self._decode()
            raise PictureUnusable(f"{self.info.name}: a picture that cannot be decoded ({error.strerror})") from error
        except (av.error.ExitError, av.error.TimeoutError) as error:
            raise CameraLost(f"{self.info.name}: nothing came for {self._patience.seconds:.3g} s") from error
        except (av.error.FFmpegError, OSError) as error:
            raise CameraLost(f"{self.info.name}: {error.strerror or error}") from error
        else:
            if image is None:
                raise PictureNotDue(f"{self.info.name}: the next picture is not due yet")
            return image
        self._begin_again()
        return self.read()

    def sounds(self) -> list[Sound]:
        if not self._pace.has_begun:
            return []
        until = time.monotonic() + SOUND_LEAD
        heard = []
        while self._sounds and (self._pace.moment(self._sounds[0][1]) <= until or len(self._sounds) > SOUND_KEPT):
            samples, at = self._sounds.popleft()
            heard.append(Sound(samples=samples, captured=self._pace.moment(at)))
        return heard

    def close(self) -> None:
        self._container.close()
        # The generator holds this camera: without it, decoders and pictures go at once and wait for no collector.
        self._pictures = iter(())

    def _find_streams(self) -> None:
        """Take the container's first picture and sound. Raises InputError where there is no picture."""
        streams = self._container.streams
        if not streams.video:
            self._container.close()
            raise InputError(f"{without_secrets(self._request.source)}: no picture in it, only sound or data")
        self._video: VideoStream = streams.video[0]
        self._audio: AudioStream | None = next(iter(streams.audio), None)
        # Threads over frames would hold back as many pictures as there are threads.
        self._video.thread_type = "AUTO" if self._finite else "SLICE"

    def _begin_again(self) -> None:
        """Open the film anew: many that cannot be sought do not say so. Raises InputError."""
        self._offset, self._end = self._end - (self._begin or 0.0), 0.0
        self._container.close()
        self._container = self._open_source(self._patience)
        self._find_streams()
        self._pictures = self._decode()

    def _decode(self) -> Iterator[ImageArray | None]:
        """The pictures when they are due, and None until then."""
        packets = self._packets()
        while True:
            try:
                packet = next(packets)
            except (StopIteration, IndexError):  # PyAV's IndexError: the end of a damaged file
                return
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    self._sounds.append((frame, self._offset + float(frame.time or 0)))
                elif isinstance(frame, av.VideoFrame) and not self._is_half(frame):
                    yield from self._on_time(frame)

    def _packets(self) -> Iterator[Packet[Any]]:
        """Everything from the container, which is waited for as patiently as the camera's pace demands."""
        streams = [self._video, self._audio] if self._audio else [self._video]
        while True:
            patience = self._patience.seconds
            for packet in self._container.demux(streams):
                if packet.stream is self._video:
                    self._patience.came(time.monotonic())
                yield packet
                # PyAV takes the patience when it begins to demux. Empty packets are the end: there is no more.
                if self._patience.seconds != patience and packet.size:
                    break
            else:
                return

    def _is_half(self, frame: av.VideoFrame) -> bool:
        """Whether it is a damaged JPEG, which stays half a picture; other codecs repair themselves."""
        return bool(frame.is_corrupt) and self._video.codec_context.name == "mjpeg"

    def _on_time(self, frame: av.VideoFrame) -> Iterator[ImageArray | None]:
        """The frame's picture (or two, or none, where films are deinterlaced) when it is due, and None until then."""
        frames = [frame]
        if self._finite and frame.pts is not None:
            if self._upright is None:
                base = self._video.time_base or Fraction(1, 1000)
                self._upright = PictureFilter(orientation=orientation_of(frame), time_base=base, notes=Notes())
            frames = self._upright.push(frame)
        for ready in frames:
            # Streams without stamps, such as bare H.264, have their rate.
            at = max(self._offset, self._end) if ready.time is None else self._offset + float(ready.time)
            self._begin = at if self._begin is None else self._begin
            image = self._picture(ready)
            period = 1 / float(self._video.average_rate) if self._video.average_rate else 0.04
            self._end = max(self._end, at + period)
            if not self._pace.has_begun:
                yield image
                # Only now: who takes a film's first picture may let it wait until everything is ready.
                self._pace.begin(at)
                continue
            if self._paced:
                while not self._pace.wait(at):
                    yield None
            else:
                self._pace.follow(at)
            yield image

    def _picture(self, frame: av.VideoFrame) -> ImageArray:
        """(H, W, 3) uint8 RGB, by the tags or the usual rule; the quick conversion, not the exact one of films."""
        colour = source_colour(frame)
        picture = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=SWS_MATRIX.get(colour.matrix, Colorspace.ITU709),  # unknown ones as films have them
            src_color_range=ColorRange.JPEG if colour.full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return np.asarray(picture.to_ndarray(), np.uint8)

    def _describe(self) -> CameraInfo:
        rate = self._video.average_rate or self._video.guessed_rate or None
        context = self._video.codec_context
        sound = None
        if self._audio:
            heard = self._audio.codec_context
            sound = SoundFormat(rate=heard.sample_rate, layout=heard.layout.name)
        shown = f"{float(rate):g} fps" if rate else "unknown rate"
        return CameraInfo(
            name=without_secrets(self._request.source),
            width=context.width,
            height=context.height,
            rate=Fraction(rate) if rate else None,
            text=f"{context.width}x{context.height}, {shown}, {context.name}" + (", with sound" if sound else ""),
            sound=sound,
            waits=self._finite,
        )


def open_film(request: CameraRequest) -> StreamCamera:
    """A film file, played at its own pace. Raises InputError."""
    return StreamCamera(lambda patience: open_container(request.source), request, is_film=True)


def open_stream(request: CameraRequest) -> StreamCamera:
    """A URL, or `FORMAT:DEVICE` for a capture device of FFmpeg's. Raises InputError telling what is wrong."""
    return StreamCamera(lambda patience: _open_stream(request, patience), request)


def _open_stream(request: CameraRequest, patience: Patience) -> InputContainer:
    source, options, form = request.source, dict(_LIVE_OPTIONS), None
    if "://" not in source:
        form, source = source.split(":", 1)
        if form == "x11grab":
            _check_screen(source)
        options = _device_options(request) if form != "lavfi" else {}
    name = without_secrets(request.source)
    # Any object that is a number will do; of this one PyAV asks anew whenever it begins to demux.
    timeout = FIRST_PATIENCE, cast(float, patience)
    try:
        return av.open(source, format=form, options=options, timeout=timeout)
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


def _check_screen(display: str) -> None:
    """Raise InputError where FFmpeg would end the process instead of capturing an X display.

    The wheels of PyAV and OpenCV each bring libraries of X, under names of which some are the same, and what PyAV's
    FFmpeg then calls is partly OpenCV's. Where both use the system's there is but one libxcb.
    """
    if sys.platform != "linux":
        return
    loaded = re.findall(r"/\S*/libxcb(?:-[0-9a-f]+)?\.so\S*$", Path("/proc/self/maps").read_text(), re.MULTILINE)
    if len(set(loaded)) > 1:
        address = "udp://127.0.0.1:9000"
        raise InputError(
            f"x11grab:{display} cannot be opened beside OpenCV, whose libraries of X are others than PyAV's; have "
            f"`ffmpeg -f x11grab -i {display} -q:v 3 -f mpegts '{address}?pkt_size=1316'` send it, "
            f"and take --camera {address}"
        )


def _device_options(request: CameraRequest) -> dict[str, str]:
    options = {}
    if request.size:
        options["video_size"] = "{}x{}".format(*request.size)
    if request.rate:
        options["framerate"] = str(request.rate)
    return options
