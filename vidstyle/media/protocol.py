"""What every reader and writer of moving pictures looks like from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import av

from vidstyle.frames import Frame, VideoInfo

if TYPE_CHECKING:
    from av.container.core import Chapter  # only PyAV's stubs have it


@dataclass(frozen=True, eq=False)
class CopiedPacket:
    """A compressed packet of another stream (sound, subtitles, data), on its way to the writer untouched.

    `stream` is the index in the input container. Its time stamps have been rebased together with
    the film's, so that the distance between sound and picture stays what it was.
    """

    packet: av.Packet[Any]
    stream: int


F_co = TypeVar("F_co", covariant=True)


class FrameSource(Protocol[F_co]):
    """What the file loop reads: every reader gives `Frame`s, other sources what their painter takes."""

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame."""
        ...

    def events(self) -> Iterator[F_co | CopiedPacket]:
        """Frames and the other streams' packets, in the order of the file."""
        ...


class FilmSource(Protocol):
    """What a writer takes over from the film that was read, beside its frames."""

    @property
    def info(self) -> VideoInfo:
        """What is known before the first frame."""
        ...

    @property
    def container(self) -> av.container.InputContainer | None:
        """The open input, for tags, chapters and stream templates; None for numbered sequences."""
        ...

    @property
    def video_stream(self) -> int | None:
        """Index of the film's own stream in `container`."""
        ...

    @property
    def chapters(self) -> list[Chapter]:
        """The chapters of what is read, moved together with its frames."""
        ...


class Reader(FilmSource, FrameSource[Frame], Protocol):
    """A film, picture or sequence, frame by frame. A context manager; iterating gives the frames."""

    @property
    def warnings(self) -> list[str]:
        """Everything repaired, assumed or lost so far, one line each; it grows while reading."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Every frame once, in order of strictly increasing pts."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Writer(Protocol):
    """Where painted frames go. A context manager: leaving it on an exception does not commit."""

    @property
    def frames_written(self) -> int: ...

    @property
    def warnings(self) -> list[str]:
        """Everything that could not be kept, one line each."""
        ...

    def write(self, frame: Frame) -> None:
        """Encode one frame; pts must increase. Raises OutputError."""
        ...

    def copy(self, packet: CopiedPacket) -> None:
        """Pass on a packet of another stream; those not mapped are dropped. Raises OutputError."""
        ...

    def close(self, commit: bool) -> None:
        """Flush and close. With `commit` the target gets its name; without, the `.part` stays, playable."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
