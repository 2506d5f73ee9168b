"""A recording of a live session: the film pipeline's writer, fed at the pictures' own times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av.packet import Packet

from vidstyle.errors import OutputError
from vidstyle.frames import Frame, VideoInfo
from vidstyle.media.codecs import video_encoder
from vidstyle.media.containers import container_for
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound
from vidstyle.media.part_file import is_picture, is_sequence, part_path
from vidstyle.media.protocol import Writer
from vidstyle.media.sound_track import SoundTrack
from vidstyle.media.writer import EncodeOptions, FilmWriter, check_target, open_writer

if TYPE_CHECKING:
    from av.container.core import Chapter  # only PyAV's stubs have it

TIME_BASE = Fraction(1, 90_000)

PRESET = "ultrafast"
"""x264's: a live session has no time for better compression. Other encoders have presets of their own."""

MuxSound = Callable[["Iterable[Packet[Any]]"], None]


class LiveFilm:
    """Writes a film file; frames and sound keep the distances at which they were captured.

    As in `render` the file has a `.part` beside its name until it is complete, and that is playable.
    """

    steady = False

    def __init__(self, path: str) -> None:
        """Raises UsageError and OutputError for what cannot or must not be written."""
        check_target(None, path, advice="nothing is recorded over it: choose another name")
        if (left := part_path(Path(path))).exists():
            raise OutputError(f"{left} is what an earlier recording left, and plays: rename it, or choose another name")
        self.name = path
        self._writer: Writer | None = None
        self._start: float | None = None
        self._last = -1
        self._frames = 0
        self._sound: SoundTrack | None = None
        self._mux_sound: MuxSound | None = None

    def open(self, picture: PictureFormat) -> None:
        """Open the file. Raises OutputError."""
        info = VideoInfo(width=picture.width, height=picture.height, time_base=TIME_BASE, rate=picture.rate)
        options = EncodeOptions(preset=_preset(self.name), audio="none")
        writer = open_writer(self.name, source=_NoFilm(info), options=options)
        self._writer = writer
        if picture.sound and isinstance(writer, FilmWriter):  # others write pictures only
            self._sound, self._mux_sound = writer.add_sound(picture.sound), writer.mux_sound

    def write(self, frame: LiveFrame) -> None:
        """Write one picture, (H, W, 3) uint8 RGB. Raises OutputError."""
        assert self._writer
        if self._start is None:
            self._start = frame.captured
        if self._sound and self._mux_sound:
            self._mux_sound(self._sound.until(frame.captured))
        pts = max(self._last + 1, round((frame.captured - self._start) / TIME_BASE))
        self._writer.write(Frame(image=frame.image, pts=pts, time_base=TIME_BASE, index=self._frames))
        self._last = pts
        self._frames += 1

    def hear(self, sound: Sound) -> None:
        """Take a piece of sound, to be written with the picture it belongs to."""
        if self._sound:
            self._sound.hear(sound)

    def close(self) -> None:
        """Complete the file; one without pictures disappears. Raises OutputError."""
        writer, self._writer = self._writer, None
        if not writer:
            return
        try:
            if self._sound and self._mux_sound:
                self._mux_sound(self._sound.finish())
        finally:
            writer.close(commit=self._frames > 0)


def _preset(target: str) -> str | None:
    """`PRESET` where the target is encoded by x264. Raises UsageError for a suffix that means nothing."""
    if is_picture(target) or is_sequence(target):
        return None
    return PRESET if video_encoder(container_for(target).codec).name == "libx264" else None


class _NoFilm:
    """What a writer takes over where there is no film that was read."""

    container = None
    video_stream = None

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self.chapters: list[Chapter] = []
