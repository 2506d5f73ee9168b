"""What cameras and live outputs look like from outside, and the types that travel between them.

Live time is the process's monotonic clock, in seconds as a float: it is compared with deadlines and
never written into a film. Outputs that need exact stamps count them from it (see `streams`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av

from vidstyle.errors import InputError, OutputError
from vidstyle.frames import ImageArray


class CameraLost(InputError):
    """The camera stalled, was unplugged or hung up: it must be opened again."""


class CameraEnded(InputError):
    """The film is over: nothing more will come, and nothing is wrong."""


class PictureUnusable(InputError):
    """One picture could not be decoded; the next one may be fine."""


class PictureNotDue(InputError):
    """A film pauses: its next picture is there, and its time has not come yet."""


class OutputLost(OutputError):
    """The receiver is not there (any more): trying again later makes sense."""


class ReceiverAbsent(OutputError):
    """The output is ready and waits for somebody to connect; it stays open."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveFrame:
    """One picture on its way: `image` is (H, W, 3) uint8 RGB, never written to once it travels.

    `captured` is when the camera gave it, in seconds of `time.monotonic()`; `index` counts the camera's
    pictures from 0. A repeated picture, or one that only carries a notice, has `repeated` set.
    """

    image: ImageArray
    captured: float
    index: int
    repeated: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """A piece of the camera's sound: decoded samples, and when their first was heard (monotonic seconds).

    All outputs hold the same one, each in its own thread: none may change it.
    """

    samples: av.AudioFrame
    captured: float


@dataclass(frozen=True, kw_only=True)
class SoundFormat:
    """Sample rate in Hz and the channel layout's FFmpeg name ("mono", "stereo", ...)."""

    rate: int
    layout: str


@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """What was granted: `text` says it for people; `rate` is frames a second, None where nobody knows.

    A camera that `waits` (a film) loses nothing when it is not read for a while.
    """

    name: str
    width: int
    height: int
    rate: Fraction | None
    text: str
    sound: SoundFormat | None = None
    waits: bool = False


@dataclass(frozen=True, kw_only=True)
class CameraRequest:
    """What is asked of a camera; None leaves it to the camera. `size` is (width, height)."""

    source: str
    size: tuple[int, int] | None = None
    rate: Fraction | None = None
    loop: bool = False


@dataclass(frozen=True, kw_only=True)
class PictureFormat:
    """What an output will be given: pictures of one even size at about `rate` a second, sound or none."""

    width: int
    height: int
    rate: Fraction
    sound: SoundFormat | None = None


class Camera(Protocol):
    """A source of live pictures. One thread reads and closes it."""

    @property
    def info(self) -> CameraInfo: ...

    def read(self) -> ImageArray:
        """The next picture, (H, W, 3) uint8 RGB, as soon as it is there.

        Raises PictureUnusable, CameraLost (after at most two seconds without a picture, longer for the first ones and
        for a slow camera), CameraEnded, and for a film that plays in its own time PictureNotDue.
        """
        ...

    def sounds(self) -> list[Sound]:
        """What was heard since the last call."""
        ...

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        ...


class LiveOutput(Protocol):
    """Somewhere live pictures go. One thread opens, feeds and closes it.

    `steady` outputs want a picture in every period: the last is repeated for them when the camera pauses.
    """

    name: str
    steady: bool

    def open(self, picture: PictureFormat) -> None:
        """Make ready. Raises OutputLost where a later try may succeed, OutputError where none will."""
        ...

    def write(self, frame: LiveFrame) -> None:
        """Deliver one picture of the format's size. Raises ReceiverAbsent, OutputLost, OutputError."""
        ...

    def hear(self, sound: Sound) -> None:
        """Deliver a piece of sound, before the first picture that is later. Raises OutputLost, OutputError."""
        ...

    def close(self) -> None:
        """Finish and give back; a second call does nothing. Raises OutputError if the end could not be written."""
        ...
